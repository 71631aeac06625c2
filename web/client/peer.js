// @ts-check
// One other member: an RTCPeerConnection with it, with data channels and tracks that come
// and go. Knows messages and media, but no page. A peer has one connection for its life; a
// member that has made its own anew gets a new peer.

import { Direct, isBytes, pack, unpack } from "./direct.js";
import { Emitter } from "./emitter.js";
import { ParleyError, PASSING } from "./errors.js";
import { Mending } from "./mending.js";
import { Negotiation } from "./negotiation.js";
import { exceeds } from "./outbox.js";
import { Senders } from "./senders.js";
import { summarize } from "./stats.js";
import { Verifier } from "./verification.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./verification.js").Verification} Verification */
/**
 * - ringing: we have called, and the other has not answered
 * - connecting: it has, and no way between the two is found yet
 * - connected; interrupted: for a moment; failed: and being mended; closed
 * @typedef {"ringing"|"connecting"|"connected"|"interrupted"|"failed"|"closed"} PeerState
 */
/** @typedef {{track: MediaStreamTrack, streams: readonly MediaStream[]}} TrackEvent a track that the other sends */

/**
 * - state: the connection's state has changed
 * - track: the other sends a track; late listeners get those that are there
 * - streams: `streams` has changed
 * - channel: a data channel is there, opened by the other or declared by the room; late
 *   listeners get those that are there
 * - data: the other has sent something with `send`
 * - open: `send` goes straight to the other from now on
 * @template [Data=any]
 * @typedef {{
 *   state: PeerState, track: TrackEvent, streams: readonly MediaStream[],
 *   channel: RTCDataChannel, data: Data, open: undefined,
 * }} PeerEvents
 */

/**
 * How a peer connection comes to be: we call, we answer a call, or both want it.
 * @typedef {"caller"|"callee"|"mesh"} Role
 */

/**
 * @typedef {{
 *   self: string, id: string, role: Role, offering?: boolean, configuration: RTCConfiguration, Connection: any,
 *   tracks: Map<MediaStreamTrack, MediaStream>, channels: Map<string, RTCDataChannelInit>,
 *   send: (message: Message) => Promise<void>, limit: () => number,
 *   renewed: (message: Message) => void, stale: () => void, lost: () => void,
 * }} PeerOptions offering: make the first offer, whatever the role; renewed, stale: see
 *   Negotiation; lost: the way between the two is interrupted
 */

const ENVELOPE = 512; // bytes of a message through the server besides the data

/**
 * @template [Data=any]
 * @extends {Emitter<PeerEvents<Data>>}
 */
export class Peer extends Emitter {
  /** @type {string} the other member's id */
  id;
  /** @type {Role} */
  role;
  /** @type {PeerState} */
  state = "connecting";
  /** @type {readonly MediaStream[]} what the other sends; a new array when it changes */
  streams = [];
  /** @type {Map<string, RTCDataChannel>} by label: those of the room, and those that the other has opened */
  channels = new Map();
  /** @type {RTCPeerConnection} the connection itself, for what is not here */
  connection;

  #options;
  #negotiation;
  #mending;
  #senders;
  #direct;
  #verifier;
  #verified = false;
  #ended = /** @type {Promise<any>} */ (this.once("state", (state) => state === "closed")); // a closed connection settles nothing
  /** Resolves when the other knows of us, to whom what we send before that would be nobody's; undefined: it does. */
  #known;
  #introduced = () => {};
  /** @type {Set<TrackEvent>} */
  #incoming = new Set();
  /** @type {import("./stats.js").Measured|undefined} when the statistics were last read */
  #measured;

  /** @param {PeerOptions} options */
  constructor(options) {
    super();
    const { self, id, role, offering = false, configuration, Connection, tracks, channels } = options;
    this.#options = options;
    this.id = id;
    this.role = role;
    // Of two that offer at once, the one with the smaller id gives way.
    const polite = self < id;
    this.state = role === "caller" && !offering ? "ringing" : "connecting";
    /** @type {RTCPeerConnection} */
    const pc = this.connection = new Connection(configuration);
    const offers = offering || role === "caller" || role === "mesh" && !polite;
    this.#known = role === "caller" ? new Promise((/** @type {(nothing: void) => void} */ resolve) => { this.#introduced = resolve; }) : undefined;
    this.#negotiation = new Negotiation(pc, { polite, offers }, {
      tell: (message) => this.#tell(message),
      answered: () => {
        if (this.state === "ringing") this.#setState("connecting");
        this.#mending.expect();
      },
      settled: () => {
        this.#sift();
        return this.#senders.apply();
      },
      renewed: options.renewed, stale: options.stale, warn: (error) => this.#warn(error),
    });
    pc.ontrack = ({ track, streams }) => this.#came(track, streams);
    pc.ondatachannel = ({ channel }) => this.#opened(channel);
    this.#mending = new Mending(pc, polite ? 1.6 : 1, {
      state: (state) => this.#setState(state), restart: () => this.restartIce(), lost: options.lost,
    });
    this.#direct = new Direct(pc, {
      open: () => this.emit("open", undefined),
      data: (data) => this.emit("data", data),
      frame: (frame) => this.#verifier.receive(frame),
      warn: (error) => this.#warn(error),
    });
    this.#verifier = new Verifier(pc, (frame) => this.#direct.send({ parley: "verify", ...frame }).catch(() => {}));
    for (const [label, init] of channels) this.declare(label, init);
    this.#senders = new Senders(pc);
    for (const [track, stream] of tracks) this.#senders.add(track, stream);
    if (offers) this.#senders.ask();
    if (this.state !== "ringing") this.#mending.expect();
  }

  /** Whether `send` goes straight to the other. */
  get direct() { return this.#direct.open; }
  /** Bytes that `send` has still to put on the way. */
  get bufferedAmount() { return this.#direct.bufferedAmount; }

  /**
   * Resolves when little is left to be put on the way; rejects when the connection ends before.
   * @returns {Promise<void>}
   */
  drain() { return this.#direct.drain(); }

  /**
   * Takes the ICE servers of now, for the next time that a way is looked for.
   * @param {RTCConfiguration} configuration
   */
  configure(configuration) {
    try {
      this.connection.setConfiguration(configuration);
    } catch (error) {
      this.#warn(error);
    }
  }

  /**
   * Sends a track, from now on.
   * @param {MediaStreamTrack} track
   * @param {MediaStream} stream that it belongs to; the other gets one with the same id
   */
  addTrack(track, stream) { return this.state === "closed" ? undefined : Promise.race([this.#senders.add(track, stream), this.#ended]); }

  /** @param {MediaStreamTrack} track that is no longer to be sent */
  removeTrack(track) { if (this.state !== "closed") this.#senders.remove(track); }

  /**
   * Sends another track in the place of one, without asking the other.
   * @param {MediaStreamTrack} old
   * @param {MediaStreamTrack} [track]
   */
  replaceTrack(old, track) { return Promise.race([this.#senders.replace(old, track), this.#ended]); }

  /**
   * Sets how a track, or every track of a kind, is encoded, such as its `maxBitrate` (bits a
   * second) and `scaleResolutionDownBy`. It takes effect between negotiations, and holds for
   * tracks to come.
   * @param {MediaStreamTrack|"audio"|"video"} what
   * @param {Partial<RTCRtpEncodingParameters>} encoding
   * @returns {Promise<void>}
   */
  encode(what, encoding) {
    this.#senders.encode(what, encoding);
    return this.#negotiation.run(() => this.connection.signalingState === "stable" && this.#senders.apply());
  }

  /**
   * Opens a data channel.
   * @param {string} label
   * @param {RTCDataChannelInit} [options]
   */
  channel(label, options) { return this.connection.createDataChannel(label, options); }

  /**
   * Makes a channel that both sides declare. Room calls it.
   * @param {string} label
   * @param {RTCDataChannelInit} init
   */
  declare(label, init) { this.#opened(this.connection.createDataChannel(label, { ...init, negotiated: true })); }

  /**
   * Sends something that JSON can hold, or bytes: straight to the other, or through the server
   * while there is no way. Data that does not fit into a message of the server (64 KiB of JSON; 48
   * KiB of bytes) is `too_large`: it belongs into a channel of its own. Once the peer is
   * verified nothing goes through the server, and nothing that comes from there counts.
   * @param {Data|ArrayBuffer|ArrayBufferView} data
   * @returns {Promise<void>} settles when there is room for more, or the server has handled it
   */
  send(data) {
    const done = this.#send(data);
    done.catch(() => {}); // for those that do not look
    return done;
  }

  /** @param {Data|ArrayBuffer|ArrayBufferView} data */
  async #send(data) {
    const packed = JSON.stringify(pack(data)) ?? "null";
    if (exceeds(packed, this.#options.limit() - ENVELOPE)) {
      throw new ParleyError("too_large", "the data is over the server's limit for a message");
    }
    if (this.#known && !this.direct && !this.#verified) await Promise.race([this.#known, this.#ended]);
    if (this.state === "closed") throw new ParleyError("closed", "the connection has ended");
    if (this.direct) await this.#direct.send(isBytes(data) ? data : pack(data));
    else if (this.#verified) throw new ParleyError("closed", "the connection has ended");
    else await this.#options.send({ type: "message", data: { parley: "peer", data: JSON.parse(packed) } }); // as it was: the application may have changed it
  }

  /** Reads the connection's statistics; rates are since the last reading. */
  async stats() {
    const summary = summarize(await this.connection.getStats(), this.#measured);
    this.#measured = summary.measured;
    return summary.statistics;
  }

  /**
   * Returns a code of five emoji, with their words, that is the same at both ends only if nobody
   * stands between them, the server included. The two compare it by looking or speaking. Waits
   * until the connection is up. Whoever asks first, both ends get the same.
   * @returns {Promise<Verification>}
   */
  async verification() {
    if (!globalThis.crypto?.subtle) throw new ParleyError("unsupported", "verification needs a secure context");
    while (!this.direct) {
      if (this.state === "closed" || this.#direct.closed) throw new ParleyError("closed", "the connection has ended");
      await Promise.race([this.once("open"), this.once("state", (state) => state === "closed")]);
    }
    const code = await this.#verifier.start();
    this.#verified = true;
    return code;
  }

  /**
   * Takes an offer, an answer, a candidate or data from the other. Room calls it.
   * @param {Message} message
   */
  receive(message) {
    if (message.type !== "message") this.#negotiation.receive(message);
    else if (!this.#verified) this.emit("data", unpack(message.data.data));
  }

  /**
   * Makes the connection find a new way. An offer that stays without an answer,
   * since the other could not be reached, is made again.
   */
  restartIce() {
    if (this.state === "closed") return;
    this.#mending.restarted();
    this.#negotiation.restart();
  }

  /** The other is in the room again, which it was not for a while. Room calls it. */
  returned() {
    if (this.state === "connected") this.#negotiation.again();
    else this.restartIce();
  }

  /** Ends the connection on this side. Use `hangUp` of the room to tell the other too. */
  close() {
    if (this.state === "closed") return;
    this.#mending.close();
    this.#negotiation.close();
    const pc = this.connection;
    pc.onnegotiationneeded = pc.onicecandidate = pc.ontrack = pc.ondatachannel = null;
    this.#direct.close();
    pc.close();
    this.#incoming.clear();
    this.#setState("closed");
  }

  /**
   * @override
   * @protected
   * @param {keyof PeerEvents} event
   */
  present(event) {
    if (event === "track") return [...this.#incoming];
    return event === "channel" ? [...this.channels.values()] : [];
  }

  /**
   * @param {Message} message
   * @returns {Promise<boolean>} whether to tell it again later
   */
  async #tell(message) {
    try {
      const done = this.state !== "closed" && this.#options.send(this.role === "mesh" ? { ...message, mesh: true } : message);
      if (message.type !== "candidate") {
        this.#introduced();
        this.#known = undefined;
      }
      await done;
      return false;
    } catch (error) {
      return PASSING.test(/** @type {ParleyError} */ (error).code);
    }
  }

  /** @param {unknown} error */
  #warn(error) { if (this.state !== "closed") console.warn("parley-client:", error); }

  /**
   * @param {MediaStreamTrack} track
   * @param {readonly MediaStream[]} streams
   */
  #came(track, streams) {
    const stream = streams[0] ?? new MediaStream([track]);
    const incoming = { track, streams: [stream] };
    for (const former of this.#incoming) if (former.track === track) this.#incoming.delete(former);
    this.#incoming.add(incoming);
    this.#listStreams();
    this.emit("track", incoming);
  }

  /** Forgets the tracks that the other does not send any more. */
  #sift() {
    const sends = new Map(this.connection.getTransceivers().map(({ receiver, currentDirection }) => [receiver.track, currentDirection]));
    const gone = [...this.#incoming].filter(({ track }) => !/recv/.test(sends.get(track) ?? ""));
    for (const incoming of gone) this.#incoming.delete(incoming);
    if (gone.length) this.#listStreams();
  }

  #listStreams() {
    this.streams = Object.freeze([...new Set([...this.#incoming].map(({ streams }) => streams[0]))]);
    this.emit("streams", this.streams);
  }

  /** @param {RTCDataChannel} channel */
  #opened(channel) {
    this.channels.set(channel.label, channel);
    channel.addEventListener("close", () => {
      if (this.channels.get(channel.label) === channel) this.channels.delete(channel.label);
    });
    this.emit("channel", channel);
  }

  /** @param {PeerState} state */
  #setState(state) {
    if (this.state === state || this.state === "closed") return;
    this.state = state;
    this.emit("state", state);
  }
}
