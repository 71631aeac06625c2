// @ts-check
// What one connection sends: tracks that come and go on lines that are used again, and how
// each is encoded.

/** @typedef {Partial<RTCRtpEncodingParameters>} Encoding */

export class Senders {
  #pc;
  /** @type {Map<MediaStreamTrack, MediaStream>} */
  #tracks = new Map();
  /** @type {Map<MediaStreamTrack|string, Encoding>} by track or kind, kept for senders to come */
  #encodings = new Map();

  /** @param {RTCPeerConnection} pc */
  constructor(pc) {
    this.#pc = pc;
  }

  /**
   * @param {MediaStreamTrack} track
   * @param {MediaStream} stream that it belongs to; the other side gets one with the same id
   */
  add(track, stream) {
    if (this.#tracks.has(track)) return;
    this.#tracks.set(track, stream);
    // A line that has sent before is not taken by addTrack again: descriptions would grow.
    const idle = this.#pc.getTransceivers().find(({ sender, direction, receiver }) =>
      !sender.track && receiver.track.kind === track.kind && /^(inactive|recvonly)$/.test(direction) && "setStreams" in sender);
    if (!idle) {
      this.#pc.addTrack(track, stream);
      return;
    }
    idle.sender.setStreams(stream);
    idle.direction = idle.direction === "recvonly" ? "sendrecv" : "sendonly";
    idle.sender.replaceTrack(track).catch(() => {}); // the connection has ended
  }

  /** @param {MediaStreamTrack} track */
  remove(track) {
    this.#tracks.delete(track);
    this.#encodings.delete(track);
    const sender = this.#sender(track);
    if (sender) this.#pc.removeTrack(sender);
  }

  /**
   * @param {MediaStreamTrack} old
   * @param {MediaStreamTrack} track
   */
  async replace(old, track) {
    const stream = this.#tracks.get(old), sender = this.#sender(old), encoding = this.#encodings.get(old);
    if (!stream || !sender) return;
    this.#tracks.delete(old);
    this.#tracks.set(track, stream);
    if (encoding) this.#encodings.set(track, encoding);
    this.#encodings.delete(old);
    await sender.replaceTrack(track);
  }

  /** Asks for the other side's picture and voice where there is none of ours. */
  ask() {
    for (const kind of ["audio", "video"]) {
      if (![...this.#tracks.keys()].some((track) => track.kind === kind)) this.#pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  /**
   * @param {MediaStreamTrack|"audio"|"video"} what
   * @param {Encoding} encoding
   */
  encode(what, encoding) { this.#encodings.set(what, { ...this.#encodings.get(what), ...encoding }); }

  /** Puts the encodings into effect, on the senders that are negotiated. */
  async apply() {
    for (const sender of this.#pc.getSenders()) {
      const { track } = sender;
      const want = track && { ...this.#encodings.get(track.kind), ...this.#encodings.get(track) };
      const parameters = sender.getParameters();
      if (!want || !parameters.encodings?.length) continue;
      const changed = parameters.encodings.some((have) => Object.entries(want).some(([key, value]) => /** @type {any} */ (have)[key] !== value));
      if (!changed) continue;
      for (const encoding of parameters.encodings) Object.assign(encoding, want);
      await sender.setParameters(parameters);
    }
  }

  /** @param {MediaStreamTrack} track */
  #sender(track) { return this.#pc.getSenders().find((sender) => sender.track === track); }
}
