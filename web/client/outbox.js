// @ts-check
// Messages to the server. They are numbered as the server counts them, and kept
// until they are known to be handled, so that none is lost or handled twice when a
// connection breaks.

import { ParleyError } from "./errors.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./errors.js").ErrorCode} ErrorCode */
/**
 * @typedef {{
 *   message: Message, text: string, number: number, settle: (error?: ParleyError) => void,
 * }} Entry text: the message in JSON; number: the server's count of it, once it is written
 */

const MAX_WAITING = 4 << 20; // characters that wait for a membership
const ENVELOPE = 24; // bytes that a ref takes
const PING_PAUSE = 1000; // ms until a ping that was refused is sent again

export class Outbox {
  /** The largest message that the server accepts, in bytes of JSON. */
  limit = Infinity;
  /** @type {Entry[]} written in this membership and not known to be handled, in order */
  #written = [];
  /** @type {Entry[]} for when there is a membership */
  #waiting = [];
  #size = 0; // of what waits
  #number = 0;
  #pinging = false;
  /** @type {"open"|"paused"|"closed"} */
  #state = "closed";
  #write;

  /** @param {(text: string, message: Message) => void} write puts a message on the connection */
  constructor(write) {
    this.#write = write;
  }

  /**
   * Sends a message, now or as soon as there is a membership.
   * @param {Message} message
   * @returns {Promise<void>} settles when the server has handled or refused the message; a
   *   rejection that nobody looks at is no unhandled one
   */
  send(message) {
    /** @type {Promise<void>} */
    const done = new Promise((resolve, reject) => {
      const entry = { message, text: JSON.stringify(message), number: 0, settle: (/** @type {any} */ error) => error ? reject(error) : resolve() };
      if (this.#state === "open") this.#put(entry);
      else if (this.#state === "closed") fail(entry, "closed");
      else if (this.#size + entry.text.length > MAX_WAITING) fail(entry, "queue_full");
      else {
        this.#size += entry.text.length;
        this.#waiting.push(entry);
      }
    });
    done.catch(() => {});
    return done;
  }

  /** Keeps what is sent until there is a membership. */
  pause() { this.#state = "paused"; }

  /** Begins a new membership. Messages that the old one left unconfirmed are not sent again. */
  start() {
    for (const entry of this.#written.splice(0)) fail(entry, "unconfirmed");
    this.#number = 1; // the join
    this.#pinging = false;
    this.#flush();
  }

  /**
   * Goes on with a membership on a new connection.
   * @param {number} [handled] how many messages the server has handled, the join included; where
   *   it does not say, nothing is sent again
   */
  resume(handled) {
    if (!handled) return this.start();
    for (const { number, text, message } of this.#written) if (number > handled) this.#write(text, message);
    this.#flush();
    this.#ask();
  }

  #flush() {
    this.#state = "open";
    this.#size = 0;
    for (const entry of this.#waiting.splice(0)) this.#put(entry);
  }

  /** Sends a ping: its answer tells what was handled, and that the connection is alive. */
  ping() {
    this.#pinging = this.#state === "open";
    if (!this.#pinging) return;
    this.#put({ message: { type: "ping" }, text: '{"type":"ping"}', number: 0, settle() {} });
  }

  /** Sends a ping when the messages of now are written, unless one is under way. */
  #ask() {
    if (this.#pinging || !this.#written.length) return;
    this.#pinging = true;
    queueMicrotask(() => {
      this.#pinging = false;
      this.ping();
    });
  }

  /**
   * Takes the answer to a ping: all up to it was handled.
   * @param {string} [ref]
   */
  pong(ref) {
    const last = this.#find(ref);
    if (this.#written[last]?.message.type !== "ping") return;
    for (const { settle } of this.#written.splice(0, last + 1)) settle();
    this.#pinging = this.#written.some(({ message }) => message.type === "ping");
    this.#ask();
  }

  /**
   * Takes a refusal, and reports whether it is that of a message of `send`.
   * @param {ParleyError} error
   * @param {string} [ref]
   */
  refused(error, ref) {
    const [entry] = this.#written.splice(this.#find(ref), 1);
    entry?.settle(error);
    if (entry?.message.type === "ping") setTimeout(() => this.ping(), PING_PAUSE);
    return entry;
  }

  /**
   * @param {string} [ref]
   * @returns {number} of the entry with the ref; past the last where there is none
   */
  #find(ref) {
    const index = this.#written.findIndex(({ message, number }) => ref === (message.ref ?? `#${number}`));
    return index < 0 ? this.#written.length : index;
  }

  /** Ends: nothing more is sent. */
  close() {
    this.#state = "closed";
    for (const entry of [...this.#written.splice(0), ...this.#waiting.splice(0)]) fail(entry, "closed");
  }

  /** @param {Entry} entry */
  #put(entry) {
    const { message, text } = entry;
    if (exceeds(text, this.limit - ENVELOPE)) {
      fail(entry, "too_large");
      return;
    }
    entry.number = ++this.#number;
    if (!message.ref) entry.text = `${text.slice(0, -1)},"ref":"#${entry.number}"}`;
    this.#written.push(entry);
    this.#write(entry.text, message);
    this.#ask();
  }
}

/**
 * @param {string} text
 * @param {number} limit bytes
 */
export function exceeds(text, limit) { return 3 * text.length > limit && new TextEncoder().encode(text).length > limit; }

/** @type {Record<string, string>} */
const SENTENCES = {
  closed: "the room was left",
  queue_full: "too much waits",
  too_large: "the message is too large",
  unconfirmed: "the message was perhaps lost",
};

/**
 * @param {Entry} entry
 * @param {ErrorCode} code
 */
function fail({ message: { type, to }, settle }, code) {
  settle(new ParleyError(code, SENTENCES[code], { re: type, to }));
}
