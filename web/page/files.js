// @ts-check
// Files, over a data channel for each: an offer, a yes or a no, then pieces.

/** @typedef {import("./client/index.js").Peer} Peer */

/**
 * A file on its way. progress is from 0 to 1; changed is called when it or the state
 * has changed.
 * @typedef {{
 *   id: string, name: string, size: number, incoming: boolean, peer: string, progress: number,
 *   state: "offered"|"moving"|"done"|"refused"|"failed", blob?: Blob,
 *   accept: () => void, refuse: () => void, changed: () => void,
 * }} Transfer
 */

const PIECE = 16 << 10; // bytes: what every browser takes in one message
const AHEAD = 1 << 20; // bytes that may wait in the channel
const MOST = 4e9; // bytes that a file may have

/**
 * @param {Partial<Transfer> & {name: string, size: number, peer: string, incoming: boolean}} start
 * @returns {Transfer}
 */
function transfer(start) {
  return { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), progress: 0, state: "offered", accept() {}, refuse() {}, changed() {}, ...start };
}

/**
 * @param {Transfer} file
 * @param {Transfer["state"]} state
 */
function settle(file, state) {
  if (file.state === "done" || file.state === "refused" || file.state === "failed") return;
  file.state = state;
  file.changed();
}

/**
 * Offers a file.
 * @param {Peer} peer
 * @param {File} file
 * @returns {Transfer}
 */
export function offerFile(peer, file) {
  const out = transfer({ name: file.name, size: file.size, peer: peer.id, incoming: false });
  const channel = peer.channel("file");
  channel.bufferedAmountLowThreshold = AHEAD / 2;
  channel.onopen = () => channel.send(JSON.stringify({ name: file.name, size: file.size, type: file.type }));
  channel.onclose = () => settle(out, "failed");
  out.refuse = () => channel.close();
  channel.onmessage = async ({ data }) => {
    const { answer } = JSON.parse(data);
    if (answer === "yes") {
      settle(out, "moving");
      await push(channel, file, out).catch(() => settle(out, "failed"));
    } else {
      settle(out, answer === "got" ? "done" : "refused");
      channel.close();
    }
  };
  return out;
}

/**
 * @param {RTCDataChannel} channel
 * @param {File} file
 * @param {Transfer} out
 */
async function push(channel, file, out) {
  for (let at = 0; at < file.size; at += PIECE) {
    if (channel.readyState !== "open") throw new Error("closed");
    if (channel.bufferedAmount > AHEAD) {
      await new Promise((resolve) => {
        channel.onbufferedamountlow = resolve;
        channel.addEventListener("close", resolve, { once: true });
      });
    }
    channel.send(await file.slice(at, at + PIECE).arrayBuffer());
    out.progress = Math.min(1, (at + PIECE) / file.size);
    out.changed();
  }
}

/**
 * Takes an offer of a file.
 * @param {RTCDataChannel} channel
 * @param {string} peer
 * @param {(transfer: Transfer) => void} offered
 */
export function receiveFile(channel, peer, offered) {
  channel.binaryType = "arraybuffer";
  /** @type {Transfer|undefined} */
  let file;
  /** @type {ArrayBuffer[]} */
  const pieces = [];
  let type = "", got = 0;
  channel.onclose = () => { if (file) settle(file, "failed"); };
  const finish = () => {
    if (!file || got < file.size) return;
    file.blob = new Blob(pieces, { type });
    channel.send(JSON.stringify({ answer: "got" }));
    settle(file, "done");
  };
  channel.onmessage = ({ data }) => {
    if (!file) {
      const offer = JSON.parse(data);
      const size = Number(offer.size);
      if (!(size >= 0 && size <= MOST)) return channel.close();
      type = /^[\w.+-]+\/[\w.+-]+$/.test(offer.type) ? offer.type : "application/octet-stream";
      const name = String(offer.name).replace(/[/\\\p{Cc}\p{Cf}]/gu, "_").slice(-200) || "file";
      const it = file = transfer({ name, size, peer, incoming: true });
      file.accept = () => {
        settle(it, "moving");
        channel.send(JSON.stringify({ answer: "yes" }));
        finish();
      };
      file.refuse = () => {
        settle(it, "refused");
        if (channel.readyState === "open") channel.send(JSON.stringify({ answer: "no" }));
      };
      offered(file);
      return;
    }
    if (file.state !== "moving") return;
    got += data.byteLength;
    if (got > file.size) {
      channel.close();
      return;
    }
    pieces.push(data);
    file.progress = file.size ? got / file.size : 1;
    file.changed();
    finish();
  };
}
