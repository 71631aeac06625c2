// @ts-check
// Our own media: camera, microphone and screen, opened and closed as they are turned on
// and off, and sent to all peers of a room.

import { Emitter } from "./emitter.js";
import { ParleyError } from "./errors.js";

/** @typedef {"audio"|"video"} Kind */
/**
 * problems: why a device that is wanted is not open
 * @typedef {{
 *   stream?: MediaStream, screen?: MediaStream, muted: Readonly<Record<Kind, boolean>>,
 *   problems: Readonly<Partial<Record<Kind, DOMException>>>,
 * }} LocalState
 */

/**
 * @typedef {{
 *   addTrack: (track: MediaStreamTrack, stream: MediaStream) => any, removeTrack: (track: MediaStreamTrack) => void,
 *   replaceTrack: (old: MediaStreamTrack, track?: MediaStreamTrack) => Promise<void>,
 * }} Outlet what takes the tracks; a track replaced by none comes back with `addTrack`
 */

/**
 * Devices before there is a room, such as for a preview: give it to the room as `local`. Whoever
 * has made it closes it. `change` tells of a new state.
 * @extends {Emitter<{change: LocalState}>}
 */
export class Local extends Emitter {
  /** @type {LocalState} a new object when it changes */
  state = { muted: { audio: false, video: false }, problems: {} };
  /** @type {Outlet|undefined} */
  #outlet;
  /** @type {Partial<Record<Kind, any>>} how each device that we opened ourselves is opened */
  #constraints = {};
  #own = /** @type {WeakSet<MediaStreamTrack>} */ (new WeakSet()); // tracks that we opened: we stop them too
  #queue = Promise.resolve();
  #closed = false;
  /** @type {Promise<{stream: MediaStream, stop: () => void}>|undefined} */
  #sharing;

  /**
   * Sends what there is, and what comes, through an outlet in place of the one before. Room calls it.
   * @param {Outlet} outlet
   */
  attach(outlet) {
    this.#outlet = outlet;
    for (const stream of [this.state.stream, this.state.screen]) {
      for (const track of stream?.getTracks() ?? []) outlet.addTrack(track, /** @type {MediaStream} */ (stream));
    }
  }

  /** @param {Outlet} outlet that is to get no more, unless another has taken its place */
  detach(outlet) { if (this.#outlet === outlet) this.#outlet = undefined; }

  /**
   * Sends camera and microphone, or a stream, in place of what was published before. Where only
   * one of the two can be had, it goes alone, and `problems` tells why the other does not. A
   * given stream stays as it is, and its tracks are not stopped.
   * @param {MediaStream|MediaStreamConstraints} what
   * @returns {Promise<MediaStream>} what is sent: the same one each time
   */
  publish(what) {
    return this.#next(async () => {
      const given = "getTracks" in what, constraints = given ? {} : { audio: what.audio, video: what.video };
      const tracks = (given ? what : await this.#capture(constraints)).getTracks();
      this.#check();
      for (const track of this.state.stream?.getTracks() ?? []) {
        if (tracks.includes(track)) continue;
        this.#outlet?.removeTrack(track);
        this.#drop(track);
      }
      this.#constraints = constraints;
      const { stream = new MediaStream() } = this.state;
      this.#set({ stream });
      for (const track of tracks) if (!stream.getTracks().includes(track)) this.#add(track);
      return stream;
    });
  }

  /**
   * Opens what is wanted and not turned off: both at once, else what of it can be had.
   * @param {Partial<Record<Kind, any>>} constraints
   */
  async #capture(constraints) {
    const wanted = /** @type {Kind[]} */ (["audio", "video"]).filter((kind) => constraints[kind] && !(kind === "video" && this.state.muted.video));
    const stream = new MediaStream();
    this.#set({ problems: {} });
    if (!wanted.length) return stream;
    try {
      return await this.#ask(Object.fromEntries(wanted.map((kind) => [kind, constraints[kind]])));
    } catch (error) {
      this.#check();
      for (const kind of wanted) {
        // Somebody who has just said no is not asked again.
        if (wanted[1] && /** @type {any} */ (error).name !== "NotAllowedError") await this.#open(kind, constraints).then((track) => stream.addTrack(track), () => {});
        else this.#put("problems", kind, error);
      }
      if (!stream.getTracks().length) throw error;
      return stream;
    }
  }

  /** @param {MediaStreamConstraints} constraints */
  async #ask(constraints) {
    this.#check(); // what has waited until now is of no use after the end
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    for (const track of stream.getTracks()) this.#own.add(track);
    this.#check(stream);
    return stream;
  }

  /**
   * Silences the microphone, or turns the camera off, at once: a camera that `publish` has opened
   * is closed, and opened again when it is turned on, without a new offer. One that can't be opened
   * stays off, and the promise is rejected.
   * @param {Kind} kind
   * @param {boolean} muted
   */
  mute(kind, muted) {
    this.#put("muted", kind, muted);
    const now = this.#track(kind);
    if (now) now.enabled = !muted;
    return this.#next(async () => {
      const track = this.#track(kind);
      if (kind === "audio" || !this.#constraints.video || this.state.muted.video === !track) return;
      if (track) this.#drop(track);
      else this.#add(await this.#open(kind).catch((error) => { this.#put("muted", kind, true); throw error; }));
    });
  }

  /**
   * Takes another device. Where it can't be had, the one before is taken again, and the promise
   * rejected.
   * @param {Kind} kind
   * @param {string|MediaTrackConstraints} device its id, where "" is the default, or what it is like
   */
  switchDevice(kind, device) {
    return this.#next(async () => {
      const before = this.#constraints[kind];
      const wanted = typeof device === "string" ? { deviceId: device ? { exact: device } : undefined, facingMode: undefined } : device;
      this.#constraints[kind] = { .../** @type {any} */ (before), ...wanted };
      if (kind === "video" && this.state.muted.video) return;
      const old = this.#track(kind);
      if (old) this.#end(old); // some systems open a camera only once
      let failure;
      const track = await this.#open(kind).catch((error) => {
        failure = error;
        this.#constraints[kind] = before;
        return before && this.#open(kind).catch(() => {});
      });
      if (old && (track || this.#own.has(old))) this.#drop(old); // the next goes on in its line
      if (track) await this.#add(track);
      if (failure) throw failure;
    });
  }

  /**
   * Sends the screen, with its sound where there is one, until it is stopped here or in the
   * browser. While it is, the same is returned again.
   * @param {DisplayMediaStreamOptions} options
   */
  shareScreen(options) {
    return this.#sharing ??= this.#share(options).catch((error) => {
      this.#sharing = undefined;
      throw error;
    });
  }

  /** @param {DisplayMediaStreamOptions} options */
  async #share(options) {
    const stream = await navigator.mediaDevices.getDisplayMedia(options);
    this.#check(stream);
    const end = () => {
      if (this.state.screen !== stream) return;
      for (const track of stream.getTracks()) this.#outlet?.removeTrack(track);
      stop(stream);
      this.#sharing = undefined;
      this.#set({ screen: undefined });
    };
    for (const track of stream.getTracks()) this.#outlet?.addTrack(track, stream);
    stream.getVideoTracks()[0]?.addEventListener("ended", end);
    this.#set({ screen: stream });
    return { stream, stop: end };
  }

  /** Closes what was opened here. */
  close() {
    this.#closed = true;
    stop(this.state.screen);
    for (const track of this.state.stream?.getTracks() ?? []) this.#end(track);
    this.#set({ stream: undefined, screen: undefined });
  }

  /**
   * Does one thing after the other.
   * @template T
   * @param {() => Promise<T>} step
   * @returns {Promise<T>}
   */
  #next(step) {
    const done = this.#queue.then(step);
    this.#queue = done.then(() => {}, () => {});
    return done;
  }

  /** @param {MediaStream} [stream] that nobody is to have after the end */
  #check(stream) {
    if (!this.#closed) return;
    stop(stream);
    throw new ParleyError("closed", "the room was left");
  }

  /** @param {Kind} kind */
  #track(kind) { return this.state.stream?.getTracks().find((track) => track.kind === kind); }

  /**
   * @param {Kind} kind
   * @param {Partial<Record<Kind, any>>} [constraints]
   */
  async #open(kind, constraints = this.#constraints) {
    const stream = await this.#ask({ [kind]: constraints[kind] }).catch((error) => {
      this.#check();
      this.#put("problems", kind, error);
      throw error;
    });
    this.#put("problems", kind);
    return stream.getTracks()[0];
  }

  /**
   * @param {"muted"|"problems"} what
   * @param {Kind} kind
   * @param {unknown} [value] none: there is no problem
   */
  #put(what, kind, value) { this.#set({ [what]: { ...this.state[what], [kind]: value } }); }

  /** @param {MediaStreamTrack} track */
  #add(track) {
    const { stream = new MediaStream() } = this.state;
    stream.addTrack(track); // once
    this.#watch(track);
    const sent = this.#outlet?.addTrack(track, stream);
    this.#set({ stream });
    return sent;
  }

  /** @param {MediaStreamTrack} track */
  #drop(track) {
    this.state.stream?.removeTrack(track);
    this.#outlet?.replaceTrack(track).catch(() => {}); // the connection has ended
    this.#end(track);
    this.#set({});
  }

  /** @param {MediaStreamTrack} track that is not sent any more */
  #end(track) { if (this.#own.has(track)) track.stop(); }

  /**
   * Takes care of a track, before it is sent: it is silent while its kind is muted.
   * A device that is pulled out ends its track: the default one takes its place, if there is one.
   * An interruption leaves it as it is.
   * @param {MediaStreamTrack} track
   */
  #watch(track) {
    const kind = /** @type {Kind} */ (track.kind);
    track.enabled = !this.state.muted[kind];
    for (const event of ["mute", "unmute"]) track.addEventListener(event, () => this.#set({})); // interrupted, such as by a phone call
    track.addEventListener("ended", () => {
      if (this.#track(kind) !== track) return;
      if (this.#own.has(track)) this.switchDevice(kind, "").catch(() => {}); // the state tells
      else this.#drop(track);
    });
  }

  /** @param {Partial<LocalState>} change */
  #set(change) {
    this.state = Object.freeze({ ...this.state, ...change });
    this.emit("change", this.state);
  }
}

/** @param {MediaStream} [stream] */
function stop(stream) { for (const track of stream?.getTracks() ?? []) track.stop(); }
