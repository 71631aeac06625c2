// @ts-check
// Negotiates one RTCPeerConnection with the other side: perfect negotiation, one step after
// the other. Knows descriptions and candidates, but not what they are for.

import { fingerprints } from "./verification.js";

/** @typedef {import("./signaling.js").Message} Message */

const AGAIN = 1_000; // ms until what the server could not take is told again
const MOST_EARLY = 100; // candidates kept until their description comes
const REPEAT = 10_000; // ms without an answer until an offer is told again

/**
 * - tell: sends a description or a candidate to the other side; says whether to tell it again later
 * - answered: the first description of the other side has come
 * - settled: a negotiation is complete
 * - renewed: the other side has made its connection anew: ours is of no use to it
 * - stale: the other side has sent an offer to a former connection of ours
 * - warn: of what went wrong
 * @typedef {{
 *   tell: (message: Message) => Promise<boolean>, answered: () => void, settled: () => unknown,
 *   renewed: (message: Message) => void, stale: () => void, warn: (error: unknown) => void,
 * }} NegotiationEvents
 */

export class Negotiation {
  #pc;
  #polite;
  #events;
  /** Whether we may offer: in a mesh the polite one waits for the first offer. */
  #offers;
  /**
   * An offer of the polite side, which is not put in place until it is answered. So there is
   * nothing to take back when the other offers at the same moment: a connection of Chromium
   * that takes an offer back shows no more of the other's picture.
   * @type {RTCSessionDescriptionInit|undefined}
   */
  #draft;
  #ignored = false;
  /** The session in the descriptions of the other side: it names its connection. */
  #theirs = "";
  /** The fingerprints in them: who has others is somebody else. */
  #pinned = "";
  /** Counts our descriptions: an answer names the offer that it is for. */
  #number = 0;
  /** The number of the description that is on its way to the server. */
  #telling = 0;
  /** @type {number|undefined} of the offer that we have answered */
  #answered;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {any[]} candidates whose description has not come, or is over */
  #early = [];
  #queue = Promise.resolve();

  /**
   * @param {RTCPeerConnection} pc
   * @param {{polite: boolean, offers: boolean}} rules
   * @param {NegotiationEvents} events
   */
  constructor(pc, { polite, offers }, events) {
    this.#pc = pc;
    this.#polite = polite;
    this.#offers = offers;
    this.#events = events;
    pc.onnegotiationneeded = () => this.run(() => this.#offer());
    pc.onicecandidate = ({ candidate }) => this.#found({ type: "candidate", candidate: candidate ? candidate.toJSON() : null });
  }

  /**
   * Does a step when all former ones are done.
   * @param {() => unknown} step
   */
  run(step) {
    this.#queue = this.#queue.then(async () => {
      if (this.#pc.signalingState !== "closed") await step();
    }).catch(this.#events.warn);
    return this.#queue;
  }

  /** @param {Message} message of the other side */
  receive(message) {
    this.run(() => message.type === "candidate" ? this.#candidate(message.candidate) : this.#describe(message));
  }

  /** Looks for a new way to the other side. An offer without an answer is told again. */
  restart() {
    this.run(async () => {
      this.#offers = true;
      if (this.#open) this.#tell();
      else if (!this.#theirs) await this.#offer();
      if (this.#theirs) this.#pc.restartIce();
    });
  }

  /**
   * Tells an offer again that has no answer: one of the two may be lost. Not at once: who has
   * come back anew says so first.
   */
  again() { this.#later(AGAIN); }

  /** Ends: nothing is told again. */
  close() { clearTimeout(this.#timer); }

  get #ours() { return this.#draft ?? this.#pc.localDescription; }

  /** Whether an offer of ours waits for its answer. */
  get #open() { return this.#draft || this.#pc.signalingState === "have-local-offer"; }

  /** Tells our description, with the candidates of now, unless it is on its way. */
  async #tell() {
    const ours = this.#ours, number = this.#number;
    if (!ours || this.#telling === number) return;
    const { type, sdp } = ours, n = type === "offer" ? number : this.#answered;
    this.#telling = number;
    const again = await this.#events.tell({ type, sdp, n, ...(this.#theirs && { for: this.#theirs }) });
    if (this.#telling !== number) return; // there is a newer one
    this.#telling = 0;
    // A description that rings is not told twice.
    if (again) this.#later(AGAIN, type === "answer" ? () => this.#tell() : undefined);
    else if (this.#theirs) this.#later(REPEAT);
  }

  /**
   * @param {number} time ms
   * @param {() => unknown} [step] in place of the one that waits: without one an open offer is told again
   */
  #later(time, step = () => this.#open && this.#tell()) {
    clearTimeout(this.#timer);
    if (this.#pc.signalingState !== "closed") this.#timer = setTimeout(() => this.run(step), time);
  }

  /** @param {Message} candidate of ours */
  async #found(candidate) {
    if (await this.#events.tell(candidate)) setTimeout(() => this.#found(candidate), AGAIN);
  }

  async #offer() {
    if (!this.#offers || this.#draft || this.#pc.signalingState !== "stable") return;
    if (this.#polite) this.#draft = await this.#pc.createOffer();
    else await this.#setLocal("offer");
    this.#number++;
    this.#tell();
  }

  /**
   * Node's implementations want the description that browsers make by themselves.
   * @param {"offer"|"answer"} type
   */
  async #setLocal(type) {
    await this.#pc.setLocalDescription(await (type === "offer" ? this.#pc.createOffer() : this.#pc.createAnswer()));
  }

  /** @param {Message} message an offer or an answer */
  async #describe(message) {
    const type = /** @type {"offer"|"answer"} */ (message.type);
    const sdp = typeof message.sdp === "string" ? message.sdp : String(message.sdp?.sdp ?? "");
    const theirs = session(sdp), marks = fingerprints(sdp), ours = session(this.#ours?.sdp);
    const meant = !message.for || message.for === ours;
    if (type === "answer" && (!meant || !this.#open || (message.n ?? this.#number) !== this.#number)) return;
    if (this.#theirs && (theirs !== this.#theirs || marks !== this.#pinned)) return this.#events.renewed(message);
    if (!meant) return this.#events.stale();
    this.#ignored = type === "offer" && !this.#polite && this.#pc.signalingState === "have-local-offer";
    if (this.#ignored) return;
    const draft = this.#draft;
    this.#draft = undefined;
    try {
      if (draft && type === "answer") await this.#pc.setLocalDescription(draft);
      await this.#pc.setRemoteDescription({ type, sdp });
    } catch (error) {
      if (draft) this.#later(REPEAT, () => this.#open ? this.#tell() : this.#offer()); // no event asks for it again
      throw error;
    }
    const first = !this.#theirs;
    this.#theirs = theirs;
    this.#pinned = marks;
    this.#offers = true;
    if (first) this.#events.answered();
    for (const candidate of this.#early.splice(0)) await this.#candidate(candidate);
    if (type === "offer") {
      this.#answered = message.n;
      await this.#setLocal("answer");
      this.#number++;
      this.#tell();
    }
    await this.#events.settled();
  }

  /** @param {any} candidate */
  async #candidate(candidate) {
    const remote = this.#pc.remoteDescription;
    if (!candidate?.candidate) return; // the end of candidates: nothing to be done
    const { usernameFragment } = candidate;
    if (!remote || usernameFragment && !remote.sdp.includes(`a=ice-ufrag:${usernameFragment}`)) {
      if (this.#early.push(candidate) > MOST_EARLY) this.#early.shift();
      return;
    }
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch (error) {
      if (!this.#ignored) throw error;
    }
  }
}

/**
 * Returns the session of a description, which stays the same as long as the connection.
 * @param {string} [sdp]
 */
function session(sdp = "") { return /^o=\S* (\S+)/m.exec(sdp)?.[1] ?? ""; }
