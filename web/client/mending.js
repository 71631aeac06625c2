// @ts-check
// Watches whether a connection is up, and has it look for a new way when it is not.

const RETRY = 8_000; // ms until the first try to mend a connection that does not come up; doubled for each further one
const LONGEST_RETRY = 60_000; // ms
const PATIENCE = 250; // ms that a connection may be interrupted before it looks for a new way: the old one is not lost by that
const LOOK = 1_000; // ms between looks at what comes
const SILENCE = 2; // looks without anything new

/**
 * - state: what has become of the connection
 * - restart: look for a new way
 * - lost: the way between the two is interrupted
 * @typedef {{state: (state: "connected"|"interrupted"|"failed") => void, restart: () => void, lost: () => void}} MendingEvents
 */

export class Mending {
  #pc;
  #patience;
  #events;
  #delay = RETRY;
  #restarted = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #looking;
  #heard = 0; // when the last of what comes was heard
  #silent = 0; // looks since then

  /**
   * @param {RTCPeerConnection} pc
   * @param {number} patience by how much longer we wait than the other side: not both at the same moment
   * @param {MendingEvents} events
   */
  constructor(pc, patience, events) {
    this.#pc = pc;
    this.#patience = patience;
    this.#events = events;
    pc.onconnectionstatechange = () => this.#changed();
  }

  /** The connection is to come up now. */
  expect() { this.#later(RETRY); }

  /** A new way is looked for. */
  restarted() { this.#restarted = Date.now(); }

  close() {
    this.#pc.onconnectionstatechange = null;
    clearTimeout(this.#timer);
    clearInterval(this.#looking);
  }

  /**
   * Mends the connection later unless it is up by then: a candidate may have been lost. Slow
   * links get longer and longer, since each try throws away what was nearly there.
   * @param {number} [time] ms
   */
  #later(time) {
    clearTimeout(this.#timer);
    if (this.#pc.signalingState === "closed") return; // by a listener
    const delay = time ?? this.#delay;
    if (time === undefined) this.#delay = Math.min(2 * this.#delay, LONGEST_RETRY);
    this.#timer = setTimeout(() => {
      this.#events.restart();
      this.#later();
    }, this.#patience * delay);
  }

  #changed() {
    switch (this.#pc.connectionState) {
      case "connected":
        clearTimeout(this.#timer);
        this.#delay = RETRY;
        clearInterval(this.#looking);
        this.#looking = setInterval(() => this.#look(), LOOK);
        this.#events.state("connected");
        break;
      case "disconnected":
        this.#events.state("interrupted");
        this.#events.lost();
        this.#later(PATIENCE);
        break;
      case "failed":
        this.#events.state("failed");
        if (Date.now() - this.#restarted > RETRY / 2) this.#events.restart();
        this.#later();
        break;
    }
  }

  /**
   * Looks for a new way when nothing is heard any more: browsers take six seconds to notice. What
   * pauses by itself costs a restart of ICE now and then, which loses nothing.
   */
  #look() {
    const sources = this.#pc.getReceivers().flatMap((receiver) => receiver.getSynchronizationSources?.() ?? []);
    const heard = Math.max(0, ...sources.map(({ timestamp }) => timestamp));
    this.#silent = heard > this.#heard || !heard ? 0 : this.#silent + 1;
    this.#heard = heard;
    if (this.#silent !== SILENCE || Date.now() - this.#restarted < LONGEST_RETRY) return;
    this.#events.lost();
    this.#events.restart();
  }
}
