// What tests in Node play: the server, a WebRTC implementation, and devices.

/** Lets all that waits for promises go on. */
export const settle = async () => { for (let i = 0; i < 60; i++) await null; };

/** A server: `sockets` are the WebSockets that the module has opened, newest first. */
export function serve() {
  const sockets = [];
  class WebSocket {
    readyState = 0;
    sent = [];
    closed = false;
    constructor(url) {
      this.url = url;
      sockets.unshift(this);
    }
    send(text) {
      const message = JSON.parse(text);
      this.sent.push(message);
      this.onsent?.(message);
    }
    close() { this.closed = true; }
    say(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
    open() {
      this.readyState = 1;
      this.onopen?.();
    }
    end(code = 1006, reason = "") {
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
    /** Lets ann in, who has no other id, and others. */
    join(members = ["ann", "bob"], more) {
      if (!this.readyState) this.open();
      this.say({ type: "joined", room: "r", from: "ann", session: "s", ...more });
      this.say({ type: "room_members", room: "r", members });
    }
    refuse({ type, to, ref }, code) { this.say({ type: "error", code, error: "no", re: type, to, ref }); }
    of(type) { return this.sent.filter((message) => message.type === type); }
  }
  return { WebSocket, sockets };
}

let connections = 0;

/** An RTCPeerConnection whose descriptions have a session, a version, a ufrag and a fingerprint. */
export class Connection extends EventTarget {
  static all = [];
  signalingState = "stable";
  connectionState = "new";
  localDescription = null;
  remoteDescription = null;
  transceivers = [];
  candidates = [];
  #session = ++connections;
  #version = 0;
  #ufrag = 1;
  #restarting = false;
  #asked = false;

  constructor() {
    super();
    Connection.all.push(this);
  }

  get sdp() { return `v=0\r\no=- ${this.#session} ${++this.#version} IN IP4 0\r\na=ice-ufrag:${this.#session}u${this.#ufrag}\r\na=fingerprint:sha-256 F${this.#session}\r\n`; }
  async createOffer() {
    if (this.#restarting) this.#ufrag++;
    this.#restarting = false;
    return { type: "offer", sdp: this.sdp };
  }
  async createAnswer() { return { type: "answer", sdp: this.sdp }; }
  async setLocalDescription(description) {
    await null;
    this.localDescription = description;
    this.#turn(description.type === "offer" ? "have-local-offer" : "stable");
  }
  async setRemoteDescription(description) {
    await null;
    if (description.type === "offer" && this.remoteDescription && ufrag(description) !== ufrag(this.remoteDescription)) this.#ufrag++;
    this.remoteDescription = description;
    this.#turn(description.type === "offer" ? "have-remote-offer" : "stable");
  }
  #turn(state) {
    this.signalingState = state;
    if (state === "stable") this.#asked = false;
    this.#need();
  }
  #need() {
    if (!this.#restarting || this.signalingState !== "stable" || this.#asked) return;
    this.#asked = true;
    queueMicrotask(() => this.onnegotiationneeded?.());
  }
  restartIce() {
    this.#restarting = true;
    this.#need();
  }
  /** A candidate of ours is found, and stands in the description. */
  gather() { this.localDescription = { ...this.localDescription, sdp: `${this.localDescription.sdp}a=candidate:1\r\n` }; }
  turns(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  async addIceCandidate(candidate) { this.candidates.push(candidate.candidate); }
  addTrack(track) {
    const sender = { track, setStreams() {}, async replaceTrack(next) { this.track = next; } };
    this.transceivers.push({ sender, direction: "sendrecv", receiver: { track: { kind: track.kind } } });
    return sender;
  }
  removeTrack(sender) {
    sender.track = null;
    this.transceivers.find((each) => each.sender === sender).direction = "recvonly";
  }
  addTransceiver() {}
  getTransceivers() { return this.transceivers; }
  getSenders() { return []; }
  getReceivers() { return []; }
  async getStats() { return new Map(); }
  setConfiguration() {}
  createDataChannel(label) {
    return this.channel = Object.assign(new EventTarget(), { label, readyState: "connecting", bufferedAmount: 0, send() {} });
  }
  close() {
    this.signalingState = "closed";
    this.channel.readyState = "closed";
  }
}

export const ufrag = (description) => /ufrag:(\S+)/.exec(description?.sdp)?.[1];

/** A track of a device, or of the application. */
export class Track extends EventTarget {
  readyState = "live";
  enabled = true;
  constructor(kind) {
    super();
    this.kind = kind;
  }
  stop() { this.readyState = "ended"; }
}

/** Devices of which `opened` are the tracks; `refused` says what can't be had. */
export function devices(t) {
  const all = { opened: [], refused: () => false };
  globalThis.MediaStream = class {
    #tracks;
    constructor(tracks = []) { this.#tracks = new Set(tracks); }
    getTracks() { return [...this.#tracks]; }
    getVideoTracks() { return this.getTracks().filter(({ kind }) => kind === "video"); }
    addTrack(track) { this.#tracks.add(track); }
    removeTrack(track) { this.#tracks.delete(track); }
  };
  const mediaDevices = {
    async getUserMedia(constraints) {
      if (all.refused(constraints)) throw new DOMException("no", "NotAllowedError");
      const tracks = Object.keys(constraints).filter((kind) => constraints[kind]).map((kind) => new Track(kind));
      all.opened.push(...tracks);
      return new MediaStream(tracks);
    },
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { mediaDevices } });
  t.after(() => {
    delete globalThis.MediaStream;
    delete globalThis.navigator;
    if (before) Object.defineProperty(globalThis, "navigator", before);
  });
  return all;
}
