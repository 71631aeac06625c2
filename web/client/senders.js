// @ts-check
// The senders of one connection: tracks that come and go on lines that are used again, and how
// each is encoded.

/** @typedef {Partial<RTCRtpEncodingParameters>} Encoding */
/** @typedef {{sender: RTCRtpSender, stream: MediaStream, kind: string}} Line */

export class Senders {
  #pc;
  /** @type {Map<MediaStreamTrack, Line>} what sends each track */
  #lines = new Map();
  /** @type {Set<Line>} those whose track is away for a while */
  #paused = new Set();
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
    if (this.#lines.has(track)) return undefined;
    const { kind } = track, paused = [...this.#paused].find((line) => line.stream === stream && line.kind === kind);
    // A line that has sent before is not taken by addTrack again: descriptions would grow.
    const idle = !paused && this.#pc.getTransceivers().find(({ sender, direction, receiver }) =>
      !sender.track && receiver.track.kind === kind && /^(inactive|recvonly)$/.test(direction) && "setStreams" in sender);
    const { sender } = paused || idle || { sender: this.#pc.addTrack(track, stream) }, line = paused || { sender, stream, kind };
    this.#lines.set(track, line);
    this.#paused.delete(line);
    if (idle) {
      sender.setStreams(stream);
      idle.direction = idle.direction === "recvonly" ? "sendrecv" : "sendonly";
    }
    return sender.replaceTrack(track).catch(() => {}); // the connection has ended
  }

  /** @param {MediaStreamTrack} track */
  remove(track) {
    const line = this.#lines.get(track);
    this.#lines.delete(track);
    this.#encodings.delete(track);
    if (line) this.#pc.removeTrack(line.sender);
  }

  /**
   * @param {MediaStreamTrack} old
   * @param {MediaStreamTrack} [track] none: nothing is sent until one of the kind is added to the stream
   */
  async replace(old, track) {
    const line = this.#lines.get(old);
    if (!line) return;
    this.#lines.delete(old);
    if (track) {
      this.#lines.set(track, line);
      this.encode(track, this.#encodings.get(old) ?? {});
    } else this.#paused.add(line);
    this.#encodings.delete(old);
    await line.sender.replaceTrack(track ?? null);
  }

  /** Asks for the other side's picture and voice where there is none of ours. */
  ask() {
    for (const kind of ["audio", "video"]) {
      if (![...this.#lines.keys()].some((track) => track.kind === kind)) this.#pc.addTransceiver(kind, { direction: "recvonly" });
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
}
