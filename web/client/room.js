// @ts-check
// A room: who is in it, what they say, and a Peer for each that there is a call with.
// A call is with one who takes it, or with all who meet.

import { unpack } from "./direct.js";
import { missing, ParleyError } from "./errors.js";
import { Peer } from "./peer.js";
import { Publishing } from "./publishing.js";
import { Reporter } from "./reports.js";
import { Ringing } from "./ringing.js";
import { snapshot } from "./snapshot.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./peer.js").Role} Role */
/** @typedef {import("./events.js").Reason} Reason */
/** @typedef {import("./events.js").RoomOptions} RoomOptions */
/**
 * @template [Data=any]
 * @typedef {import("./events.js").RoomEvents<Data>} RoomEvents
 */

const RING_TIME = 60_000; // ms until a call that nobody takes is given up
const RENEWALS = 1_000; // ms at least between renewals of the connection with a member, but for a few
const BURST = 3_000; // ms that they may be ahead of that
const ABSENCE = 8_000; // ms that a peer may be cut off and out of the room

/**
 * @template [Data=any] what `send` sends
 * @template [Meta=any] the profiles
 * @extends {Publishing<RoomEvents<Data>, Data, Meta>}
 */
export class Room extends Publishing {
  /** Whether we are with all others who meet. */
  meeting = false;
  /** Added to what the server says about ICE, such as an `iceTransportPolicy`. */
  configuration;
  #options;
  #reports;
  /** @type {import("./snapshot.js").Snapshot<Meta>|undefined} */
  #snapshot;
  #changing = false; // and listeners will hear of it
  #left = false;
  #ringing = new Ringing((from) => this.#start(from, "callee"), (from, reason) => {
    this.#tellEnd(from, reason);
    this.changed();
  });
  /** @type {Map<string, ReturnType<typeof setTimeout>>} that end the ringing, or the waiting for one who is absent, and of renewals */
  #timers = new Map();
  #reporters = /** @type {Map<Peer, Reporter>} */ (new Map());
  #present = /** @type {Set<string>} */ (new Set());
  /** Tells the others whether this is the same page as before. */
  #instance = Math.random().toString(36).slice(2);
  /** @type {Map<string, string>} those of the others, by their id */
  #instances = new Map();
  #renewals = /** @type {WeakMap<Peer, number>} */ (new WeakMap()); // up to when they are used up
  /**
   * Makes a room that `open` joins. Most use `join` in its place.
   * @param {string} url
   * @param {string} room
   * @param {RoomOptions} options
   */
  constructor(url, room, options = {}) {
    super(url, room, options);
    this.configuration = options.configuration ?? {};
    this.#options = options;
    this.#reports = options.reports ?? true;
    const s = this.signaling;
    s.on("state", (state) => { this.changed(); this.emit("state", state); });
    s.on("joined", () => {
      this.#configure();
      if (this.meeting) this.#announce();
    });
    s.on("ice", () => this.#configure());
    s.on("members", (rejoined) => this.#membersChanged(rejoined));
    s.on("message", (message) => this.#receive(message));
    s.on("error", (error) => this.#refused(error));
    s.on("leaving", () => this.leave());
    s.on("network", () => { for (const peer of this.peers.values()) peer.restartIce(); });
    s.on("sent", (message) => this.emit("log", { at: Date.now(), out: true, message }));
    s.on("received", (message) => this.emit("log", { at: Date.now(), out: false, message }));
  }

  /**
   * Calls a listener when something in the snapshot is different. For `useSyncExternalStore`.
   * @param {() => void} listener
   */
  subscribe = (listener) => this.on("change", listener);

  /** The state of the room: a value that never changes, the same one until something does. */
  getSnapshot = () => this.#snapshot ??= snapshot(this, Object.freeze(this.#ringing.ids));

  /**
   * @override
   * @protected
   */
  changed() {
    this.#snapshot = undefined;
    if (this.#changing) return;
    this.#changing = true;
    queueMicrotask(() => {
      this.#changing = false;
      this.emit("change", undefined);
    });
  }

  get #rtcConfiguration() { return { bundlePolicy: /** @type {const} */ ("max-bundle"), iceServers: this.iceServers, ...this.configuration }; }

  /** Gives all connections the credentials of now, for when they need a new way. */
  #configure() { for (const peer of this.peers.values()) peer.configure(this.#rtcConfiguration); }

  /** Connects, and keeps the membership until `leave`. */
  open() {
    this.#left = false;
    this.signaling.open();
  }

  /** Ends all calls, leaves the room, and closes the camera and the microphone that `publish` has opened. */
  leave() {
    this.leaveMeeting();
    for (const call of this.#ringing.calls) call.decline();
    for (const peer of [...this.peers.values()]) this.hangUp(peer);
    this.#left = true;
    this.signaling.close();
    this.unpublish();
  }

  /** Meets: there is a peer connection with everybody else in the room who does. Throws where there can be none. */
  meet() {
    if (this.meeting) return;
    void this.#Connection; // or there is none
    this.meeting = true;
    this.changed();
    this.#announce();
  }

  /** Ends the connections of the meeting. */
  leaveMeeting() {
    if (!this.meeting) return;
    this.meeting = false;
    this.changed();
    this.#say({ parley: "unmeet" });
    for (const peer of [...this.peers.values()]) if (peer.role === "mesh") this.#end(peer, "ended");
  }

  /** @param {string} [to] */
  #announce(to) { this.#say({ parley: "meet", answer: to !== undefined, instance: this.#instance }, to); }

  /**
   * Says something of the module's own.
   * @param {any} data
   * @param {string} [to]
   */
  #say(data, to) { return this.signaling.send({ type: "message", data, to }); }

  /**
   * Calls one member, who may take the call or not.
   * @param {string} id
   */
  call(id) {
    const have = this.peers.get(id) ?? this.#ringing.get(id)?.accept();
    if (have) return have;
    const peer = this.#start(id, "caller");
    this.#after(id, RING_TIME, () => {
      this.#tellEnd(id);
      this.#end(peer, "unanswered");
    });
    return peer;
  }

  /**
   * Removes a member, and ends our connection with it; takes the right to moderate.
   * @override
   * @param {string} id
   */
  kick(id) {
    const done = super.kick(id);
    done.then(() => {
      const peer = this.peers.get(id);
      if (peer) this.#end(peer, "left");
    }, () => {}); // whoever asks hears of it
    return done;
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
  #tellEnd(id, reason) { this.signaling.send({ type: "hangup", to: id, reason }); }

  get #Connection() {
    if (this.#left) throw new ParleyError("closed", "the room was left");
    const Connection = this.#options.RTCPeerConnection ?? globalThis.RTCPeerConnection;
    if (!Connection) throw missing("RTCPeerConnection");
    return Connection;
  }

  /**
   * @param {string} id
   * @param {Role} role
   * @param {boolean} [offering]
   */
  #start(id, role, offering) {
    /** @type {Peer} */
    const peer = new Peer({
      self: this.id, id, role, offering, Connection: this.#Connection, tracks: this.tracks, channels: this.channels, configuration: this.#rtcConfiguration,
      limit: () => this.limit,
      send: (message) => this.signaling.send({ ...message, to: id }),
      renewed: (message) => this.#renew(peer, message),
      stale: () => this.#say({ parley: "renew" }, id),
      lost: () => this.signaling.probe(),
    });
    this.peers.set(id, peer);
    this.#present.add(id);
    peer.on("state", (state) => {
      this.changed();
      if (state !== "ringing" && state !== "closed") this.#watch(peer);
    });
    for (const event of /** @type {const} */ (["streams", "open"])) peer.on(event, () => this.changed());
    if (this.#reports) this.#reporters.set(peer, new Reporter(peer, (data) => this.#report(id, data)));
    this.changed();
    this.emit("peer", peer);
    return peer;
  }

  /**
   * The other side has made its connection anew: so do we.
   * @param {Peer} peer
   * @param {Message} [message] by which we know, an offer or an answer to what is over
   */
  #renew(peer, message) {
    this.#sometimes(peer, () => {
      const anew = this.#start(peer.id, peer.role === "caller" ? "callee" : peer.role, message?.type !== "offer");
      if (message?.type === "offer") anew.receive(message);
      return anew;
    });
  }

  /**
   * Ends a connection and makes another. A peer that asks for it all the time gets one a second: each
   * costs more than the message that asks.
   * @param {Peer} peer
   * @param {() => Peer} start in place of what was to be done before
   */
  #sometimes(peer, start) {
    if (this.peers.get(peer.id) !== peer) return;
    const now = Date.now(), until = Math.max(this.#renewals.get(peer) ?? 0, now), wait = until - now - BURST;
    if (wait > 0) return this.#after(`renewal ${peer.id}`, wait, () => this.#sometimes(peer, start));
    this.#end(peer, "renewed");
    this.#renewals.set(start(), until + RENEWALS);
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
    this.#reporters.get(peer)?.end(reason);
    this.#reporters.delete(peer);
    this.#present.delete(peer.id);
    peer.close();
    this.changed();
    this.emit("gone", { peer, reason });
  }

  /**
   * @param {string} to
   * @param {Record<string, any>} data
   */
  #report(to, data) { if (this.#reports) this.signaling.send({ type: "report", to, data }); }

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
    } else if (!this.#ringing.keep(from, message) && message.type === "offer" && !message.mesh) {
      const call = this.#ringing.begin(from, message);
      this.changed();
      this.emit("call", call);
    }
  }

  /** @param {string} from who does not call any more */
  #uncall(from) {
    if (!this.#ringing.end(from)) return;
    this.changed();
    this.emit("uncall", from);
  }

  /**
   * @param {string} from
   * @param {Message} message
   */
  #said(from, message) {
    const { data, to } = message, peer = this.peers.get(from);
    switch (data?.parley) {
      case "meet":
        if (this.meeting) this.#met(from, data, peer);
        return;
      case "unmeet":
        if (peer?.role === "mesh") this.#end(peer, "left");
        return;
      case "renew":
        if (peer && to) this.#renew(peer);
        return;
      case "peer":
        if (peer) peer.receive(message);
        else this.#ringing.keep(from, message);
        return;
    }
    this.emit("message", { from, data: unpack(data), all: to === undefined });
  }

  /**
   * @param {string} from who meets
   * @param {{answer: boolean, instance?: string}} data
   * @param {Peer} [peer] that we have with it
   */
  #met(from, { answer, instance = "" }, peer) {
    const known = this.#instances.get(from) ?? instance;
    this.#instances.set(from, instance);
    if (!answer) this.#announce(from);
    // One that calls us is met by taking the call.
    const start = /** @type {() => Peer} */ (this.#ringing.get(from)?.accept ?? (() => this.#start(from, "mesh")));
    if (!peer) start();
    else if (known !== instance || !instance && peer.state !== "connected") this.#sometimes(peer, start); // it has come back
  }

  /**
   * @param {string} from
   * @param {string|undefined} reason
   */
  #hungUp(from, reason) {
    this.#uncall(from);
    const peer = this.peers.get(from);
    if (peer) this.#end(peer, reason === "declined" || reason === "busy" ? reason : "left");
  }

  /** @param {ParleyError} error */
  #refused(error) {
    const { code, re, to, final } = error;
    if (re === "report") {
      if (code === "unknown_type") this.#reports = false; // the server does not take any
      return;
    }
    // A call goes on without the server, but not where we are not wanted.
    const mayGoOn = code === "token_expired" || code === "unauthorized";
    if (final && !mayGoOn) this.closeOwn();
    if (final) for (const peer of [...this.peers.values()]) if (!mayGoOn || !/pted|cted/.test(peer.state)) this.#end(peer, "ended");
    const peer = to ? this.peers.get(to) : undefined;
    if (re === "offer" && code === "target_not_found" && peer?.state === "ringing") this.#end(peer, "absent");
    // Errors about a peer that has just gone are of no interest.
    // Descriptions that a lost connection leaves in doubt are sent again.
    else if (re === "message" || code !== "target_not_found" && code !== "unconfirmed") this.emit("error", error);
  }

  /** @param {string[]} rejoined who left and came back */
  #membersChanged(rejoined) {
    for (const id of rejoined) this.#present.delete(id);
    const here = new Set(this.members);
    for (const id of this.#ringing.ids) if (!here.has(id)) this.#uncall(id);
    for (const id of this.#instances.keys()) if (!here.has(id) && !this.peers.has(id)) this.#instances.delete(id);
    for (const peer of [...this.peers.values()]) {
      const is = here.has(peer.id), was = this.#present.has(peer.id);
      if (is) this.#present.add(peer.id);
      else this.#present.delete(peer.id);
      if (is && !was) peer.returned();
      if (!is && peer.state === "ringing") this.#end(peer, "absent");
      else if (!is && peer.state === "connecting") this.#end(peer, "left");
      else if (peer.state !== "ringing") this.#watch(peer);
    }
    this.changed();
    this.emit("members", this.members);
  }

  /**
   * A connection outlives the other's absence from the room, which may be no more than
   * a lost connection to the server; one that is cut off too does not for long.
   * @param {Peer} peer
   */
  #watch(peer) {
    clearTimeout(this.#timers.get(peer.id));
    const alone = this.state === "joined" ? !this.#present.has(peer.id) : this.state === "closed";
    if (alone && peer.state !== "connected") this.#after(peer.id, ABSENCE, () => this.#end(peer, "lost"));
  }

  /**
   * @override
   * @protected
   * @param {keyof RoomEvents} event
   */
  present(event) {
    if (event === "peer") return [...this.peers.values()];
    return event === "call" ? this.#ringing.calls : [];
  }
}
