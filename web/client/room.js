// @ts-check
// A room: who is in it, what they say, and a Peer for each that there is a call with.
// A call is with one who takes it, or with all who meet.

import { pack, unpack } from "./direct.js";
import { Emitter } from "./emitter.js";
import { ParleyError } from "./errors.js";
import { Local } from "./local.js";
import { Peer } from "./peer.js";
import { Reporter } from "./reports.js";
import { Signaling } from "./signaling.js";
import { snapshot } from "./snapshot.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./signaling.js").State} State */
/** @typedef {import("./peer.js").Role} Role */

/**
 * - configuration: for `RTCPeerConnection`, added to the server's ICE servers
 * - reports: false tells the server nothing about how calls go
 * - RTCPeerConnection: a class, where the platform has none
 * @typedef {import("./signaling.js").JoinOptions & {
 *   configuration?: RTCConfiguration, reports?: boolean, RTCPeerConnection?: any,
 * }} RoomOptions
 */

/**
 * Why a peer is gone:
 * - left: it has hung up, or left the meeting or the room; lost: nothing more is heard of it
 * - declined, busy, unanswered, absent: it did not take our call, or is not in the room
 * - ended: we have hung up
 * - renewed: it has made its connection anew; a new peer follows at once
 * @typedef {"left"|"lost"|"declined"|"busy"|"unanswered"|"absent"|"ended"|"renewed"} Reason
 */

/**
 * A call that somebody makes to us.
 * @typedef {{from: string, accept: () => Peer|undefined, decline: (reason?: "declined"|"busy") => void}} Incoming
 */

/**
 * - state: of the membership
 * - members: who is in the room, a nickname, a profile or the lock has changed
 * - message: a member's `send`
 * - announcement: something that the people who run the server say to all in the room
 * - peer: there is a peer connection with a member (late listeners get those that there are);
 *   gone: there is none any more
 * - call: somebody calls (late listeners get those that still do); uncall: somebody has given up
 *   calling, or gone
 * - error: a message was refused or could not be sent; final: the room is left for good
 * - change: something in the snapshot is different
 * - log: a message to or from the server
 * @template [Data=any]
 * @typedef {{
 *   state: State, members: readonly string[], message: {from: string, data: Data, all: boolean}, announcement: any,
 *   peer: Peer, gone: {peer: Peer, reason: Reason},
 *   call: Incoming, uncall: string,
 *   error: ParleyError, change: undefined, log: {at: number, out: boolean, message: Message},
 * }} RoomEvents
 */

const RING_TIME = 60_000; // ms until a call that nobody takes is given up
const MOST_INCOMING = 100; // messages kept of a call that rings
const ABSENCE = 8_000; // ms that a peer may be cut off and out of the room

/**
 * @template [Data=any] what `send` sends
 * @template [Meta=any] the profiles
 * @extends {Emitter<RoomEvents<Data>>}
 */
export class Room extends Emitter {
  /** @type {Map<string, Peer>} by the id of the member; `getSnapshot` has it as a value */
  peers = new Map();
  /** Whether we are with all others who meet. */
  meeting = false;
  /** Added to what the server says about ICE, such as an `iceTransportPolicy`. */
  configuration;

  #signaling;
  #local;
  #options;
  #reports;
  /** @type {import("./snapshot.js").Snapshot<Meta>|undefined} */
  #snapshot;
  /** @type {Map<MediaStreamTrack, MediaStream>} what all peers get */
  #tracks = new Map();
  /** @type {Map<string, RTCDataChannelInit>} that all peers have */
  #channels = new Map();
  /** @type {Map<string, {call: Incoming, messages: Message[]}>} calls not taken yet, with what has come of each */
  #incoming = new Map();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} that end the ringing, or the waiting for one who is absent */
  #timers = new Map();
  /** @type {Map<Peer, Reporter>} */
  #reporters = new Map();
  /** @type {Set<string>} */
  #present = new Set();
  /** Tells the others whether this is the same page as before. */
  #instance = Math.random().toString(36).slice(2);
  /** @type {Map<string, string>} those of the others, by their id */
  #instances = new Map();

  /**
   * Makes a room that `open` joins. Most use `join` in its place.
   * @param {string} url
   * @param {string} room
   * @param {RoomOptions} options
   */
  constructor(url, room, options = {}) {
    super();
    this.name = room;
    this.configuration = options.configuration ?? {};
    this.#options = options;
    this.#reports = options.reports ?? true;
    this.#local = new Local(this, () => this.#changed());
    const s = this.#signaling = new Signaling(url, room, options);
    s.on("state", (state) => {
      this.#changed();
      this.emit("state", state);
    });
    s.on("joined", () => {
      this.#configure();
      if (this.meeting) this.#announce();
    });
    s.on("ice", () => this.#configure());
    s.on("members", (rejoined) => this.#membersChanged(rejoined));
    s.on("message", (message) => this.#receive(message));
    s.on("error", (error) => this.#refused(error));
    s.on("network", () => { for (const peer of this.peers.values()) peer.restartIce(); });
    s.on("sent", (message) => this.emit("log", { at: Date.now(), out: true, message }));
    s.on("received", (message) => this.emit("log", { at: Date.now(), out: false, message }));
  }

  /** @returns {string} our id */
  get id() { return this.#signaling.id; }
  get state() { return this.#signaling.state; }
  /** @returns {readonly string[]} the ids of all in the room */
  get members() { return this.#signaling.members; }
  get names() { return this.#signaling.names; }
  get locked() { return this.#signaling.locked; }
  get rights() { return this.#signaling.rights; }
  get iceServers() { return this.#signaling.iceServers; }
  /** The largest message that the server accepts, in bytes of JSON. */
  get limit() { return this.#signaling.limit; }
  /** What we publish. */
  get local() { return this.#local.state; }

  /**
   * The nickname of a member, or its id.
   * @param {string} id
   */
  nameOf(id) { return this.#signaling.nameOf(id); }

  /**
   * The profile of a member.
   * @param {string} id
   * @returns {Meta|undefined}
   */
  metaOf(id) { return Object.hasOwn(this.#signaling.metas, id) ? this.#signaling.metas[id] : undefined; }

  /**
   * Calls a listener when something in the snapshot is different. For `useSyncExternalStore`.
   * @param {() => void} listener
   */
  subscribe = (listener) => this.on("change", listener);

  /** The state of the room: a value that never changes, the same one until something does. */
  getSnapshot = () => this.#snapshot ??= snapshot(this, Object.freeze([...this.#incoming.keys()]));

  #changed() {
    if (this.#snapshot) queueMicrotask(() => this.emit("change", undefined)); // else nobody has seen one since the last
    this.#snapshot = undefined;
  }

  get #rtcConfiguration() { return { iceServers: this.iceServers, ...this.configuration }; }

  /** Gives all connections the credentials of now, for when they need a new way. */
  #configure() { for (const peer of this.peers.values()) peer.configure(this.#rtcConfiguration); }

  /** Connects, and keeps the membership until `leave`. */
  open() { this.#signaling.open(); }

  /** Ends all calls, leaves the room, and closes the camera and the microphone that `publish` has opened. */
  leave() {
    this.leaveMeeting();
    for (const { call } of [...this.#incoming.values()]) call.decline();
    for (const peer of [...this.peers.values()]) this.hangUp(peer);
    this.#signaling.close();
    this.#local.close();
  }

  /** Makes sure at once that there is a connection to the server: the network may be back. */
  retryNow() { this.#signaling.probe(); }

  /**
   * Sends something that JSON can hold, or bytes, through the server.
   * @param {Data|ArrayBuffer|ArrayBufferView} data
   * @param {string} [to] a member; without one everybody else
   * @returns {Promise<void>} settles when the server has handled or refused it
   */
  send(data, to) { return this.#signaling.send({ type: "message", data: pack(data), ...(to && { to }) }); }

  /** @param {string} name our new nickname; "" for none */
  rename(name) { return this.#signaling.change("rename", { name }); }

  /** @param {Meta|null} meta our new profile; null for none */
  update(meta) { return this.#signaling.change("update", { meta }); }

  /** @param {string} token a fresh one, before ours runs out */
  renew(token) { return this.#signaling.change("token", { token }); }

  /**
   * Removes a member; takes the right to moderate.
   * @param {string} id
   */
  kick(id) { return this.command({ type: "kick", to: id }); }

  /**
   * Locks the room, or unlocks it; takes the right to moderate.
   * @param {boolean} locked only moderators can join
   */
  lock(locked) { return this.command({ type: locked ? "lock" : "unlock" }); }

  /**
   * Sends something else of the protocol.
   * @param {Message} message
   */
  command(message) { return this.#signaling.send(message); }

  /**
   * Sends camera and microphone, or a stream, to all peers, in place of what was published before.
   * @param {MediaStream|MediaStreamConstraints} [what]
   * @returns {Promise<MediaStream>}
   */
  publish(what = { audio: true, video: true }) { return this.#local.publish(what); }

  /**
   * Silences the microphone, or turns the camera off.
   * @param {"audio"|"video"} [kind]
   * @param {boolean} [muted]
   */
  mute(kind = "audio", muted = true) { return this.#local.mute(kind, muted); }

  /**
   * Takes another device; where it can't be had, goes on with the one before and rejects.
   * @param {"audio"|"video"} kind
   * @param {string} id of the device
   */
  switchDevice(kind, id) { return this.#local.switchDevice(kind, id); }

  /**
   * Sends the screen beside the camera.
   * @param {DisplayMediaStreamOptions} [options]
   * @returns {Promise<{stream: MediaStream, stop: () => void}>}
   */
  shareScreen(options = { video: true, audio: true }) { return this.#local.shareScreen(options); }

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

  /**
   * Declares a data channel that every peer has, those to come too: `peer.channels.get(label)`,
   * or the event `channel`. All sides declare the same.
   * @param {string} label
   * @param {RTCDataChannelInit & {id: number}} init id: from 1 on, the same on all sides
   */
  channel(label, init) {
    this.#channels.set(label, init);
    for (const peer of this.peers.values()) peer.declare(label, init);
  }

  /** Meets: there is a peer connection with everybody else in the room who does. */
  meet() {
    if (this.meeting) return;
    this.meeting = true;
    this.#changed();
    this.#announce();
  }

  /** Ends the connections of the meeting. */
  leaveMeeting() {
    if (!this.meeting) return;
    this.meeting = false;
    this.#changed();
    this.#say({ parley: "unmeet" });
    for (const peer of [...this.peers.values()]) if (peer.role === "mesh") this.#end(peer, "ended");
  }

  /** @param {string} [to] */
  #announce(to) { if (this.state === "joined") this.#say({ parley: "meet", answer: to !== undefined, instance: this.#instance }, to); }

  /**
   * Says something of the module's own.
   * @param {any} data
   * @param {string} [to]
   */
  #say(data, to) { return this.#signaling.send({ type: "message", data, to }); }

  /**
   * Calls one member, who may take the call or not.
   * @param {string} id
   */
  call(id) {
    const have = this.peers.get(id) ?? this.#incoming.get(id)?.call.accept();
    if (have) return have;
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
  #tellEnd(id, reason) { this.#signaling.send({ type: "hangup", to: id, reason }); }

  /**
   * @param {string} id
   * @param {Role} role
   * @param {boolean} [offering]
   */
  #start(id, role, offering) {
    const Connection = this.#options.RTCPeerConnection ?? globalThis.RTCPeerConnection;
    if (!Connection) throw new ParleyError("unsupported", "there is no RTCPeerConnection here: pass a class in options.RTCPeerConnection");
    /** @type {Peer} */
    const peer = new Peer({
      self: this.id, id, role, offering, Connection, tracks: this.#tracks, channels: this.#channels, configuration: this.#rtcConfiguration,
      limit: () => this.limit,
      send: (message) => this.#signaling.send({ ...message, to: id }),
      renewed: (message) => this.#renew(peer, message),
      stale: () => this.#say({ parley: "renew" }, id),
      lost: () => this.#signaling.probe(),
    });
    this.peers.set(id, peer);
    this.#present.add(id);
    peer.on("state", (state) => {
      this.#changed();
      if (state === "connected") clearTimeout(this.#timers.get(id));
      else if (state === "connecting") this.#after(id, 0, () => {}); // it does not ring any more
      if (state !== "ringing" && state !== "closed") this.#watch(peer);
    });
    for (const event of /** @type {const} */ (["streams", "open"])) peer.on(event, () => this.#changed());
    if (this.#reports) this.#reporters.set(peer, new Reporter(peer, (data) => this.#report(id, data)));
    this.#changed();
    this.emit("peer", peer);
    return peer;
  }

  /**
   * The other side has made its connection anew: so do we.
   * @param {Peer} peer
   * @param {Message} [message] by which we know, an offer or an answer to what is over
   */
  #renew(peer, message) {
    if (this.peers.get(peer.id) !== peer) return;
    this.#end(peer, "renewed");
    const anew = this.#start(peer.id, peer.role === "caller" ? "callee" : peer.role, message?.type !== "offer");
    if (message?.type === "offer") anew.receive(message);
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
    peer.close();
    this.#changed();
    this.emit("gone", { peer, reason });
  }

  /**
   * @param {string} to
   * @param {Record<string, any>} data
   */
  #report(to, data) { if (this.#reports) this.#signaling.send({ type: "report", to, data }); }

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
    const peer = this.peers.get(from), ringing = this.#incoming.get(from);
    if (message.type === "hangup") {
      this.#hungUp(from, message.reason);
    } else if (peer) {
      peer.receive(message);
    } else if (message.type === "offer" && message.mesh && this.meeting) {
      this.#start(from, "mesh").receive(message);
    } else if (ringing) {
      if (ringing.messages.length < MOST_INCOMING) ringing.messages.push(message);
    } else if (message.type === "offer" && !message.mesh) {
      this.#rings(from, message);
    }
  }

  /**
   * @param {string} from
   * @param {Message} offer
   */
  #rings(from, offer) {
    const messages = [offer];
    const take = () => this.#incoming.get(from)?.messages === messages && this.#incoming.delete(from);
    /** @type {Incoming} */
    const call = {
      from,
      accept: () => {
        if (!take()) return undefined;
        const peer = this.#start(from, "callee");
        for (const message of messages) peer.receive(message);
        return peer;
      },
      decline: (reason = "declined") => {
        if (!take()) return;
        this.#tellEnd(from, reason);
        this.#changed();
      },
    };
    this.#incoming.set(from, { call, messages });
    this.#changed();
    this.emit("call", call);
  }

  /** @param {string} from who does not call any more */
  #uncall(from) {
    if (!this.#incoming.delete(from)) return;
    this.#changed();
    this.emit("uncall", from);
  }

  /**
   * @param {string} from
   * @param {Message} message
   */
  #said(from, { data, to }) {
    const peer = this.peers.get(from);
    switch (data?.parley) {
      case "meet":
        if (this.meeting) this.#met(from, data, peer);
        return;
      case "unmeet":
        if (peer?.role === "mesh") this.#end(peer, "left");
        return;
      case "renew":
        if (peer) this.#renew(peer);
        return;
      case "peer":
        peer?.receive({ type: "message", data });
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
    if (peer && (known !== instance || !instance && peer.state !== "connected")) this.#end(peer, "renewed"); // it has come back
    if (!this.peers.has(from)) this.#start(from, "mesh");
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
    if (final) for (const peer of [...this.peers.values()]) if (!mayGoOn || peer.state !== "connected") this.#end(peer, "ended");
    const peer = to ? this.peers.get(to) : undefined;
    if (re === "offer" && code === "target_not_found" && peer?.state === "ringing") this.#end(peer, "absent");
    // What is said to one who has just gone is of no interest.
    else if (code !== "target_not_found" || re === "message") this.emit("error", error);
  }

  /** @param {string[]} rejoined who left and came back */
  #membersChanged(rejoined) {
    for (const id of rejoined) this.#present.delete(id);
    const here = new Set(this.members);
    for (const id of [...this.#incoming.keys()]) if (!here.has(id)) this.#uncall(id);
    for (const id of this.#instances.keys()) if (!here.has(id) && !this.peers.has(id)) this.#instances.delete(id);
    for (const peer of [...this.peers.values()]) {
      const is = here.has(peer.id), was = this.#present.has(peer.id);
      if (is) this.#present.add(peer.id);
      else this.#present.delete(peer.id);
      if (is && !was && peer.state !== "connected") peer.restartIce();
      if (!is && peer.state === "ringing") this.#end(peer, "absent");
      else if (!is && peer.state === "connecting") this.#end(peer, "left");
      else if (peer.state !== "ringing") this.#watch(peer);
    }
    this.#changed();
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
    return event === "call" ? [...this.#incoming.values()].map(({ call }) => call) : [];
  }
}
