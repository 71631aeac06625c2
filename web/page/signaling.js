// @ts-check
// Speaks the protocol with the server. Knows rooms and messages, but neither the
// page nor calls.

/**
 * A message of the protocol. Which fields it has depends on its type.
 * @typedef {{
 *   type: string, room?: string, from?: string, to?: string, name?: string,
 *   sdp?: any, candidate?: any, data?: any, reason?: string,
 *   members?: string[], names?: Record<string, string>, ice_servers?: RTCIceServer[],
 *   code?: string, error?: string, re?: string, ref?: string,
 *   session?: string, received?: number, resumable?: boolean, missed?: number,
 * }} Message
 */

/**
 * What befalls the connection:
 * - "state": it is "connecting", "joined", "waiting" (to try again) or "closed"
 * - "joined": the server let us in; `id` and `iceServers` are set
 * - "members": who is in the room has changed
 * - "message": somebody sent us something
 * - "error": the server refused something, or nothing more will come
 * @typedef {"state"|"joined"|"members"|"message"|"error"} SignalingEvent
 */

const FIRST_DELAY = 500; // ms before the first new try; doubled for each further one
const LONGEST_DELAY = 15_000; // ms
const PING_INTERVAL = 20_000; // ms between signs of life
const PING_TIMEOUT = 10_000; // ms for the answer to one
const MAX_WAITING = 500; // messages kept while there is no connection
const ID_PATIENCE = 45_000; // ms that our id may look taken by our own lost connection

/** Refusals of a join that trying again does not mend. */
const FINAL = new Set(["invalid_room", "invalid_id", "invalid_name", "unauthorized", "forbidden", "bad_message"]);
/** Close codes after which we do not come back by ourselves. */
const FINAL_CLOSES = new Map([
  [4002, "You were removed from the room."],
  [4001, "This place in the room is now used by another window."],
]);

export class Signaling {
  /** @type {string} the id that the server knows us by; "" before the first join */
  id = "";
  /** @type {string[]} */
  members = [];
  /** @type {Record<string, string>} */
  names = {};
  /** @type {RTCIceServer[]} */
  iceServers = [];
  /** @type {"connecting"|"joined"|"waiting"|"closed"} */
  state = "closed";

  /** @type {WebSocket|undefined} */
  #socket;
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
  #name;
  #lostAt = 0;
  #wanted = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #pingTimer;
  /** @type {Map<SignalingEvent, ((detail: any) => void)[]>} */
  #listeners = new Map();

  /**
   * @param {string} url of the server's WebSocket endpoint
   * @param {string} room
   * @param {string} name nickname; may be empty
   */
  constructor(url, room, name) {
    this.#url = url;
    this.#room = room;
    this.#name = name;
  }

  /**
   * @param {SignalingEvent} event
   * @param {(detail: any) => void} listener
   */
  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  /**
   * @param {SignalingEvent} event
   * @param {unknown} [detail]
   */
  #emit(event, detail) {
    for (const listener of this.#listeners.get(event) ?? []) listener(detail);
  }

  /** Connects, and stays connected until close. */
  open() {
    this.#wanted = true;
    this.#connect();
  }

  /** Leaves the room and does not come back. */
  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
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
    if (this.state === "joined" && !this.#missing) this.#deliver(message);
    else if (this.#wanted && this.#waiting.length < MAX_WAITING) this.#waiting.push(message);
  }

  /**
   * The nickname of a member, or its id.
   * @param {string} id
   */
  nameOf(id) {
    return this.names[id] ?? id;
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#drop();
    this.#setState("connecting");
    const socket = new WebSocket(this.#url, "parley.v1");
    this.#socket = socket;
    socket.onopen = () => this.#enter();
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
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
    const join = { type: "join", room: this.#room, resumable: true };
    if (this.id) join.from = this.id;
    if (this.#name) join.name = this.#name;
    this.#write(join);
  }

  /** Lets go of the socket without hearing of its end. */
  #drop() {
    clearTimeout(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {number} code of the close frame, or 1006 */
  #lost(code) {
    this.#drop();
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

  /** @param {string} reason */
  #giveUp(reason) {
    this.#wanted = false;
    this.#drop();
    this.#setState("closed");
    this.#emit("error", { error: reason, final: true });
  }

  /** @param {typeof this.state} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit("state", state);
  }

  /** @param {Message} message */
  #write(message) {
    this.#socket?.send(JSON.stringify(message));
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
        this.#emit("members");
        break;
      case "ice":
        this.iceServers = message.ice_servers ?? [];
        break;
      case "error":
        this.#refused(message);
        break;
      case "offer": case "answer": case "candidate": case "hangup": case "message":
        this.#emit("message", message);
        break;
    }
    if (this.#missing > 0 && --this.#missing === 0) this.#catchUp();
  }

  /** @param {number} ping that was answered */
  #confirmed(ping) {
    this.#unconfirmed = this.#unconfirmed.filter((sent) => sent.number > ping);
  }

  /** @param {Message} message */
  #joined(message) {
    this.id = message.from ?? "";
    this.iceServers = message.ice_servers ?? [];
    this.#session = message.session ?? "";
    this.#received = 1;
    this.#missing = 0;
    this.#in();
    this.#emit("joined");
    this.#catchUp();
  }

  /** @param {Message} message */
  #resumed(message) {
    this.#missing = (message.missed ?? 0) + 1; // and the members
    this.#in();
  }

  #in() {
    this.#delay = FIRST_DELAY;
    this.#lostAt = 0;
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
      this.#emit("error", message);
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
      this.#giveUp(message.error ?? "The server refused us.");
      return;
    }
    this.#emit("error", message);
    this.#drop();
    this.#retryLater();
  }
}
