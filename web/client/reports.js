// @ts-check
// Tells the server how a call goes: when it is up, when it has failed, every half minute, and
// at its end. The server keeps figures of it; nobody else hears of it.

import { summarize } from "./stats.js";

/** @typedef {import("./peer.js").Peer} Peer */
/** @typedef {"connected"|"failed"|"declined"|"busy"|"unanswered"|"canceled"|"ended"} Outcome */

const EVERY = 30_000; // ms between reports of a call that is up
/** @type {Record<string, Outcome>} of the reasons for which a peer is gone before it was connected */
const OUTCOMES = {
  declined: "declined", busy: "busy", unanswered: "unanswered", absent: "unanswered", ended: "canceled", left: "canceled",
};

export class Reporter {
  #peer;
  #send;
  #began = Date.now();
  #checking = 0;
  #found = 0; // when ICE had found a way
  #connected = 0;
  /** @type {import("./stats.js").Measured|undefined} */
  #measured;
  /** @type {Record<string, any>} what was measured last, for the end */
  #last = {};
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #timer;

  /**
   * @param {Peer} peer
   * @param {(data: Record<string, any>) => void} send
   */
  constructor(peer, send) {
    this.#peer = peer;
    this.#send = send;
    const pc = peer.connection;
    pc.addEventListener("iceconnectionstatechange", () => {
      this.#checking ||= Date.now();
      if (/connected|completed/.test(pc.iceConnectionState)) this.#found ||= Date.now();
    });
    peer.on("state", (state) => {
      if (state === "connecting") this.#began = Date.now(); // ringing is not set-up
      else if (state === "connected") this.#up();
      else if (state === "failed") this.#send({ outcome: "failed", reason: "ice", ...this.#lasted(), ...this.#last }); // at once: it may be closed next
    });
  }

  #up() {
    const first = !this.#connected;
    this.#connected ||= Date.now();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tell(), EVERY);
    const since = (/** @type {number} */ from, /** @type {number} */ to) => from && to ? Math.max(0, to - from) : undefined;
    this.#tell(first ? {
      setup_ms: this.#connected - this.#began, ice_ms: since(this.#checking, this.#found), dtls_ms: since(this.#found, this.#connected),
    } : {});
  }

  /**
   * The peer is gone. If it is renewed the call goes on, and the next peer's reporter tells how.
   * @param {import("./room.js").Reason} reason
   */
  end(reason) {
    clearInterval(this.#timer);
    if (reason === "renewed") return;
    if (this.#connected) this.#send({ outcome: "ended", reason, duration_ms: Date.now() - this.#connected, ...this.#last });
    else this.#send({ outcome: OUTCOMES[reason] ?? "failed", reason });
  }

  /**
   * Tells that the call is up, and how it goes, unless it is not up any more.
   * @param {Record<string, any>} [more]
   */
  async #tell(more) {
    const report = await this.#peer.connection.getStats?.().catch(() => undefined);
    if (!report || this.#peer.state !== "connected") return;
    const { statistics: s, measured } = summarize(report, this.#measured);
    this.#measured = measured;
    this.#last = {
      path: s.relayed ? "relay" : s.local?.type, protocol: s.local?.protocol, rtt_ms: round(s.roundTrip), jitter_ms: round(s.jitter),
      loss: s.lost, kbps_in: round(s.receiving / 1000), kbps_out: round(s.sending / 1000), freezes: s.freezes,
    };
    this.#send({ outcome: "connected", ...more, ...this.#lasted(), ...this.#last });
  }

  #lasted() { return this.#connected ? { duration_ms: Date.now() - this.#connected } : {}; }
}

/** @param {number} [value] */
function round(value) { return value === undefined ? undefined : Math.round(value); }
