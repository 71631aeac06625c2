// @ts-check
// A room: who is in it, what they say, and a Peer for each that there is a call with.
// A call is with one who takes it, or with all who meet.

import { Emitter } from "./emitter.js";
import { Peer } from "./peer.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./signaling.js").State} State */
/** @typedef {import("./signaling.js").JoinOptions} JoinOptions */

/**
 * Why a peer is gone:
 * - left: it has hung up, or left the meeting or the room; lost: nothing more is heard of it
 * - declined, busy, unanswered, absent: it did not take our call, or is not in the room
 * - ended: we have hung up
 * @typedef {"left"|"lost"|"declined"|"busy"|"unanswered"|"absent"|"ended"} Reason
 */

/**
 * A call that somebody makes to us.
 * @typedef {{from: string, accept: () => Peer|undefined, decline: () => void}} Incoming
 */

/**
 * - state: of the membership
 * - members: who is in the room, a nickname or the lock has changed
 * - message: a member's `send`, with `from` and `data`
 * - announcement: something that those who run the server say to all in the room
 * - peer: there is a peer connection with a member; gone: there is none any more
 * - call: somebody calls; uncall: somebody has given up calling, or gone
 * - error: the server refused something; final says that we are out of the room
 * - log: a message to or from the server
 * @typedef {{
 *   state: State, members: string[], message: {from: string, data: any, all: boolean}, announcement: any,
 *   peer: Peer, gone: {peer: Peer, reason: Reason},
 *   call: Incoming, uncall: string,
 *   error: Message & {final?: boolean}, log: {at: number, out: boolean, message: Message},
 * }} RoomEvents
 */

const RING_TIME = 60_000; // ms until a call that nobody takes is given up
const ABSENCE = 8_000; // ms that a peer may be cut off and out of the room

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  /** @type {Map<string, Peer>} by the id of the member */
  peers = new Map();
  /** Whether we are with all others who meet. */
  meeting = false;
  /** Added to what the server says about ICE, such as an `iceTransportPolicy`. */
  configuration;

  #signaling;
  /** @type {Map<MediaStreamTrack, MediaStream>} what all peers get */
  #tracks = new Map();
  /** @type {Map<string, Message[]>} calls not taken yet, with what has come of each */
  #incoming = new Map();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} that end the ringing, or the waiting for one who is absent */
  #timers = new Map();
  /** @type {Set<string>} */
  #present = new Set();

  /**
   * Use `join`.
   * @param {string} url
   * @param {string} room
   * @param {JoinOptions & {configuration?: RTCConfiguration}} options
   */
  constructor(url, room, { configuration = {}, ...options } = {}) {
    super();
    this.name = room;
    this.configuration = configuration;
    this.#signaling = new Signaling(url, room, options);
    this.#signaling.on("state", (state) => this.emit("state", state));
    this.#signaling.on("joined", () => {
      this.#configure();
      if (this.meeting) this.#announce();
    });
    this.#signaling.on("ice", () => this.#configure());
    this.#signaling.on("members", (rejoined) => this.#membersChanged(rejoined));
    this.#signaling.on("message", (message) => this.#receive(message));
    this.#signaling.on("error", (message) => this.#refused(message));
    this.#signaling.on("sent", (message) => this.emit("log", { at: Date.now(), out: true, message }));
    this.#signaling.on("received", (message) => this.emit("log", { at: Date.now(), out: false, message }));
  }

  /** @returns {string} our id */
  get id() { return this.#signaling.id; }
  get state() { return this.#signaling.state; }
  get members() { return this.#signaling.members; }
  get names() { return this.#signaling.names; }
  get locked() { return this.#signaling.locked; }
  get rights() { return this.#signaling.rights; }
  get iceServers() { return this.#signaling.iceServers; }

  /**
   * The nickname of a member, or its id.
   * @param {string} id
   */
  nameOf(id) { return this.#signaling.nameOf(id); }

  get #rtcConfiguration() { return { iceServers: this.iceServers, ...this.configuration }; }

  /** Gives all connections the credentials of now, for when they need a new way. */
  #configure() { for (const peer of this.peers.values()) peer.configure(this.#rtcConfiguration); }

  /** Connects, and keeps the membership until `leave`. */
  open() { this.#signaling.open(); }

  /** Ends all calls and leaves the room. */
  leave() {
    this.leaveMeeting();
    for (const id of [...this.#incoming.keys()]) this.#decline(id);
    for (const peer of [...this.peers.values()]) this.hangUp(peer);
    this.#signaling.close();
  }

  /** Tries again at once where the connection is lost: the network is back. */
  retryNow() { this.#signaling.retryNow(); }

  /**
   * Sends something that JSON can hold through the server.
   * @param {any} data
   * @param {string} [to] a member; without one everybody else
   */
  send(data, to) { this.#signaling.send({ type: "message", data, ...(to && { to }) }); }

  /** @param {string} name our new nickname; "" for none */
  rename(name) { this.#signaling.rename(name); }

  /** @param {string} token a fresh one, before ours runs out */
  renew(token) { this.#signaling.renew(token); }

  /**
   * Removes a member; takes the right to moderate.
   * @param {string} id
   */
  kick(id) { this.command({ type: "kick", to: id }); }

  /**
   * Locks the room, or unlocks it; takes the right to moderate.
   * @param {boolean} locked only moderators can join
   */
  lock(locked) { this.command({ type: locked ? "lock" : "unlock" }); }

  /**
   * Sends something else of the protocol.
   * @param {Message} message
   */
  command(message) { this.#signaling.send(message); }

  /**
   * Sends a track to all peers, those to come too.
   * @param {MediaStreamTrack} track
   * @param {MediaStream} stream
   */
  addTrack(track, stream) {
    this.#tracks.set(track, stream);
    for (const peer of this.peers.values()) peer.addTrack(track, stream);
  }

  /** @param {MediaStreamTrack} track */
  removeTrack(track) {
    this.#tracks.delete(track);
    for (const peer of this.peers.values()) peer.removeTrack(track);
  }

  /**
   * Sends another track in the place of one.
   * @param {MediaStreamTrack} old
   * @param {MediaStreamTrack} track
   */
  async replaceTrack(old, track) {
    const stream = this.#tracks.get(old);
    if (!stream) return;
    this.#tracks.delete(old);
    this.#tracks.set(track, stream);
    await Promise.all([...this.peers.values()].map((peer) => peer.replaceTrack(old, track)));
  }

  /** Meets: there is a peer connection with everybody else in the room who does. */
  meet() {
    if (this.meeting) return;
    this.meeting = true;
    this.#announce();
  }

  /** Ends the connections of the meeting. */
  leaveMeeting() {
    if (!this.meeting) return;
    this.meeting = false;
    this.send({ parley: "unmeet" });
    for (const peer of [...this.peers.values()]) if (peer.role === "mesh") this.#end(peer, "ended");
  }

  /** @param {string} [to] */
  #announce(to) { this.send({ parley: "meet", answer: to !== undefined }, to); }

  /**
   * Calls one member, who may take the call or not.
   * @param {string} id
   */
  call(id) {
    const have = this.peers.get(id);
    if (have) return have;
    if (this.#incoming.has(id)) return this.#accept(id);
    const peer = this.#start(id, "caller");
    this.#after(id, RING_TIME, () => {
      this.#tellEnd(id);
      this.#end(peer, "unanswered");
    });
    return peer;
  }

  /** @param {Peer} peer with whom the connection is to end */
  hangUp(peer) {
    if (this.peers.get(peer.id) !== peer) return;
    this.#tellEnd(peer.id);
    this.#end(peer, "ended");
  }

  /**
   * @param {string} id
   * @param {string} [reason]
   */
  #tellEnd(id, reason) { this.#signaling.send({ type: "hangup", to: id, ...(reason && { reason }) }); }

  /** @param {string} id of who calls */
  #accept(id) {
    const messages = this.#incoming.get(id);
    if (!messages) return undefined;
    this.#incoming.delete(id);
    const peer = this.#start(id, "callee");
    for (const message of messages) peer.receive(message);
    return peer;
  }

  /** @param {string} id of who calls */
  #decline(id) {
    if (this.#incoming.delete(id)) this.#tellEnd(id, "declined");
  }

  /**
   * @param {string} id
   * @param {import("./peer.js").Role} role
   */
  #start(id, role) {
    const peer = new Peer({
      self: this.id, id, role, tracks: this.#tracks,
      configuration: this.#rtcConfiguration,
      send: (message) => this.#signaling.send({ ...message, to: id }),
    });
    this.peers.set(id, peer);
    this.#present.add(id);
    peer.on("state", (state) => {
      if (state !== "ringing" && state !== "closed") this.#watch(peer);
    });
    this.emit("peer", peer);
    return peer;
  }

  /**
   * @param {Peer} peer
   * @param {Reason} reason
   */
  #end(peer, reason) {
    if (this.peers.get(peer.id) !== peer) return;
    clearTimeout(this.#timers.get(peer.id));
    this.#timers.delete(peer.id);
    this.peers.delete(peer.id);
    peer.close();
    this.emit("gone", { peer, reason });
  }

  /**
   * @param {string} id
   * @param {number} time
   * @param {() => void} then
   */
  #after(id, time, then) {
    clearTimeout(this.#timers.get(id));
    this.#timers.set(id, setTimeout(then, time));
  }

  /** @param {Message} message */
  #receive(message) {
    const from = message.from ?? "";
    if (message.type === "message") {
      if (from) this.#said(from, message);
      else this.emit("announcement", message.data);
      return;
    }
    const peer = this.peers.get(from);
    if (message.type === "hangup") {
      this.#hungUp(from, message.reason);
    } else if (peer) {
      peer.receive(message);
    } else if (message.type === "offer" && message.mesh && this.meeting) {
      this.#start(from, "mesh").receive(message);
    } else if (this.#incoming.has(from)) {
      this.#incoming.get(from)?.push(message);
    } else if (message.type === "offer" && !message.mesh) {
      this.#rings(from, message);
    }
  }

  /**
   * @param {string} from
   * @param {Message} offer
   */
  #rings(from, offer) {
    this.#incoming.set(from, [offer]);
    this.emit("call", { from, accept: () => this.#accept(from), decline: () => this.#decline(from) });
  }

  /** @param {string} id of who calls, and is to hear that we are in another call */
  refuseBusy(id) {
    if (this.#incoming.delete(id)) this.#tellEnd(id, "busy");
  }

  /**
   * @param {string} from
   * @param {Message} message
   */
  #said(from, { data, to }) {
    switch (data?.parley) {
      case "meet":
        if (!this.meeting || this.peers.has(from)) return;
        if (!data.answer) this.#announce(from);
        this.#start(from, "mesh");
        return;
      case "unmeet": {
        const peer = this.peers.get(from);
        if (peer?.role === "mesh") this.#end(peer, "left");
        return;
      }
      case "peer":
        this.peers.get(from)?.receive({ type: "message", data });
        return;
    }
    this.emit("message", { from, data, all: to === undefined });
  }

  /**
   * @param {string} from
   * @param {string|undefined} reason
   */
  #hungUp(from, reason) {
    if (this.#incoming.delete(from)) this.emit("uncall", from);
    const peer = this.peers.get(from);
    if (peer) this.#end(peer, reason === "declined" || reason === "busy" ? reason : "left");
  }

  /** @param {Message & {final?: boolean}} message */
  #refused(message) {
    if (message.final) for (const peer of [...this.peers.values()]) this.#end(peer, "ended");
    const peer = message.to ? this.peers.get(message.to) : undefined;
    if (message.re === "offer" && message.code === "target_not_found" && peer?.state === "ringing") {
      this.#end(peer, "absent");
      return;
    }
    // What is said to one who has just gone is of no interest.
    if (message.code === "target_not_found" && message.re !== "message") return;
    this.emit("error", message);
  }

  /** @param {string[]} rejoined who left and came back */
  #membersChanged(rejoined) {
    for (const id of rejoined) this.#present.delete(id);
    for (const id of [...this.#incoming.keys()]) {
      if (!this.members.includes(id) && this.#incoming.delete(id)) this.emit("uncall", id);
    }
    for (const peer of [...this.peers.values()]) {
      const here = this.members.includes(peer.id), was = this.#present.has(peer.id);
      if (here) this.#present.add(peer.id);
      else this.#present.delete(peer.id);
      if (here && !was && peer.state !== "connected") peer.restartIce();
      if (!here && peer.state === "ringing") this.#end(peer, "absent");
      else if (!here && peer.state === "connecting") this.#end(peer, "left");
      else if (peer.state !== "ringing") this.#watch(peer);
    }
    this.emit("members", this.members);
  }

  /**
   * A connection outlives the other's absence from the room, which may be no more than
   * a lost connection to the server; one that is cut off too does not for long.
   * @param {Peer} peer
   */
  #watch(peer) {
    clearTimeout(this.#timers.get(peer.id));
    if (this.#present.has(peer.id) || peer.state === "connected" || this.state !== "joined") return;
    this.#after(peer.id, ABSENCE, () => this.#end(peer, "lost"));
  }
}

/**
 * Joins a room.
 * @param {string|URL} url of the server's WebSocket endpoint
 * @param {string} room
 * @param {JoinOptions & {configuration?: RTCConfiguration}} [options]
 * @returns {Promise<Room>} once we are in; rejected with an Error that has the
 *   protocol's `code` where the server does not let us in
 */
export function join(url, room, options) {
  return new Promise((resolve, reject) => {
    const r = new Room(String(url), room, options);
    const settled = [
      r.on("state", (state) => {
        if (state !== "joined" && state !== "closed") return;
        for (const off of settled) off();
        if (state === "joined") resolve(r);
      }),
      r.on("error", (message) => {
        if (message.final) reject(Object.assign(new Error(message.error), { code: message.code }));
      }),
    ];
    r.open();
  });
}

/**
 * Remembers a server, to join rooms of it.
 * @param {string|URL} url of its WebSocket endpoint
 * @param {{WebSocket?: typeof WebSocket, configuration?: RTCConfiguration}} [defaults]
 */
export function connect(url, defaults) {
  return {
    /**
     * @param {string} room
     * @param {JoinOptions & {configuration?: RTCConfiguration}} [options]
     */
    join: (room, options) => join(url, room, { ...defaults, ...options }),
  };
}
