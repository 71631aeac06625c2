// @ts-check
// Speaks the protocol with the server: one membership of one room, kept over lost
// connections. Knows rooms and messages, but no calls and no page.

import { apply } from "./changes.js";
import { Emitter } from "./emitter.js";

/**
 * A message of the protocol. Which fields it has depends on its type.
 * @typedef {{
 *   type: string, room?: string, from?: string, to?: string, name?: string,
 *   sdp?: any, candidate?: any, data?: any, reason?: string,
 *   members?: string[], joined?: string[], left?: string[], rejoined?: string[], changes?: boolean,
 *   names?: Record<string, string>, ice_servers?: RTCIceServer[],
 *   code?: string, error?: string, re?: string, ref?: string,
 *   session?: string, received?: number, resumable?: boolean, missed?: number,
 *   locked?: boolean, token?: string, passcode?: string, rights?: string[], needs?: string, seq?: string, [more: string]: any,
 * }} Message
 */

/**
 * What befalls the membership:
 * - state: it is "connecting", "joined", "waiting" (to try again) or "closed"
 * - joined: the server let us in, the first time or anew; `id` and `iceServers` are set
 * - ice: `iceServers` has credentials that are good for longer
 * - members: who is in the room, a nickname or the lock has changed; with the ids of members
 *   who left and came back, as far as the server says so
 * - message: somebody sent us something
 * - error: the server refused something; final says that nothing more will come
 * - sent, received: a message, for those who keep a log
 * @typedef {{
 *   state: State, joined: undefined, ice: undefined, members: string[], message: Message,
 *   error: Message & {final?: boolean}, sent: Message, received: Message,
 * }} SignalingEvents
 */

/** @typedef {"connecting"|"joined"|"waiting"|"closed"} State */

/**
 * @typedef {{
 *   name?: string, id?: string, token?: string, passcode?: string,
 *   WebSocket?: typeof WebSocket,
 * }} JoinOptions
 */

const FIRST_DELAY = 500; // ms before the first new try; doubled for each further one
const LONGEST_DELAY = 15_000; // ms
const PING_INTERVAL = 20_000; // ms between signs of life
const PING_TIMEOUT = 10_000; // ms for the answer to one
const MAX_WAITING = 500; // messages kept while there is no connection
const ICE_PAUSE = 10_000; // ms at least between requests for credentials: clocks may be apart
const LONGEST_TIMER = 2 ** 31 - 1; // ms
const ID_PATIENCE = 45_000; // ms that our id may look taken by our own lost connection

/** What we may do where the server does not say. */
const DEFAULT_RIGHTS = ["send", "message"];
/** Refusals of a join that trying again does not mend. */
const FINAL = new Set(["invalid_room", "invalid_id", "invalid_name", "unauthorized", "forbidden", "bad_message"]);
/** Close codes after which we do not come back by ourselves, with a code for each. */
const FINAL_CLOSES = new Map([
  [4002, { code: "kicked", error: "you were removed from the room" }],
  [4001, { code: "replaced", error: "this place in the room is now used by another window" }],
  [4008, { code: "token_expired", error: "the token has expired" }],
]);
/** Types that other members get. */
const FORWARDED = new Set(["offer", "answer", "candidate", "hangup", "message"]);

/** @extends {Emitter<SignalingEvents>} */
export class Signaling extends Emitter {
  /** @type {string} the id that the server knows us by; "" before the first join */
  id = "";
  /** @type {string[]} */
  members = [];
  /** @type {Record<string, string>} */
  names = {};
  /** @type {RTCIceServer[]} */
  iceServers = [];
  /** Only members with the right to moderate get in. */
  locked = false;
  /** @type {string[]} what we may do: "send", "message", "moderate" */
  rights = DEFAULT_RIGHTS;
  /** @type {State} */
  state = "closed";

  /** @type {WebSocket|undefined} */
  #socket;
  /** @type {WebSocket[]} that do not answer, until our place is taken up on another */
  #abandoned = [];
  /** @type {Message[]} to be sent once we are in the room */
  #waiting = [];
  /**
   * Sent, and not known to have arrived: a connection that breaks takes them with
   * it. A ping behind them asks; number is that of the ping.
   * @type {{number: number, message: Message}[]}
   */
  #unconfirmed = [];
  #pings = 0;
  #pingDue = false;
  /** Takes our membership up again on a new connection; "" when there is none. */
  #session = "";
  /** Messages of this membership that have come. */
  #received = 0;
  /** Messages still to come of those that we missed. */
  #missing = 0;
  #delay = FIRST_DELAY;
  #url;
  #room;
  #options;
  /** Names our messages among all that this id has ever sent, with a number. */
  #nonce = Math.random().toString(36).slice(2, 10);
  #sent = 0;
  /** @type {Map<string, {nonce: string, number: number}>} the last that came of each member */
  #last = new Map();
  #lostAt = 0;
  #wanted = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #pingTimer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #iceTimer;

  /**
   * @param {string} url of the server's WebSocket endpoint
   * @param {string} room
   * @param {JoinOptions} options
   */
  constructor(url, room, options = {}) {
    super();
    this.#url = url;
    this.#room = room;
    this.#options = options;
    this.id = options.id ?? "";
  }

  /** Connects, and stays connected until close. */
  open() {
    this.#wanted = true;
    globalThis.addEventListener?.("pagehide", this.#hide);
    this.#connect();
  }

  /**
   * A browser closes the connections of a page that goes away with 1001. That does not
   * end a membership, since proxies do so too: the page has to say that it leaves.
   * @param {Event} event
   */
  #hide = (event) => {
    if (!(/** @type {PageTransitionEvent} */ (event).persisted)) this.close();
  };

  /** Leaves the room and does not come back. */
  close() {
    this.#wanted = false;
    globalThis.removeEventListener?.("pagehide", this.#hide);
    clearTimeout(this.#timer);
    clearTimeout(this.#iceTimer);
    if (this.state === "joined") this.#write({ type: "leave" });
    this.#session = "";
    this.#unconfirmed = [];
    this.#drop();
    this.#setState("closed");
  }

  /** Tries again at once: the network is back. */
  retryNow() {
    if (this.state === "waiting") this.#connect();
  }

  /**
   * Sends a message, now or as soon as we are in the room again.
   * @param {Message} message
   */
  send(message) {
    // A message that is sent again after a break may have arrived the first time: its
    // receiver knows it by its number.
    if (FORWARDED.has(message.type)) message = { ...message, seq: `${this.#nonce}.${++this.#sent}` };
    if (this.state === "joined" && !this.#missing) this.#deliver(message);
    else if (this.#wanted && this.#waiting.length < MAX_WAITING) this.#waiting.push(message);
  }

  /** @param {string} name our new nickname; "" for none */
  rename(name) {
    this.#options = { ...this.#options, name };
    this.send({ type: "rename", name });
  }

  /** @param {string} token a fresh one, before ours runs out */
  renew(token) {
    this.#options = { ...this.#options, token };
    this.send({ type: "token", token });
  }

  /**
   * The nickname of a member, or its id.
   * @param {string} id
   */
  nameOf(id) {
    return Object.hasOwn(this.names, id) ? this.names[id] : id;
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#abandon();
    this.#setState("connecting");
    const socket = new (this.#options.WebSocket ?? WebSocket)(this.#url, "parley.v1");
    this.#socket = socket;
    socket.onopen = () => this.#enter();
    socket.onmessage = (event) => this.#receive(JSON.parse(String(event.data)));
    socket.onclose = (event) => this.#lost(event.code);
    this.#pingTimer = setTimeout(() => this.#lost(1006), PING_TIMEOUT);
  }

  /** @param {Message} message */
  #deliver(message) {
    this.#unconfirmed.push({ number: this.#pings + 1, message });
    this.#write(message);
    if (this.#pingDue) return;
    this.#pingDue = true;
    queueMicrotask(() => {
      this.#pingDue = false;
      this.#write({ type: "ping", ref: String(++this.#pings) });
    });
  }

  /** Sends what may not have arrived, and what had to wait. */
  #catchUp() {
    const again = this.#unconfirmed.splice(0).map((sent) => sent.message);
    for (const message of [...again, ...this.#waiting.splice(0)]) this.#deliver(message);
  }

  #enter() {
    if (this.#session) this.#write({ type: "resume", session: this.#session, received: this.#received });
    else this.#join();
    this.#schedulePing();
  }

  #join() {
    /** @type {Message} */
    const join = { type: "join", room: this.#room, resumable: true, changes: true };
    if (this.id) join.from = this.id;
    if (this.#options.name) join.name = this.#options.name;
    if (this.#options.token) join.token = this.#options.token;
    if (this.#options.passcode) join.passcode = this.#options.passcode;
    this.#write(join);
  }

  /** Lets go of the socket without hearing of its end, and closes it. */
  #drop() {
    this.#abandon();
    for (const socket of this.#abandoned.splice(0)) socket.close();
  }

  /**
   * Lets go of the socket without closing it: a close frame that arrives after all
   * would end the membership that is to be taken up again.
   */
  #abandon() {
    clearTimeout(this.#pingTimer);
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    this.#abandoned.push(socket);
  }

  /** @param {number} code of the close frame, or 1006 */
  #lost(code) {
    this.#abandon();
    if (!this.#lostAt) this.#lostAt = Date.now();
    const final = FINAL_CLOSES.get(code);
    if (final) {
      this.#giveUp(final);
      return;
    }
    if (this.#wanted) this.#retryLater();
  }

  #retryLater() {
    this.#setState("waiting");
    // Others were cut off with us: let us not all come back at the same moment.
    const delay = this.#delay * (0.5 + Math.random());
    this.#delay = Math.min(2 * this.#delay, LONGEST_DELAY);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  /** @param {{code?: string, error?: string}} reason */
  #giveUp(reason) {
    this.#wanted = false;
    clearTimeout(this.#iceTimer);
    this.#drop();
    this.emit("error", { type: "error", ...reason, final: true });
    this.#setState("closed");
  }

  /** @param {State} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }

  /** @param {Message} message */
  #write(message) {
    if (!this.#socket) return;
    this.#socket.send(JSON.stringify(message));
    this.emit("sent", message);
  }

  #schedulePing() {
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(() => {
      this.#write({ type: "ping", ref: String(++this.#pings) });
      this.#pingTimer = setTimeout(() => this.#lost(1006), PING_TIMEOUT);
    }, PING_INTERVAL);
  }

  /** @param {Message} message */
  #receive(message) {
    this.#schedulePing();
    this.#received++;
    this.emit("received", message);
    switch (message.type) {
      case "joined":
        this.#joined(message);
        return;
      case "resumed":
        this.#resumed(message);
        return;
      case "pong":
        this.#confirmed(Number(message.ref ?? 0));
        break;
      case "room_members":
        this.members = message.members ?? [];
        this.names = message.names ?? {};
        this.locked = message.locked ?? false;
        this.emit("members", []);
        break;
      case "room_changes":
        Object.assign(this, apply(this, message));
        this.emit("members", message.rejoined ?? []);
        break;
      case "ice":
        this.#serversCame(message);
        this.emit("ice", undefined);
        break;
      case "error":
        this.#refused(message);
        break;
      case "offer": case "answer": case "candidate": case "hangup": case "message":
        if (this.#isNew(message)) this.emit("message", message);
        break;
    }
    if (this.#missing > 0 && --this.#missing === 0) this.#catchUp();
  }

  /**
   * Reports whether a message has not come before: its sender may have sent it twice.
   * @param {Message} message
   */
  #isNew({ from = "", seq }) {
    const [nonce, digits] = typeof seq === "string" ? seq.split(".") : [];
    const number = Number(digits);
    if (!nonce || !Number.isSafeInteger(number)) return true;
    const last = this.#last.get(from);
    if (last?.nonce === nonce && number <= last.number) return false;
    this.#last.set(from, { nonce, number });
    return true;
  }

  /** @param {number} ping that was answered */
  #confirmed(ping) {
    this.#unconfirmed = this.#unconfirmed.filter((sent) => sent.number > ping);
  }

  /** @param {Message} message */
  #joined(message) {
    this.id = message.from ?? "";
    this.#serversCame(message);
    this.rights = message.rights ?? DEFAULT_RIGHTS;
    this.#session = message.session ?? "";
    this.#received = 1;
    this.#missing = 0;
    this.#in();
    this.emit("joined", undefined);
    this.#catchUp();
  }

  /** @param {Message} message */
  #resumed(message) {
    this.#missing = (message.missed ?? 0) + 1; // and the members
    this.#in();
    this.#askForIce(); // another machine may have taken us up, or the time is near
  }

  /**
   * Takes over ICE servers, and asks for fresh credentials when half of their time is
   * over. They begin with the second at which they expire.
   * @param {Message} message
   */
  #serversCame({ ice_servers = [] }) {
    this.iceServers = ice_servers;
    clearTimeout(this.#iceTimer);
    const ends = ice_servers.map(({ username = "" }) => parseInt(username, 10) * 1000).filter(Boolean);
    if (!ends.length) return;
    const half = (Math.min(...ends) - Date.now()) / 2;
    this.#iceTimer = setTimeout(() => this.#askForIce(), Math.min(Math.max(half, ICE_PAUSE), LONGEST_TIMER));
  }

  #askForIce() {
    if (this.state === "joined" && this.iceServers.length) this.#write({ type: "ice" });
  }

  #in() {
    this.#delay = FIRST_DELAY;
    this.#lostAt = 0;
    for (const socket of this.#abandoned.splice(0)) socket.close();
    this.#setState("joined");
  }

  /** @param {Message} message */
  #refused(message) {
    if (message.re === "resume") {
      this.#session = "";
      this.#join();
      return;
    }
    if (message.re !== "join") {
      this.emit("error", message);
      return;
    }
    if (message.code === "duplicate_id" && this.#lostAt) {
      // The server has not yet noticed that our old connection is gone.
      if (Date.now() - this.#lostAt > ID_PATIENCE) this.id = "";
      this.#drop();
      this.#retryLater();
      return;
    }
    if (FINAL.has(message.code ?? "")) {
      this.#giveUp(message);
      return;
    }
    this.emit("error", message);
    this.#drop();
    this.#retryLater();
  }
}
