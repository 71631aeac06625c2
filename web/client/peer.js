// @ts-check
// One other member: an RTCPeerConnection with it, by perfect negotiation, with data
// channels and tracks that come and go. Knows messages and media, but no page.

import { Emitter } from "./emitter.js";
import { summarize } from "./stats.js";

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./stats.js").Statistics} Statistics */

/**
 * - ringing: we have called, and the other has not answered
 * - connecting: it has, and no way between the two is found yet
 * - connected; interrupted: for a moment; failed: and being mended; closed
 * @typedef {"ringing"|"connecting"|"connected"|"interrupted"|"failed"|"closed"} PeerState
 */

/**
 * - state: the connection's state has changed
 * - track: the other sends a track
 * - channel: the other has opened a data channel
 * - data: the other has sent something with `send`
 * - open: `send` goes straight to the other from now on
 * @typedef {{
 *   state: PeerState, track: {track: MediaStreamTrack, streams: readonly MediaStream[]},
 *   channel: RTCDataChannel, data: any, open: undefined,
 * }} PeerEvents
 */

/**
 * How a peer connection comes to be: we call, we answer a call, or both want it.
 * @typedef {"caller"|"callee"|"mesh"} Role
 */

const RETRY = 8_000; // ms between tries to mend a connection that has failed or does not come up

/** @extends {Emitter<PeerEvents>} */
export class Peer extends Emitter {
  /** @type {string} the other member's id */
  id;
  /** @type {Role} */
  role;
  /** @type {PeerState} */
  state = "connecting";

  #configuration;
  #send;
  /** Of two that offer at once, the polite one gives way: the one with the smaller id. */
  #polite;
  /** @type {RTCPeerConnection} */
  #pc = /** @type {any} */ (undefined);
  /** @type {RTCDataChannel|undefined} for `send` */
  #control;
  /** @type {Map<MediaStreamTrack, MediaStream>} what we send */
  #tracks = new Map();
  #makingOffer = false;
  #ignoreOffer = false;
  #settingAnswer = false;
  /** In a mesh the polite one lets the other make the first offer. */
  #described = false;
  /** Names the connection on the other side, as its descriptions do. */
  #session = "";
  /** @type {ReturnType<typeof setInterval>|undefined} runs while the connection is to come up or has failed */
  #mending;
  /** Messages are handled one after the other. */
  #queue = Promise.resolve();
  /** @type {{at: number, sent: number, received: number}|undefined} when the statistics were last read */
  #measured;

  /**
   * @param {{
   *   self: string, id: string, role: Role, configuration: RTCConfiguration,
   *   tracks: Map<MediaStreamTrack, MediaStream>, send: (message: Message) => void,
   * }} options
   */
  constructor({ self, id, role, configuration, tracks, send }) {
    super();
    this.id = id;
    this.role = role;
    this.#configuration = configuration;
    this.#send = send;
    this.#polite = self < id;
    this.#tracks = new Map(tracks);
    this.state = role === "caller" ? "ringing" : "connecting";
    this.#open(role === "caller" || role === "mesh" && !this.#polite);
    if (role !== "caller") this.#keepMending();
  }

  /**
   * Makes the connection.
   * @param {boolean} offering we make the first offer
   */
  #open(offering) {
    const pc = new RTCPeerConnection(this.#configuration);
    this.#pc = pc;
    this.#described = offering;
    pc.onnegotiationneeded = () => this.#offer();
    pc.onicecandidate = ({ candidate }) => this.#tell({ type: "candidate", candidate: candidate ? candidate.toJSON() : null });
    pc.ontrack = ({ track, streams }) => this.emit("track", { track, streams });
    pc.ondatachannel = ({ channel }) => this.emit("channel", channel);
    pc.onconnectionstatechange = () => this.#connectionChanged();
    this.#makingOffer = this.#ignoreOffer = this.#settingAnswer = false;
    this.#session = "";
    const control = pc.createDataChannel("parley", { negotiated: true, id: 0 });
    this.#control = control;
    control.onopen = () => this.emit("open", undefined);
    control.onmessage = ({ data }) => this.#data(data);
    for (const [track, stream] of this.#tracks) pc.addTrack(track, stream);
    if (offering) this.#askFor();
  }

  /** Asks for the other's picture and voice where we have none to offer ourselves. */
  #askFor() {
    for (const kind of ["audio", "video"]) {
      if (![...this.#tracks.keys()].some((track) => track.kind === kind)) this.#pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  /**
   * Takes the ICE servers of now, for the next time that a way is looked for.
   * @param {RTCConfiguration} configuration
   */
  configure(configuration) {
    this.#configuration = configuration;
    if (this.state === "closed") return;
    try {
      this.#pc.setConfiguration(configuration);
    } catch (error) {
      this.#warn(error);
    }
  }

  /** The connection itself, for what is not here. */
  get connection() { return this.#pc; }

  /** Whether `send` goes straight to the other. */
  get direct() { return this.#control?.readyState === "open"; }

  /**
   * Sends a track, from now on.
   * @param {MediaStreamTrack} track
   * @param {MediaStream} stream that it belongs to; the other gets one with the same id
   */
  addTrack(track, stream) {
    if (this.#tracks.has(track) || this.state === "closed") return;
    this.#tracks.set(track, stream);
    this.#pc.addTrack(track, stream);
  }

  /** @param {MediaStreamTrack} track that is no longer to be sent */
  removeTrack(track) {
    this.#tracks.delete(track);
    const sender = this.#sender(track);
    if (sender && this.state !== "closed") this.#pc.removeTrack(sender);
  }

  /**
   * Sends another track in the place of one, without asking the other.
   * @param {MediaStreamTrack} old
   * @param {MediaStreamTrack} track
   */
  async replaceTrack(old, track) {
    const stream = this.#tracks.get(old);
    const sender = this.#sender(old);
    if (!stream || !sender) return;
    this.#tracks.delete(old);
    this.#tracks.set(track, stream);
    await sender.replaceTrack(track);
  }

  /** @param {MediaStreamTrack} track */
  #sender(track) {
    return this.#pc.getSenders().find((sender) => sender.track === track);
  }

  /**
   * Sets how tracks of a kind are encoded, such as their `maxBitrate` (bits a second)
   * and `scaleResolutionDownBy`.
   * @param {"audio"|"video"} kind
   * @param {Partial<RTCRtpEncodingParameters>} encoding
   */
  async encode(kind, encoding) {
    for (const sender of this.#pc.getSenders()) {
      if (sender.track?.kind !== kind) continue;
      const parameters = sender.getParameters();
      if (!parameters.encodings?.length) continue; // not negotiated yet
      for (const e of parameters.encodings) Object.assign(e, encoding);
      await sender.setParameters(parameters).catch((error) => this.#warn(error));
    }
  }

  /**
   * Opens a data channel.
   * @param {string} label
   * @param {RTCDataChannelInit} [options]
   */
  channel(label, options) {
    return this.#pc.createDataChannel(label, options);
  }

  /**
   * Sends something that JSON can hold: straight to the other, or through the server
   * while there is no way.
   * @param {any} data
   */
  send(data) {
    if (this.direct) this.#control?.send(JSON.stringify(data));
    else this.#tell({ type: "message", data: { parley: "peer", data } });
  }

  /** @param {string} text */
  #data(text) {
    try {
      this.emit("data", JSON.parse(text));
    } catch (error) {
      this.#warn(error);
    }
  }

  /** Reads the connection's statistics. */
  async stats() {
    const summary = summarize(await this.#pc.getStats(), this.#measured);
    this.#measured = summary.measured;
    return summary.statistics;
  }

  /**
   * Takes an offer, an answer, a candidate or data from the other. Room calls it.
   * @param {Message} message
   */
  receive(message) {
    if (message.type === "message") {
      this.emit("data", message.data.data);
      return;
    }
    this.#queue = this.#queue.then(() => this.#handle(message)).catch((error) => this.#warn(error));
  }

  /** @param {unknown} error */
  #warn(error) {
    if (this.state !== "closed") console.warn("parley-client:", error);
  }

  /**
   * Makes the connection find a new way. An offer that stays without an answer,
   * since the other could not be reached, is made again.
   */
  restartIce() {
    if (this.state === "closed" || this.state === "ringing") return;
    this.#described = true;
    if (this.#pc.signalingState === "have-local-offer") this.#sendDescription();
    else if (this.#pc.localDescription) this.#pc.restartIce();
    else this.#offer();
  }

  /** Ends the connection on this side. Use `hangUp` of the room to tell the other too. */
  close() {
    if (this.state === "closed") return;
    clearInterval(this.#mending);
    this.#abandon();
    this.#setState("closed");
  }

  /** Lets go of the connection without hearing of it any more. */
  #abandon() {
    const pc = this.#pc;
    pc.onnegotiationneeded = pc.onicecandidate = pc.onconnectionstatechange = pc.ontrack = pc.ondatachannel = null;
    if (this.#control) this.#control.onopen = this.#control.onmessage = null;
    pc.close();
  }

  /**
   * Both have called at the same moment. The one with the smaller id answers in a new
   * connection: one that takes its own offer back while it gathers candidates may
   * never gather any more (seen in Chromium 156).
   */
  #giveWay() {
    this.#abandon();
    this.#open(false);
    this.#answered();
  }

  /** Tries again and again while the connection is not up: a candidate may have been lost. */
  #keepMending() {
    clearInterval(this.#mending);
    // Not both at the same moment.
    this.#mending = setInterval(() => this.restartIce(), this.#polite ? 1.6 * RETRY : RETRY);
  }

  /** @param {Message} message */
  #tell(message) {
    if (this.state !== "closed") this.#send(this.role === "mesh" ? { ...message, mesh: true } : message);
  }

  async #offer() {
    if (!this.#described) return;
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    } catch (error) {
      this.#warn(error);
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription() {
    const description = this.#pc.localDescription;
    if (description) this.#tell({ type: description.type, sdp: description.sdp });
  }

  /** @param {Message} message */
  async #handle(message) {
    if (this.state === "closed") return;
    if (message.type === "candidate") {
      try {
        await this.#pc.addIceCandidate(message.candidate ?? undefined);
      } catch (error) {
        if (!this.#ignoreOffer) throw error;
      }
      return;
    }
    await this.#describe(/** @type {"offer"|"answer"} */ (message.type), message.sdp);
  }

  /**
   * @param {"offer"|"answer"} type
   * @param {any} sdp the text, or an RTCSessionDescriptionInit
   */
  async #describe(type, sdp) {
    const text = typeof sdp === "string" ? sdp : String(sdp?.sdp ?? "");
    const session = /^o=\S* (\S+)/m.exec(text)?.[1] ?? "";
    if (this.#session && session !== this.#session) {
      // The other has made its connection anew: ours knows the old one's keys.
      this.#abandon();
      this.#open(type === "answer");
      if (type === "answer") return;
    }
    if (type === "offer" && this.state === "ringing" && this.#polite) this.#giveWay();
    const ready = !this.#makingOffer && (this.#pc.signalingState === "stable" || this.#settingAnswer);
    this.#ignoreOffer = type === "offer" && !ready && !this.#polite;
    if (this.#ignoreOffer) return;
    if (type === "answer" && this.#pc.signalingState === "stable") return;
    this.#settingAnswer = type === "answer";
    await this.#pc.setRemoteDescription({ type, sdp: text });
    this.#settingAnswer = false;
    this.#session = session;
    this.#described = true;
    if (this.state === "ringing") this.#answered();
    if (type === "offer") {
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    }
  }

  #answered() {
    this.#setState("connecting");
    this.#keepMending();
  }

  #connectionChanged() {
    switch (this.#pc.connectionState) {
      case "connected":
        clearInterval(this.#mending);
        this.#setState("connected");
        break;
      case "disconnected":
        this.#setState("interrupted");
        break;
      case "failed":
        this.#setState("failed");
        this.restartIce();
        this.#keepMending();
        break;
    }
  }

  /** @param {PeerState} state */
  #setState(state) {
    if (this.state === state || this.state === "closed") return;
    this.state = state;
    this.emit("state", state);
  }
}
