// @ts-check
// Decides what becomes of calls: one at a time, taken or declined, and ended when
// the other hangs up, is busy, or is gone for good.

import { Call } from "./call.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./signaling.js").Signaling} Signaling */

/**
 * What the page hears:
 * - incoming: somebody calls (an id), or no longer does (undefined)
 * - stream: the other's picture and voice
 * - changed: the call's state has changed; call is undefined when there is none
 * - ended: the call is over, and why, in words
 * @typedef {{
 *   incoming: (from: string|undefined) => void,
 *   stream: (stream: MediaStream) => void,
 *   changed: (call: Call|undefined) => void,
 *   ended: (reason: string) => void,
 * }} PhoneEvents
 */

const RING_TIME = 60_000; // ms until a call that nobody takes is given up
const ABSENCE = 8_000; // ms that one may be cut off and out of the room in a call

export class Phone {
  /** @type {Call|undefined} */
  call;
  /** @type {MediaStream|undefined} what we send */
  media;

  #signaling;
  #events;
  /** @type {{from: string, messages: Message[]}|undefined} a call not taken yet */
  #incoming;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #ringing;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #absence;
  #remoteWasHere = false;

  /**
   * @param {Signaling} signaling
   * @param {PhoneEvents} events
   */
  constructor(signaling, events) {
    this.#signaling = signaling;
    this.#events = events;
    signaling.on("message", (message) => this.#receive(message));
    signaling.on("members", () => this.#membersChanged());
    signaling.on("error", (message) => this.#refused(message));
  }

  /** @param {string} remote the id of the member to call */
  dial(remote) {
    if (this.call) return;
    if (this.#incoming?.from === remote) {
      this.accept();
      return;
    }
    this.#start(remote, true);
    this.#ringing = setTimeout(() => this.hangUp("nobody took the call"), RING_TIME);
  }

  /** Takes the call that comes in. */
  accept() {
    const incoming = this.#incoming;
    if (!incoming) return;
    this.#setIncoming(undefined);
    if (this.call) this.hangUp("you took another call");
    const call = this.#start(incoming.from, false);
    for (const message of incoming.messages) call.receive(message);
  }

  /** Declines the call that comes in. */
  decline() {
    if (!this.#incoming) return;
    this.#signaling.send({ type: "hangup", to: this.#incoming.from, reason: "declined" });
    this.#setIncoming(undefined);
  }

  /** @param {string} [reason] in words, for this side */
  hangUp(reason = "you hung up") {
    if (!this.call) return;
    this.#signaling.send({ type: "hangup", to: this.call.remote });
    this.#end(reason);
  }

  /** Ends all that goes on: the page is left. */
  close() {
    this.decline();
    this.hangUp();
  }

  /**
   * @param {string} remote
   * @param {boolean} outgoing
   */
  #start(remote, outgoing) {
    this.#remoteWasHere = true;
    this.call = new Call(this.#signaling.id, remote, { iceServers: this.#signaling.iceServers }, this.media, outgoing, {
      send: (message) => this.#signaling.send(message),
      stream: (stream) => this.#events.stream(stream),
      state: () => this.#stateChanged(),
    });
    this.#events.changed(this.call);
    return this.call;
  }

  /**
   * Both have called at the same moment. The one with the smaller id answers in a new
   * connection: one that takes its own offer back while it gathers candidates may
   * never gather any more.
   */
  #giveWay() {
    const call = /** @type {Call} */ (this.call);
    clearTimeout(this.#ringing);
    call.close();
    this.#start(call.remote, false);
  }

  #stateChanged() {
    clearTimeout(this.#ringing);
    this.#watchAbsence();
    this.#events.changed(this.call);
  }

  /** @param {string} reason */
  #end(reason) {
    clearTimeout(this.#ringing);
    clearTimeout(this.#absence);
    this.call?.close();
    this.call = undefined;
    this.#events.changed(undefined);
    this.#events.ended(reason);
  }

  /** @param {{from: string, messages: Message[]}|undefined} incoming */
  #setIncoming(incoming) {
    this.#incoming = incoming;
    this.#events.incoming(incoming?.from);
  }

  /** @param {Message} message */
  #receive(message) {
    const from = message.from ?? "";
    if (message.type === "hangup") {
      this.#hungUp(from, message.reason);
    } else if (this.call?.remote === from) {
      if (message.type === "offer" && this.call.state === "ringing" && this.#signaling.id < from) this.#giveWay();
      this.call.receive(message);
    } else if (this.#incoming?.from === from) {
      this.#incoming.messages.push(message);
    } else if (message.type === "offer") {
      if (this.call || this.#incoming) {
        this.#signaling.send({ type: "hangup", to: from, reason: "busy" });
      } else {
        this.#setIncoming({ from, messages: [message] });
      }
    }
  }

  /**
   * @param {string} from
   * @param {string|undefined} reason
   */
  #hungUp(from, reason) {
    if (this.#incoming?.from === from) {
      this.#setIncoming(undefined);
      this.#events.ended(`${this.#signaling.nameOf(from)} gave up calling`);
    }
    if (this.call?.remote !== from) return;
    const name = this.#signaling.nameOf(from);
    const words = { declined: `${name} declined the call`, busy: `${name} is in another call` };
    this.#end(words[/** @type {keyof typeof words} */ (reason)] ?? `${name} hung up`);
  }

  /** @param {Message} message */
  #refused(message) {
    if (message.re === "offer" && message.code === "target_not_found" && this.call?.state === "ringing") {
      this.#end(`nobody with the ID “${this.call.remote}” is in the room`);
    }
  }

  #membersChanged() {
    if (this.#incoming && !this.#signaling.members.includes(this.#incoming.from)) {
      this.#setIncoming(undefined);
    }
    if (!this.call) return;
    const here = this.#signaling.members.includes(this.call.remote);
    const back = here && !this.#remoteWasHere;
    this.#remoteWasHere = here;
    if (back && this.call.state !== "connected") this.call.mend();
    if (!here && (this.call.state === "ringing" || this.call.state === "connecting")) {
      this.#end(`${this.call.remote} left the room`);
      return;
    }
    this.#watchAbsence();
  }

  /**
   * A running call outlives the other's absence from the room, which may be no more
   * than a lost connection to the server; a call that is cut off too does not for
   * long.
   */
  #watchAbsence() {
    clearTimeout(this.#absence);
    if (!this.call || this.#remoteWasHere || this.call.state === "connected" || this.#signaling.state !== "joined") return;
    this.#absence = setTimeout(() => this.#end("the other is gone"), ABSENCE);
  }
}
