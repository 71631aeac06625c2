// @ts-check
// Speaks the protocol with the server: one membership of one room, kept over lost
// connections. Knows rooms and messages, but no calls and no page.

import { apply } from "./changes.js";
import { Emitter } from "./emitter.js";
import { ParleyError, PASSING } from "./errors.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { withPartition } from "./partition.js";
import { Tokens } from "./tokens.js";
import { watch } from "./watch.js";

/** @typedef {import("./errors.js").ErrorCode} ErrorCode */
/** @typedef {import("./message.js").Message} Message */
/** @typedef {import("./message.js").SignalingEvents} SignalingEvents */
/** @typedef {import("./message.js").State} State */
/** @typedef {import("./message.js").JoinOptions} JoinOptions */

const ICE_PAUSE = 10_000; // ms at least between requests for credentials: clocks may be apart
export const LONGEST_TIMER = 2 ** 31 - 1; // ms

/** Our rights where the server does not say. */
const DEFAULT_RIGHTS = ["send", "message"];
/** Refusals of a join that trying again does not mend. */
const FINAL = /^(invalid_|unauthorized|forbidden|bad_message)/;
/**
 * Close codes after which a retry would be closed again, or is not wanted.
 * @type {Record<number, ErrorCode>}
 */
const FINAL_CLOSES = {
  1002: "protocol_error", 1003: "protocol_error", 1007: "protocol_error", 4001: "replaced", 4002: "kicked", 4008: "token_expired",
};

/** @extends {Emitter<SignalingEvents>} */
export class Signaling extends Emitter {
  /** @type {string} the id that the server knows us by; "" before the first join */
  id = "";
  /** @type {string[]} */
  members = [];
  /** @type {Record<string, string>} */
  names = {};
  /** @type {Record<string, any>} */
  metas = {};
  /** @type {RTCIceServer[]} */
  iceServers = [];
  /** Only members with the right to moderate get in. */
  locked = false;
  /** @type {string[]} what we may do: "send", "message", "moderate" */
  rights = DEFAULT_RIGHTS;
  /** @type {State} */
  state = "closed";

  #room;
  #options;
  #link;
  #outbox;
  /** Takes our membership up again on a new connection; "" when there is none. */
  #session = "";
  /** Messages of this membership that have come. */
  #received = 0;
  /** Whether the connection has the membership, so that what comes on it counts. */
  #in = false;
  /** Whether we were ever in the room. */
  #entered = false;
  /** Counts connections: what was begun on an earlier one is of no use. */
  #attempt = 0;
  #wanted = false;
  /** Whether we are out of the room since our token was not good any more. */
  #expired = false;
  #timers = /** @type {Map<string, ReturnType<typeof setTimeout>>} */ (new Map()); // by what they are for
  #tokens;
  #watching = /** @type {AbortController|undefined} */ (undefined); // ends the listening to the network

  /**
   * @param {string} url of the server's WebSocket endpoint
   * @param {string} room
   * @param {JoinOptions} options
   */
  constructor(url, room, options = {}) {
    super();
    this.#room = room;
    this.#options = { ...options };
    this.id = options.id ?? "";
    const { getToken } = options;
    this.#tokens = getToken && new Tokens(getToken, (token) => this.#outbox.send({ type: "token", token }), (time, then) => this.#later("token", time, then));
    this.#outbox = new Outbox((text, message) => {
      this.#link.write(text);
      this.emit("sent", message);
    });
    this.#link = new Link(withPartition(url, room), options.WebSocket, {
      open: () => this.#enter(),
      message: (text) => this.#receive(JSON.parse(text)),
      ping: () => this.#outbox.ping(),
      lost: (code, reason) => this.#lost(code, reason),
      state: (state) => this.#setState(state),
    });
  }

  /** The largest message that the server accepts, in bytes of JSON. */
  get limit() { return this.#outbox.limit; }

  /** Connects, and stays connected until close. */
  open() {
    this.#wanted = true;
    this.#expired = false;
    this.#outbox.pause();
    this.#watch();
    try {
      this.#link.connect();
    } catch (error) { // the URL is none
      this.#giveUp(new ParleyError("unreachable", String(/** @type {Error} */ (error).message)));
    }
  }

  #watch() {
    this.#watching?.abort();
    this.#watching = watch(() => this.probe(), () => {
      this.probe();
      this.emit("network", undefined);
    }, () => {
      this.emit("leaving", undefined);
      this.close();
    });
  }

  /** Leaves the room and does not come back. */
  close() {
    if (this.#in) this.#write({ type: "leave" });
    this.#stop();
    this.#link.close();
    this.#setState("closed");
  }

  #stop() {
    this.#leave();
    this.#expired = false;
    this.#wanted = false;
    this.#session = "";
    this.#watching?.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#outbox.close();
  }

  /** Makes sure that there is a connection: the network may have changed. */
  probe() { if (this.#wanted) this.#link.probe(); }

  /**
   * Sends a message, now or as soon as we are in the room again.
   * @param {Message} message
   * @returns {Promise<void>} settles when the server has handled or refused it
   */
  send(message) {
    const done = this.#outbox.send(message);
    done.catch((/** @type {ParleyError} */ error) => {
      if ((error.code ?? "closed") !== "closed") this.emit("error", error);
    });
    return done;
  }

  /**
   * Changes what we joined with, now and for when we join again: our `name`, where "" is
   * none, our `meta`, where null is none, or our `token`. A room that was left because the
   * token had expired is joined again with the new one. A change that the server refuses is not kept.
   * @param {"rename"|"update"|"token"} type
   * @param {{name?: string, meta?: any, token?: string}} change
   * @returns {Promise<void>}
   */
  change(type, change) {
    const options = /** @type {any} */ (this.#options), before = { ...options };
    Object.assign(options, change);
    if (type === "token" && this.#expired) this.open();
    const done = this.send({ type, ...change });
    done.catch(({ code }) => {
      if (/^(closed|unconf)/.test(code)) return; // nobody has refused it
      for (const [key, value] of Object.entries(change)) if (options[key] === value) options[key] = before[key];
    });
    return done;
  }

  /**
   * The nickname of a member, or its id.
   * @param {string} id
   */
  nameOf(id) { return Object.hasOwn(this.names, id) ? this.names[id] : id; }

  #enter() {
    this.#attempt++;
    if (this.#session) this.#write({ type: "resume", session: this.#session, received: this.#received });
    else this.#join();
  }

  async #join() {
    this.#link.sweep(); // there is no membership to be continued
    const { name, meta, passcode, takeover } = this.#options, attempt = this.#attempt;
    let { token } = this.#options;
    if (this.#tokens) {
      try {
        token = await this.#tokens.ask();
      } catch (error) {
        if (attempt === this.#attempt) this.#refusedJoin(new ParleyError("no_token", `getToken failed: ${/** @type {any} */ (error)?.message ?? error}`));
        return;
      }
      if (attempt !== this.#attempt) return;
    }
    this.#write({
      type: "join", room: this.#room, resumable: true, changes: true, from: this.id || undefined, name: name || undefined,
      meta: meta ?? undefined, token, passcode, takeover,
    });
  }

  /** @param {Message} message that is not counted */
  #write(message) {
    this.#link.write(JSON.stringify(message));
    this.emit("sent", message);
  }

  /**
   * @param {number} code of the close frame
   * @param {string} reason
   * @returns {boolean} whether to try again
   */
  #lost(code, reason) {
    this.#leave();
    const final = FINAL_CLOSES[code];
    if (final && !(code === 4008 && this.#options.getToken)) this.#giveUp(new ParleyError(final, reason || final));
    else if (!this.#mayWait) this.#giveUp(new ParleyError("unreachable", "the server can't be reached, or does not allow this origin"));
    return this.#wanted;
  }

  /** The connection has no membership any more. */
  #leave() {
    this.#attempt++;
    this.#in = false;
    this.#outbox.pause();
  }

  /** Whether what does not work may be tried again: a first join does so if asked to. */
  get #mayWait() { return this.#entered || (this.#options.wait ?? true); }

  /** @param {ParleyError} error */
  #giveUp(error) {
    this.#stop();
    this.#link.close();
    error.final = true;
    this.#expired = this.#entered && /^(token_exp|unauth)/.test(error.code);
    this.emit("error", error);
    this.#setState("closed");
  }

  /** @param {State} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }

  /** @param {Message} message */
  #receive(message) {
    if (this.#in) this.#received++;
    this.emit("received", message);
    switch (message.type) {
      case "joined":
        this.#joined(message);
        break;
      case "resumed":
        this.#received++;
        this.#taken(message);
        this.#outbox.resume(message.handled);
        this.#askForIce(); // another machine may have taken us up, or the time is near
        break;
      case "pong":
        this.#outbox.pong(message.ref);
        break;
      case "room_members": {
        const { members = [], names = {}, meta = {}, locked = false } = message;
        Object.assign(this, { members, names, metas: meta, locked });
        this.emit("members", []);
        break;
      }
      case "room_changes":
        Object.assign(this, apply(this, message));
        this.emit("members", message.rejoined ?? []);
        break;
      case "ice":
        this.#serversCame(message);
        this.emit("ice", undefined);
        break;
      case "token":
        if (message.expires) this.#tokens?.renewAhead(message.expires);
        break;
      case "error":
        this.#refused(message);
        break;
      case "offer": case "answer": case "candidate": case "hangup": case "message":
        this.emit("message", message);
        break;
    }
  }

  /** @param {Message} message */
  #joined(message) {
    this.id = message.from ?? "";
    this.#serversCame(message);
    this.rights = message.rights ?? DEFAULT_RIGHTS;
    this.#session = message.session ?? "";
    this.#received = 1;
    this.#entered = true;
    this.#taken(message);
    this.emit("joined", undefined);
    this.#outbox.start();
    this.#tokens?.renew();
  }

  /** @param {Message} message that says that the membership is on this connection */
  #taken({ limits }) {
    this.#in = true;
    this.#outbox.limit = limits?.message_bytes ?? Infinity;
    this.#link.joined();
    this.#setState("joined");
  }

  /**
   * Takes over ICE servers, and asks for fresh credentials when half of their time is
   * over. They begin with the second at which they expire.
   * @param {Message} message
   */
  #serversCame({ ice_servers = [] }) {
    this.iceServers = ice_servers;
    const ends = ice_servers.map(({ username = "" }) => 1000 * parseInt(username, 10)).filter(Boolean);
    this.#later("ice", Math.max((Math.min(...ends) - Date.now()) / 2, ICE_PAUSE), () => this.#askForIce());
  }

  /**
   * Does something later, in place of what was to be done of that kind.
   * @param {string} kind
   * @param {number} time ms
   * @param {() => void} then
   */
  #later(kind, time, then) {
    clearTimeout(this.#timers.get(kind));
    this.#timers.set(kind, setTimeout(() => this.#wanted && then(), Math.min(time, LONGEST_TIMER)));
  }

  #askForIce() {
    if (!this.#in || !this.iceServers.length) return;
    this.#outbox.send({ type: "ice" }).catch(({ code }) => {
      if (PASSING.test(code)) this.#later("ice", ICE_PAUSE, () => this.#askForIce());
    });
  }

  /** @param {Message} message */
  #refused({ code = "unavailable", error: text = "", re, to, needs, ref }) {
    const error = new ParleyError(/** @type {ErrorCode} */ (code), text, { re, to, needs });
    if (re === "resume") {
      if (code === "unavailable" || code === "rate_limited") { // the session may be there in a moment
        this.#retry();
        return;
      }
      this.#session = "";
      this.#join();
    } else if (re === "join") {
      this.#refusedJoin(error);
    } else if (!this.#outbox.refused(error, ref)) {
      this.emit("error", error);
    }
  }

  /** @param {ParleyError} error */
  #refusedJoin(error) {
    if (FINAL.test(error.code) || !this.#mayWait) {
      this.#giveUp(error);
      return;
    }
    // Our own lost connection may still have the id that the server made for us.
    if (error.code === "duplicate_id" && !this.#options.id) this.id = "";
    else this.emit("error", error);
    this.#retry();
  }

  #retry() {
    this.#leave();
    this.#link.retry();
  }
}
