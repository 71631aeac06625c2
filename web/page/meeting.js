// @ts-check
// The messages between members of a call, such as raised hands, and how the
// pictures are fitted to what the connections carry.

/** @typedef {import("./client/parley.js").Peer} Peer */
/** @typedef {import("./client/parley.js").Room} Room */
/** @typedef {import("./client/parley.js").Statistics} Statistics */
/** @typedef {import("./media.js").Media} Media */

/**
 * The state of another in the call. hand: when it was raised, in ms since 1970, or 0. screen: the
 * id of the stream that is its screen, or "". change: the number of the change that it told last.
 * @typedef {{
 *   peer: Peer, change: number, muted: boolean, cameraOff: boolean, hand: number, screen: string, recording: boolean,
 *   speaking: boolean, quality: "good"|"fair"|"poor"|"", statistics?: Statistics,
 * }} Other
 */

/**
 * - change: something of one in the call, or who there is
 * - hand: a hand was raised; recording: somebody begins to record, or stops
 * - data: something else that a member has said to us
 * - channel: a data channel that a member has opened
 * @typedef {{
 *   change: () => void, hand: (id: string) => void, recording: (id: string, on: boolean) => void,
 *   open: (peer: Peer) => void, data: (id: string, data: any, peer?: Peer) => void, channel: (channel: RTCDataChannel, id: string) => void,
 *   unheard: () => void,
 * }} Told
 */

const STATISTICS_EVERY = 1000; // ms
const SPEAKING_EVERY = 100; // ms
const SPEAKING_HOLD = 800; // ms that one still counts as speaking after the last sound
const SPEAKING_LEVEL = 0.02; // of a receiver, from 0 to 1
const OWN_LEVEL = .45; // of the microphone, from 0 to 1
const RAISED = 5_000; // ms in which a hand that was raised is news
const UNHEARD = 5; // sounds in a row after which one who is muted seems to speak

/**
 * How a camera's picture is sent to each of so many others: bits a second, and how many px it has
 * at its shorter side. Together they stay below 2.5 Mbit/s; beside a screen, cameras get a third of
 * the bits and half the px.
 * @type {[most: number, bitrate: number, px: number][]}
 */
const FITS = [[1, 1_700_000, 720], [2, 900_000, 480], [4, 450_000, 360], [7, 250_000, 240], [Infinity, 150_000, 180]];
const SCREEN_BITRATE = 1_600_000; // bits a second, to all together
const VOICE_BITRATE = 40_000;

export class Meeting {
  /** @type {Map<string, Other>} */
  others = new Map();
  /** Our own state, as the others are told. */
  self = { muted: false, cameraOff: false, hand: 0, screen: "", recording: false };
  speaking = false;
  /** The last speaker; "": nobody. */
  speaker = "";

  #room;
  #media;
  #told;
  #timers;
  #loud = 0;
  #changes = 0; // of what the others are told
  #captured = 0; // px of the camera's shorter side, to which pictures are fitted
  /** @type {Map<string, number>} when each was last heard */
  #lastSound = new Map();

  /**
   * @param {Room} room
   * @param {Media} media
   * @param {Told} told
   */
  constructor(room, media, told) {
    this.#room = room;
    this.#media = media;
    this.#told = told;
    room.on("peer", (peer) => this.#welcome(peer));
    room.on("gone", ({ peer }) => {
      if (this.others.get(peer.id)?.peer !== peer) return; // it has a new connection already
      this.others.delete(peer.id);
      this.#fit();
      told.change();
    });
    room.on("message", ({ from, data }) => told.data(from, data));
    this.#timers = [setInterval(() => this.#measure(), STATISTICS_EVERY), setInterval(() => this.#listen(), SPEAKING_EVERY)];
  }

  close() {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** @param {Peer} peer */
  #welcome(peer) {
    /** @type {Other} */
    const other = { peer, change: 0, muted: false, cameraOff: false, hand: 0, screen: "", recording: false, speaking: false, quality: "" };
    this.others.set(peer.id, other);
    const { change } = this.#told;
    peer.on("track", ({ track }) => {
      track.onmute = track.onunmute = track.onended = change;
      change();
    });
    peer.on("streams", change);
    peer.on("data", (data) => this.#heard(other, data));
    peer.on("open", () => {
      this.#tell(peer);
      this.#told.open(peer);
    });
    peer.on("channel", (channel) => this.#told.channel(channel, peer.id));
    peer.on("state", (state) => {
      if (state === "connected") this.#fit();
      if (state === "connecting") this.#tell(peer);
      change();
    });
    this.#fit();
    change();
  }

  /**
   * @param {Other} other
   * @param {any} data
   */
  #heard(other, data) {
    const { id } = other.peer;
    if (!data?.state) {
      this.#told.data(id, data, other.peer);
      return;
    }
    const { muted, cameraOff, hand, screen, recording } = data.state, change = Number(data.change) || 0;
    // One that has waited for the server is older than what came straight.
    if (change < other.change) return;
    const before = { ...other }, age = Number(hand) || 0;
    Object.assign(other, {
      change, muted: !!muted, cameraOff: !!cameraOff, screen: String(screen ?? ""), recording: !!recording,
      hand: age > 0 ? other.hand || Date.now() - age : 0,
    });
    if (other.hand && !before.hand && age < RAISED) this.#told.hand(id);
    if (other.recording !== before.recording) this.#told.recording(id, other.recording);
    this.#told.change();
  }

  /** @param {Peer} peer */
  #tell(peer) {
    const { hand } = this.self;
    peer.send({ change: this.#changes, state: { ...this.self, hand: hand && Date.now() - hand + 1 } }).catch(() => {}); // gone, or told again when it opens
  }

  /**
   * Changes what the others are told of us.
   * @param {Partial<Meeting["self"]>} part
   */
  update(part) {
    const before = JSON.stringify(this.self);
    Object.assign(this.self, part);
    if (JSON.stringify(this.self) === before) return;
    this.#changes++;
    for (const peer of this.#room.peers.values()) if (peer.state !== "ringing") this.#tell(peer);
    this.#fit();
    this.#told.change();
  }

  /**
   * The ids of those who have raised a hand, in that order.
   * @returns {string[]}
   */
  get hands() {
    /** @type {[id: string, at: number][]} */
    const all = [[this.#room.id, this.self.hand], ...[...this.others].map(([id, { hand }]) => /** @type {[string, number]} */ ([id, hand]))];
    return all.filter(([, at]) => at).sort(([, a], [, b]) => a - b).map(([id]) => id);
  }

  /** Fits what we send to the number of those who get it: voices first, then a screen, then cameras. */
  #fit() {
    const n = this.#room.peers.size;
    const fit = FITS.find(([most]) => n <= most);
    if (!n || !fit) return;
    const [, bitrate, px] = fit, screen = this.#media.screen?.getVideoTracks()[0];
    this.#captured = this.#media.capture(n);
    const scale = Math.max(1, this.#captured / px);
    const camera = { maxBitrate: screen ? Math.round(bitrate / 3) : bitrate, scaleResolutionDownBy: screen ? 2 * scale : scale };
    for (const peer of this.#room.peers.values()) {
      peer.encode("audio", { maxBitrate: VOICE_BITRATE, priority: "high", networkPriority: "high" });
      if (screen) peer.encode(screen, { maxBitrate: Math.round(SCREEN_BITRATE / n), scaleResolutionDownBy: 1 });
      peer.encode("video", camera);
    }
  }

  async #measure() {
    if (this.#room.peers.size && this.#media.capture(this.#room.peers.size) !== this.#captured) this.#fit();
    for (const other of this.others.values()) {
      if (other.peer.state !== "connected") continue;
      other.statistics = await other.peer.stats().catch(() => undefined);
      const { roundTrip = 0, lost = 0, lostThere = 0, jitter = 0 } = other.statistics ?? {}, loss = Math.max(lost, lostThere);
      other.quality = roundTrip > 400 || loss > .08 || jitter > 100 ? "poor" : roundTrip > 200 || loss > .03 || jitter > 50 ? "fair" : "good";
    }
    this.#told.change();
  }

  #listen() {
    const loud = this.#media.level > OWN_LEVEL;
    this.#loud = loud && this.self.muted ? this.#loud + 1 : 0;
    if (this.#loud === UNHEARD && this.#media.track("audio")) this.#told.unheard();
    this.speaking = this.#hears(this.#room.id, this.speaking, loud && !this.self.muted);
    for (const other of this.others.values()) {
      const receivers = other.peer.connection.getReceivers().filter((r) => r.track.kind === "audio");
      const heard = !other.muted && receivers.some((r) => (r.getSynchronizationSources?.() ?? []).some((s) => (s.audioLevel ?? 0) > SPEAKING_LEVEL));
      other.speaking = this.#hears(other.peer.id, other.speaking, heard);
    }
  }

  /**
   * @param {string} id
   * @param {boolean} was
   * @param {boolean} loud
   * @returns {boolean} whether this one speaks
   */
  #hears(id, was, loud) {
    const now = Date.now();
    if (loud) this.#lastSound.set(id, now);
    const speaking = now - (this.#lastSound.get(id) ?? 0) < SPEAKING_HOLD;
    if (speaking !== was) {
      if (speaking && id !== this.#room.id && !this.others.get(this.speaker)?.speaking) this.speaker = id;
      this.#told.change();
    }
    return speaking;
  }
}
