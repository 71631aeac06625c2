// @ts-check
// Makes calls: one RTCPeerConnection with one other member, by perfect
// negotiation. Knows messages and media, but not the page.

/** @typedef {import("./signaling.js").Message} Message */

/**
 * What a call tells its owner.
 * @typedef {{
 *   send: (message: Message) => void,
 *   stream: (stream: MediaStream) => void,
 *   state: (state: CallState) => void,
 * }} CallEvents
 */

/** @typedef {"ringing"|"connecting"|"connected"|"interrupted"|"failed"} CallState */

const RETRY = 8_000; // ms between tries to mend a call that has failed or does not come up

export class Call {
  /** @type {string} the other member's id */
  remote;
  /** @type {CallState} */
  state = "connecting";

  #pc;
  #events;
  #polite;
  #makingOffer = false;
  #ignoreOffer = false;
  #settingAnswer = false;
  #closed = false;
  /** @type {ReturnType<typeof setInterval>|undefined} runs while the call is to come up or has failed */
  #mending;
  /** Messages are handled one after the other. */
  #queue = Promise.resolve();

  /**
   * @param {string} self our id
   * @param {string} remote the other's
   * @param {RTCConfiguration} configuration
   * @param {MediaStream|undefined} media what we send; nothing: we only receive
   * @param {boolean} outgoing we call; else we answer
   * @param {CallEvents} events
   */
  constructor(self, remote, configuration, media, outgoing, events) {
    this.remote = remote;
    this.#events = events;
    // Of two that offer at once the one with the smaller id gives way.
    this.#polite = self < remote;
    this.#pc = new RTCPeerConnection(configuration);
    this.#pc.onnegotiationneeded = () => this.#offer();
    this.#pc.onicecandidate = ({ candidate }) => {
      this.#send({ type: "candidate", candidate: candidate ? candidate.toJSON() : null });
    };
    this.#pc.ontrack = ({ streams, track }) => this.#events.stream(streams[0] ?? new MediaStream([track]));
    this.#pc.onconnectionstatechange = () => this.#connectionChanged();
    for (const track of media?.getTracks() ?? []) this.#pc.addTrack(track, /** @type {MediaStream} */ (media));
    if (outgoing) this.#askFor(media);
    this.state = outgoing ? "ringing" : "connecting";
    if (!outgoing) this.#keepMending();
  }

  /** Tries again and again while the call is not up: a candidate may have been lost. */
  #keepMending() {
    clearInterval(this.#mending);
    // Not both at the same moment.
    this.#mending = setInterval(() => this.mend(), this.#polite ? 1.6 * RETRY : RETRY);
  }

  /**
   * Asks for the other's picture and voice where we have none to offer ourselves.
   * @param {MediaStream|undefined} media
   */
  #askFor(media) {
    if (!media?.getVideoTracks().length) this.#pc.addTransceiver("video", { direction: "recvonly" });
    if (!media?.getAudioTracks().length) this.#pc.addTransceiver("audio", { direction: "recvonly" });
  }

  /**
   * Takes an offer, an answer or a candidate from the other.
   * @param {Message} message
   */
  receive(message) {
    this.#queue = this.#queue.then(() => this.#handle(message)).catch((error) => {
      if (!this.#closed) console.warn("call:", error);
    });
  }

  /**
   * Makes the connection find a new way. An offer that stays without an answer,
   * since the other could not be reached, is made again.
   */
  mend() {
    if (this.#closed || this.state === "ringing") return;
    if (this.#pc.signalingState === "have-local-offer") this.#sendDescription();
    else this.#pc.restartIce();
  }

  /** Ends the call on this side; the other is told by whoever owns the call. */
  close() {
    this.#closed = true;
    clearInterval(this.#mending);
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }

  /** @param {Message} message */
  #send(message) {
    if (!this.#closed) this.#events.send({ ...message, to: this.remote });
  }

  async #offer() {
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    } catch (error) {
      if (!this.#closed) console.warn("call:", error);
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription() {
    const description = this.#pc.localDescription;
    if (description) this.#send({ type: description.type, sdp: description.sdp });
  }

  /** @param {Message} message */
  async #handle(message) {
    if (this.#closed) return;
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
    const ready = !this.#makingOffer && (this.#pc.signalingState === "stable" || this.#settingAnswer);
    this.#ignoreOffer = type === "offer" && !ready && !this.#polite;
    if (this.#ignoreOffer) return;
    if (type === "answer" && this.#pc.signalingState === "stable") return;
    this.#settingAnswer = type === "answer";
    await this.#pc.setRemoteDescription({ type, sdp: typeof sdp === "string" ? sdp : sdp?.sdp });
    this.#settingAnswer = false;
    if (this.state === "ringing") {
      this.#setState("connecting");
      this.#keepMending();
    }
    if (type === "offer") {
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    }
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
        this.mend();
        this.#keepMending();
        break;
    }
  }

  /** @param {CallState} state */
  #setState(state) {
    if (this.state === state || this.#closed) return;
    this.state = state;
    this.#events.state(state);
  }
}
