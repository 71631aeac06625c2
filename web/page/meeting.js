// @ts-check
// What members of a call tell each other besides pictures and voices, and how the
// pictures are fitted to what the connections carry.

import { Emitter } from "./client/emitter.js";
import { receiveFile } from "./files.js";

/** @typedef {import("./client/index.js").Peer} Peer */
/** @typedef {import("./client/index.js").Room} Room */
/** @typedef {import("./client/index.js").Statistics} Statistics */
/** @typedef {import("./media.js").Media} Media */
/** @typedef {import("./files.js").Transfer} Transfer */

/**
 * What we know of one in the call.
 * @typedef {{
 *   streams: Map<string, MediaStream>, muted: boolean, cameraOff: boolean, hand: boolean, screen: string,
 *   speaking: boolean, quality: "good"|"fair"|"poor"|"", statistics?: Statistics,
 * }} Other
 */

const STATISTICS_EVERY = 1000; // ms
const SPEAKING_EVERY = 100; // ms
const SPEAKING_HOLD = 800; // ms that one still counts as speaking after the last sound
const SPEAKING_LEVEL = 0.02; // of a receiver, from 0 to 1

/**
 * How a picture is sent to each of so many others: bits a second, and by what its
 * size is divided. Together they stay below 2.5 Mbit/s.
 * @type {[most: number, bitrate: number, scale: number][]}
 */
const FITS = [[1, 1_700_000, 1], [2, 900_000, 1.5], [4, 450_000, 2], [7, 250_000, 3], [Infinity, 150_000, 4]];
const SCREEN_BITRATE = 1_500_000;
const VOICE_BITRATE = 40_000;

/**
 * - change: something of one in the call, or who there is
 * - chat: somebody has written
 * - file: somebody offers a file
 * @extends {Emitter<{change: string, chat: {from: string, text: string}, file: Transfer}>}
 */
export class Meeting extends Emitter {
  /** @type {Map<string, Other>} */
  others = new Map();
  /** What the others are told of us. */
  self = { muted: false, cameraOff: false, hand: false, screen: "" };
  speaking = false;

  #room;
  #media;
  #timers;
  /** @type {Map<string, number>} when each was last heard */
  #lastSound = new Map();

  /**
   * @param {Room} room
   * @param {Media} media
   */
  constructor(room, media) {
    super();
    this.#room = room;
    this.#media = media;
    room.on("peer", (peer) => this.#welcome(peer));
    room.on("gone", ({ peer }) => {
      this.others.delete(peer.id);
      this.#fit();
      this.emit("change", peer.id);
    });
    room.on("message", ({ from, data }) => {
      if (typeof data?.chat === "string") this.emit("chat", { from, text: data.chat });
    });
    this.#timers = [
      setInterval(() => this.#measure(), STATISTICS_EVERY),
      setInterval(() => this.#listen(), SPEAKING_EVERY),
    ];
  }

  close() {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** @param {Peer} peer */
  #welcome(peer) {
    /** @type {Other} */
    const other = { streams: new Map(), muted: false, cameraOff: false, hand: false, screen: "", speaking: false, quality: "" };
    this.others.set(peer.id, other);
    const change = () => this.emit("change", peer.id);
    peer.on("track", ({ track, streams }) => {
      const stream = streams[0] ?? new MediaStream([track]);
      other.streams.set(stream.id, stream);
      track.onmute = track.onunmute = track.onended = change;
      stream.onremovetrack = () => {
        if (!stream.getTracks().length) other.streams.delete(stream.id);
        change();
      };
      change();
    });
    peer.on("data", (data) => this.#told(peer, other, data));
    peer.on("open", () => this.#tell(peer));
    peer.on("channel", (channel) => {
      if (channel.label === "file") receiveFile(channel, peer.id, (transfer) => this.emit("file", transfer));
    });
    peer.on("state", (state) => {
      if (state === "connected") this.#fit();
      if (state === "connecting") this.#tell(peer);
      change();
    });
    this.#fit();
    change();
  }

  /**
   * @param {Peer} peer
   * @param {Other} other
   * @param {any} data
   */
  #told(peer, other, data) {
    if (data?.state) {
      const { muted, cameraOff, hand, screen } = data.state;
      Object.assign(other, { muted: !!muted, cameraOff: !!cameraOff, hand: !!hand, screen: String(screen ?? "") });
      this.emit("change", peer.id);
    }
    if (typeof data?.chat === "string") this.emit("chat", { from: peer.id, text: data.chat });
  }

  /** @param {Peer} peer */
  #tell(peer) { peer.send({ state: this.self }); }

  /**
   * Changes what the others are told of us.
   * @param {Partial<Meeting["self"]>} change
   */
  update(change) {
    Object.assign(this.self, change);
    for (const peer of this.#room.peers.values()) if (peer.state !== "ringing") this.#tell(peer);
    this.#fit();
    this.emit("change", this.#room.id);
  }

  /**
   * Says something to everybody in the room: straight where there is a way, through
   * the server else.
   * @param {string} text
   */
  chat(text) {
    for (const id of this.#room.members) {
      if (id === this.#room.id) continue;
      const peer = this.#room.peers.get(id);
      if (peer?.direct) peer.send({ chat: text });
      else this.#room.send({ chat: text }, id);
    }
  }

  /** Fits what we send to the number of those who get it: voices first. */
  #fit() {
    const n = this.#room.peers.size;
    const fit = FITS.find(([most]) => n <= most);
    if (!n || !fit) return;
    const screens = this.self.screen !== "";
    for (const peer of this.#room.peers.values()) {
      peer.encode("audio", { maxBitrate: VOICE_BITRATE, priority: "high", networkPriority: "high" });
      peer.encode("video", { maxBitrate: screens ? Math.max(fit[1], SCREEN_BITRATE / n) : fit[1], scaleResolutionDownBy: screens ? 1 : fit[2] });
    }
  }

  async #measure() {
    for (const peer of this.#room.peers.values()) {
      const other = this.others.get(peer.id);
      if (!other || peer.state !== "connected") continue;
      other.statistics = await peer.stats();
      const { roundTrip = 0, lost, jitter = 0 } = other.statistics;
      other.quality = roundTrip > 400 || lost > .08 || jitter > 100 ? "poor" : roundTrip > 200 || lost > .03 || jitter > 50 ? "fair" : "good";
      this.emit("change", peer.id);
    }
  }

  #listen() {
    this.speaking = this.#hears(this.#room.id, this.speaking, this.#media.level() > .45);
    for (const peer of this.#room.peers.values()) {
      const other = this.others.get(peer.id);
      if (!other) continue;
      const receivers = peer.connection.getReceivers().filter((r) => r.track.kind === "audio");
      const loud = !other.muted && receivers.some((r) => (r.getSynchronizationSources?.() ?? []).some((s) => (s.audioLevel ?? 0) > SPEAKING_LEVEL));
      other.speaking = this.#hears(peer.id, other.speaking, loud);
    }
  }

  /**
   * @param {string} id
   * @param {boolean} was
   * @param {boolean} loud
   * @returns {boolean} whether this one speaks
   */
  #hears(id, was, loud) {
    const now = Date.now();
    if (loud) this.#lastSound.set(id, now);
    const speaking = now - (this.#lastSound.get(id) ?? 0) < SPEAKING_HOLD;
    if (speaking !== was) queueMicrotask(() => this.emit("change", id));
    return speaking;
  }
}
