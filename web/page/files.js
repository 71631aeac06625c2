// @ts-check
// Files, over a data channel for each receiver: an offer, a yes or a no, then pieces.

/** @typedef {import("./client/parley.js").Peer} Peer */
/** @typedef {"offered"|"moving"|"done"|"refused"|"large"|"failed"|"canceled"} FileState */

/** @typedef {{state: FileState, moved: number}} Part what one receiver has of it, in bytes */

/**
 * A file on its way: to one or several, or from one. rate: bytes a second.
 * @typedef {{
 *   id: string, name: string, size: number, incoming: boolean, parts: Map<string, Part>, at: number, rate: number, blob?: Blob,
 *   accept: () => void, refuse: () => void, cancel: () => void,
 * }} Transfer
 */

const PIECE = 64 << 10; // bytes of a message of the channel
const READ = 1 << 20; // bytes that are read from the file at once
const AHEAD = 1 << 20; // bytes that may wait in the channel
const FOLD = 8 << 20; // bytes in memory until they become a part of a Blob, which browsers put on disk
const DRAW = 200; // ms at least between two looks at the progress
/** Bytes that a file may have: phones and small computers take less. */
const MOST = 250e6 * (/** @type {any} */ (navigator).deviceMemory ?? (navigator.maxTouchPoints > 1 ? 2 : 8));

/** @param {Part} part */
const over = (part) => !/offered|moving/.test(part.state);

class Moving {
  /** @type {Transfer} */
  file;
  #changed;
  #drawn = 0;
  #began = 0;

  /**
   * @param {Partial<Transfer> & {name: string, size: number, incoming: boolean}} start
   * @param {() => void} changed
   */
  constructor(start, changed) {
    this.#changed = changed;
    this.file = {
      id: crypto.getRandomValues(new Uint32Array(2)).join("-"), parts: new Map(), at: Date.now(), rate: 0,
      accept() {}, refuse() {}, cancel() {}, ...start,
    };
  }

  /**
   * @param {Part} part
   * @param {FileState} state
   */
  settle(part, state) {
    if (over(part)) return;
    part.state = state;
    this.#began ||= Date.now();
    this.#changed();
  }

  /**
   * @param {Part} part
   * @param {number} moved
   */
  moved(part, moved) {
    part.moved = moved;
    const now = Date.now();
    if (now - this.#drawn < DRAW) return;
    this.#drawn = now;
    this.file.rate = 1000 * Math.max(...[...this.file.parts.values()].map((p) => p.moved)) / Math.max(1, now - this.#began);
    this.#changed();
  }
}

/**
 * Offers a file to members.
 * @param {Peer[]} peers
 * @param {File} file
 * @param {() => void} changed called when something of the transfer has
 * @returns {Transfer}
 */
export function offerFile(peers, file, changed) {
  const moving = new Moving({ name: file.name, size: file.size, incoming: false }, changed);
  /** @type {RTCDataChannel[]} */
  const channels = [];
  for (const peer of peers) channels.push(offerTo(peer, file, moving));
  moving.file.cancel = () => {
    for (const part of moving.file.parts.values()) moving.settle(part, "canceled");
    for (const channel of channels) channel.close();
  };
  return moving.file;
}

/**
 * @param {Peer} peer
 * @param {File} file
 * @param {Moving} moving
 */
function offerTo(peer, file, moving) {
  /** @type {Part} */
  const part = { state: "offered", moved: 0 };
  moving.file.parts.set(peer.id, part);
  const channel = peer.channel("file");
  channel.bufferedAmountLowThreshold = AHEAD / 2;
  channel.onopen = () => channel.send(JSON.stringify({ name: file.name, size: file.size, type: file.type }));
  channel.onclose = () => moving.settle(part, "failed");
  channel.onmessage = async ({ data }) => {
    const { answer } = JSON.parse(data);
    if (answer === "yes") {
      moving.settle(part, "moving");
      const largest = peer.connection.sctp?.maxMessageSize || PIECE;
      await push(channel, file, Math.min(PIECE, largest), (moved) => moving.moved(part, moved)).catch(() => {
        moving.settle(part, "failed"); // it can't be read any more
        channel.close();
      });
    } else {
      moving.settle(part, answer === "got" ? "done" : answer === "large" ? "large" : "refused");
      channel.close();
    }
  };
  return channel;
}

/**
 * @param {RTCDataChannel} channel
 * @param {File} file
 * @param {number} piece bytes
 * @param {(moved: number) => void} moved
 */
async function push(channel, file, piece, moved) {
  /** @type {() => void} */
  let go = () => {};
  channel.onbufferedamountlow = () => go();
  channel.addEventListener("close", () => go());
  for (let at = 0; at < file.size; at += READ) {
    const bytes = await file.slice(at, at + READ).arrayBuffer();
    for (let from = 0; from < bytes.byteLength; from += piece) {
      if (channel.bufferedAmount > AHEAD) await new Promise((resolve) => { go = () => resolve(undefined); });
      if (channel.readyState !== "open") throw new Error("closed");
      channel.send(bytes.slice(from, from + piece));
      moved(at + Math.min(bytes.byteLength, from + piece));
    }
  }
}

/**
 * Takes an offer of a file. large: one that this device can't take was offered.
 * @param {RTCDataChannel} channel
 * @param {string} peer
 * @param {{offered: (transfer: Transfer) => void, large: (name: string, size: number) => void, changed: () => void}} told
 */
export function receiveFile(channel, peer, { offered, large, changed }) {
  channel.binaryType = "arraybuffer";
  channel.onmessage = ({ data }) => {
    const offer = JSON.parse(data), size = Number(offer.size);
    const name = String(offer.name).replace(/[/\\\p{Cc}\p{Cf}]/gu, "_").slice(-200) || "file";
    if (!(size >= 0 && size <= MOST)) {
      channel.send(JSON.stringify({ answer: "large" }));
      large(name, size);
      return;
    }
    const type = /^[\w.+-]+\/[\w.+-]+$/.test(offer.type) ? offer.type : "application/octet-stream";
    offered(new Receiver(channel, peer, new Moving({ name, size, incoming: true }, changed), type).file);
  };
}

class Receiver {
  file;
  #channel;
  #moving;
  #type;
  /** @type {Part} */
  #part = { state: "offered", moved: 0 };
  /** @type {Blob[]} */
  #folded = [];
  /** @type {ArrayBuffer[]} */
  #pieces = [];
  #waiting = 0; // bytes in pieces

  /**
   * @param {RTCDataChannel} channel
   * @param {string} peer
   * @param {Moving} moving
   * @param {string} type
   */
  constructor(channel, peer, moving, type) {
    this.#channel = channel;
    this.#moving = moving;
    this.#type = type;
    const file = this.file = moving.file;
    file.parts.set(peer, this.#part);
    file.accept = () => {
      moving.settle(this.#part, "moving");
      this.#answer("yes");
      if (!file.size) this.#finish();
    };
    file.refuse = () => {
      moving.settle(this.#part, "refused");
      this.#answer("no");
    };
    file.cancel = () => this.#end("canceled");
    channel.onclose = () => this.#end("failed");
    channel.onmessage = ({ data }) => this.#take(data);
  }

  /** @param {string} answer */
  #answer(answer) {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify({ answer }));
  }

  /** @param {FileState} state */
  #end(state) {
    this.#moving.settle(this.#part, state);
    this.#folded = this.#pieces = [];
    this.#channel.close();
  }

  /** @param {ArrayBuffer} data */
  #take(data) {
    if (this.#part.state !== "moving") return;
    const got = this.#part.moved + data.byteLength;
    if (got > this.file.size) {
      this.#end("failed");
      return;
    }
    this.#pieces.push(data);
    if ((this.#waiting += data.byteLength) >= FOLD) this.#fold();
    this.#moving.moved(this.#part, got);
    if (got === this.file.size) this.#finish();
  }

  #fold() {
    this.#folded.push(new Blob(this.#pieces));
    this.#pieces = [];
    this.#waiting = 0;
  }

  #finish() {
    this.#fold();
    this.file.blob = new Blob(this.#folded, { type: this.#type });
    this.#folded = [];
    this.#answer("got");
    this.#moving.settle(this.#part, "done");
  }
}
