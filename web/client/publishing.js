// @ts-check
// The media that we send to all peers of a room, those to come too.

import { Local } from "./local.js";
import { Membership } from "./membership.js";

/** @typedef {import("./peer.js").Peer} Peer */

/**
 * @template {Record<string, any>} Events
 * @template [Data=any]
 * @template [Meta=any]
 * @extends {Membership<Events, Data, Meta>}
 */
export class Publishing extends Membership {
  /** @type {Map<string, Peer>} by the id of the member; `getSnapshot` has it as a value */
  peers = new Map();
  /**
   * The tracks that all peers get.
   * @protected
   * @type {Map<MediaStreamTrack, MediaStream>}
   */
  tracks = new Map();
  /**
   * The data channels that all peers have.
   * @protected
   * @type {Map<string, RTCDataChannelInit>}
   */
  channels = new Map();
  #local;
  #given;
  #unwatch;

  /**
   * @param {string} url
   * @param {string} room
   * @param {import("./signaling.js").JoinOptions & {local?: Local}} options
   */
  constructor(url, room, options) {
    super(url, room, options);
    this.#given = options.local;
    this.#local = options.local ?? new Local();
    this.#local.attach(this);
    this.#unwatch = this.#local.on("change", () => this.changed());
  }

  /**
   * Called when something that the room shows is different.
   * @protected
   */
  changed() {}

  /**
   * Closes what `publish` and `shareScreen` have opened, or lets go of what was given.
   * @protected
   */
  unpublish() {
    this.closeOwn();
    this.#local.detach(this);
    this.#unwatch();
  }

  /**
   * Closes what was opened here, for good.
   * @protected
   */
  closeOwn() { if (!this.#given) this.#local.close(); }

  /** The media that we publish. */
  get local() { return this.#local.state; }

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
   * @param {string|MediaTrackConstraints} device its id, or what it is like
   */
  switchDevice(kind, device) { return this.#local.switchDevice(kind, device); }

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
    this.tracks.set(track, stream);
    return Promise.all([...this.peers.values()].map((peer) => peer.addTrack(track, stream)));
  }

  /** @param {MediaStreamTrack} track */
  removeTrack(track) {
    this.tracks.delete(track);
    for (const peer of this.peers.values()) peer.removeTrack(track);
  }

  /**
   * Sends another track in the place of one, without a new offer.
   * @param {MediaStreamTrack} old
   * @param {MediaStreamTrack} [track] none: nothing, until one of the kind is added to the stream
   */
  async replaceTrack(old, track) {
    const stream = this.tracks.get(old);
    if (!stream) return;
    this.tracks.delete(old);
    if (track) this.tracks.set(track, stream);
    await Promise.all([...this.peers.values()].map((peer) => peer.replaceTrack(old, track)));
  }

  /**
   * Declares a data channel that every peer has, those to come too: `peer.channels.get(label)`,
   * or the event `channel`. All sides declare the same.
   * @param {string} label
   * @param {RTCDataChannelInit & {id: number}} init id: from 1 on, the same on all sides
   */
  channel(label, init) {
    if (!(init?.id >= 1) || [...this.channels].some(([other, { id }]) => other !== label && id === init.id)) {
      throw new TypeError("a channel needs an id from 1 on that no other has");
    }
    this.channels.set(label, init);
    for (const peer of this.peers.values()) peer.declare(label, init);
  }
}
