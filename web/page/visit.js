// @ts-check
// A stay in a room: who is there, what they say, and the calls with them.

import { Chat } from "./chat.js";
import { Room } from "./client/parley.js";
import { size } from "./elements.js";
import { load } from "./load.js";
import { Meeting } from "./meeting.js";
import { play } from "./sounds.js";
import { change, notice, redraw, state } from "./state.js";
import { t } from "./words.js";

/** @typedef {import("./client/parley.js").Peer} Peer */
/** @typedef {import("./client/parley.js").Incoming} Incoming */
/** @typedef {import("./client/parley.js").ParleyError} ParleyError */
/** @typedef {import("./files.js").Transfer} Transfer */
/** @typedef {import("./media.js").Media} Media */

/**
 * - inside: we are in the room, the first time
 * - waits: there is no place or no server yet; with what the server said, if it did
 * - over: we are out of the room, not by our own wish
 * @typedef {{inside: () => void, waits: (error?: ParleyError) => void, over: (error: ParleyError) => void}} Ways
 */

/** Ids that the server has made tell people nothing. */
const MADE = /^[A-Z2-7]{26}$/;
/** Sentences of the server that pages say in their own language. @type {Record<string, import("./words.js").Key>} */
const SENTENCES = {
  "you were removed from this room a short while ago": "error.banned", "you may not join this room": "error.refused",
  "you may not join under this id": "error.invalid_id", "only a moderator can do this": "error.forbidden",
  "your token gives you no right to send this": "error.forbidden",
};
const MEETS = 3_000; // ms after which there are connections with those whom we meet
const MANY = 8; // members of a meeting from which on it gets too much for most

export class Visit {
  room;
  meeting;
  chat;
  /** @type {Incoming|undefined} who calls */
  incoming;
  /** @type {Transfer[]} */
  transfers = [];
  /** When we were let in, in ms since 1970; 0: not yet. */
  since = 0;
  /** The server answers HTTP, and WebSockets do not get through. */
  blocked = false;
  /** Messages to and from the server, for the details. */
  log = /** @type {{at: number, out: boolean, message: any}[]} */ ([]);
  #failures = 0; // of connections in a row
  #refused = false; // by the server, on this connection
  #names = /** @type {Map<string, string>} */ (new Map()); // that people had when they were here
  #media;
  #ways;
  #named;
  #locked = false;
  #warned = false;
  #ended = false;
  #seeks = false;
  #renewed = /** @type {Set<string>} */ (new Set()); // those who are about to have a new connection
  /** A new name is on its way; again: there were other names meanwhile. @type {""|"once"|"again"} */
  #renaming = "";

  /**
   * @param {{url: string, room: string, name: string, token: string, passcode: string, meet: boolean}} place
   * @param {Media} media
   * @param {Ways} ways
   */
  constructor({ url, room, name, token, passcode, meet }, media, ways) {
    this.#media = media;
    this.#ways = ways;
    this.#named = name !== "";
    this.room = new Room(url, room, { name, local: media.local, ...(token && { token, takeover: true }), ...(passcode && { passcode }) });
    this.chat = new Chat(this.room, (id) => this.nameOf(id), (line) => this.#said(line));
    this.meeting = new Meeting(this.room, media, {
      change: redraw,
      hand: (id) => {
        notice(t("notice.hand", { name: this.nameOf(id) }));
        play("hand");
      },
      recording: (id, on) => notice(t(on ? "notice.records" : "notice.recorded", { name: this.nameOf(id) })),
      open: (peer) => void this.chat.ask(peer),
      data: (id, data, peer) => this.chat.hear(id, data, peer),
      channel: (channel, id) => this.#channel(channel, id),
      unheard: () => notice(t("notice.muted")),
    });
    this.#listen();
    this.tellMedia();
    if (meet) this.room.meet();
    this.room.open();
  }

  #listen() {
    const { room } = this;
    room.on("state", () => this.#stateChanged());
    room.on("members", () => this.#membersChanged());
    room.on("announcement", (data) => {
      if (typeof data?.text === "string") notice(t("notice.server", { text: data.text }), "error");
    });
    room.on("call", (call) => this.#called(call));
    room.on("uncall", (from) => this.#uncalled(from));
    room.on("peer", (peer) => {
      if (this.incoming?.from === peer.id) this.incoming = undefined; // the call is taken, in whatever way
      const renewed = this.#renewed.delete(peer.id);
      if (this.since && Date.now() - this.since > 2000 && peer.role === "mesh" && !renewed) play("join");
      if (room.peers.size >= MANY && !this.#warned) notice(t("notice.many"));
      if (room.peers.size >= MANY) this.#warned = true;
    });
    room.on("gone", ({ peer, reason }) => {
      if (reason === "renewed") this.#renewed.add(peer.id);
      if (this.#ended || reason === "renewed") return;
      notice(t(`gone.${reason}`, { name: this.nameOf(peer.id) }));
      play("leave");
    });
    room.on("error", (error) => this.#failed(error));
    room.on("log", (entry) => {
      this.log.push(entry);
      if (this.log.length > 500) this.log.shift();
    });
  }

  leave() {
    this.#ended = true;
    for (const transfer of this.transfers) transfer.cancel();
    this.room.leave();
    this.meeting.close();
  }

  /** Whether we are alone with nobody, or call and are called. */
  get calling() { return [...this.room.peers.values()].filter((peer) => peer.state === "ringing"); }

  /**
   * The name that people see for a member: its nickname; never an id that the server has made. One that
   * has gone keeps the name that it had.
   * @param {string} id
   */
  nameOf(id) {
    const name = this.room.nameOf(id), at = this.room.members.indexOf(id);
    const label = MADE.test(name) ? t("people.guest", { n: 1 + Math.max(0, at) }) : name;
    if (at >= 0) this.#names.set(id, label);
    return this.#names.get(id) ?? label;
  }

  #stateChanged() {
    const { room } = this;
    if (room.state === "joined") {
      this.blocked = false;
      this.#failures = 0;
      if (!this.since) {
        this.since = Date.now();
        this.#ways.inside();
      }
    } else if (room.state === "connecting") {
      this.#refused = false;
    } else if (room.state === "waiting" && !this.#refused) {
      if (!this.since) this.#ways.waits();
      if (++this.#failures > 1) this.#look();
    }
    redraw();
  }

  /** Sees whether it is only WebSockets that do not get through. */
  async #look() {
    const answer = await fetch(new URL("readyz", location.href), { cache: "no-store", signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    if (this.#ended || this.#refused) return;
    this.blocked = answer?.ok === true && this.room.state !== "joined";
    if (this.blocked && !this.since) this.#ways.waits();
    redraw();
  }

  #membersChanged() {
    const { room } = this;
    if (room.locked !== this.#locked) notice(t(room.locked ? "room.isLocked" : "room.isOpen"));
    this.#locked = room.locked;
    if (!this.#named) this.#takeName();
    if (this.since && !this.#seeks) this.#seek();
    redraw();
  }

  /** Asks what was said before we came. Those whom we meet tell it straight, if they can. */
  #seek() {
    this.#seeks = true;
    setTimeout(() => { if (!this.#ended) this.chat.seek(); }, this.room.meeting ? MEETS : 0);
  }

  /** Without a name of our own we are a guest with a number that nobody else has. */
  #takeName() {
    const { room } = this, own = room.names[room.id];
    if (this.#renaming) {
      this.#renaming = "again";
      return;
    }
    const taken = room.members.some((id) => id < room.id && room.names[id] === own);
    if (own !== undefined && !taken) return; // the token has one, or ours is good
    const all = new Set(Object.values(room.names));
    let n = 1;
    while (all.has(t("people.guest", { n }))) n++;
    this.#renaming = "once";
    room.rename(t("people.guest", { n })).catch(() => { this.#named = true; }).finally(() => { // it may not be changed
      const again = this.#renaming === "again";
      this.#renaming = "";
      if (again && !this.#named && !this.#ended) this.#takeName();
    });
  }

  /** Tells the others what we show and say. */
  tellMedia() {
    const m = this.#media, audio = m.track("audio"), video = m.track("video");
    this.meeting.update({ muted: m.muted || !audio || audio.muted, cameraOff: m.cameraOff || !video || video.muted, screen: m.screen?.id ?? "" });
  }

  /** @param {import("./chat.js").Line} [line] that somebody has just written */
  #said(line) {
    if (line && (state.panel !== "chat" || document.hidden)) {
      notice(t("chat.new", { name: line.name, text: line.text }), "message");
      change({ unread: state.unread + 1 });
    }
    if (line) play("message");
    redraw();
  }

  /** @param {Incoming} call */
  #called(call) {
    if (this.incoming || !this.room.meeting && this.room.peers.size) {
      call.decline("busy");
      return;
    }
    this.incoming = call;
    redraw();
  }

  /** @param {string} from */
  #uncalled(from) {
    if (this.incoming?.from !== from) return;
    this.incoming = undefined;
    notice(t("gone.gaveUp", { name: this.nameOf(from) }));
  }

  /** @param {boolean} take */
  answer(take) {
    const call = this.incoming;
    this.incoming = undefined;
    if (take) call?.accept();
    else call?.decline();
    redraw();
  }

  /** @param {string} id of the member to call, or to hang up on */
  call(id) {
    const peer = this.room.peers.get(id);
    if (peer) this.room.hangUp(peer);
    else if (this.room.meeting || !this.room.peers.size) this.room.call(id);
    else notice(t("call.busy"));
    redraw();
  }

  /** Ends the calls with single members. */
  hangUp() {
    for (const peer of [...this.room.peers.values()]) if (peer.role !== "mesh") this.room.hangUp(peer);
  }

  /** @param {ParleyError} error */
  #failed(error) {
    const { re, code } = error;
    if (this.#ended || re === "rename" || re === "report" || re === "message" && code === "target_not_found") return; // one that has just gone
    if (error.final) this.#ways.over(error);
    else if (!this.since) this.#turnedAway(error);
    else if (code !== "unreachable") notice(sayRefusal(error), "error");
  }

  /** @param {ParleyError} error for which there is no place for us yet */
  #turnedAway(error) {
    this.#refused = error.code !== "unreachable";
    this.#ways.waits(error);
  }

  /**
   * @param {RTCDataChannel} channel
   * @param {string} id
   */
  #channel(channel, id) {
    if (channel.label !== "file") return;
    // Messages that come while the module loads are kept.
    /** @type {MessageEvent[]} */
    const early = [];
    channel.binaryType = "arraybuffer";
    channel.onmessage = (event) => early.push(event);
    load("files.js").then((/** @type {typeof import("./files.js")} */ { receiveFile }) => {
      if (channel.readyState !== "open") return; // the offer is taken back already
      receiveFile(channel, id, {
        offered: (transfer) => this.#offered(transfer, id), changed: redraw,
        large: (file, bytes) => notice(t("file.tooLargeHere", { name: this.nameOf(id), file, size: size(bytes) }), "error"),
      });
      for (const event of early) channel.onmessage?.(event);
    }, () => {
      channel.close();
      notice(t("load.failed"), "error");
    });
  }

  /**
   * @param {Transfer} transfer
   * @param {string} id
   */
  #offered(transfer, id) {
    this.transfers.push(transfer);
    if (state.panel !== "chat") {
      notice(t("file.offers", { name: this.nameOf(id), file: transfer.name }), "message");
      change({ unread: state.unread + 1 });
    }
    play("message");
    redraw();
  }

  /** @param {Iterable<File>} files to offer to all whom we are with */
  async offer(files) {
    const list = [...files];
    /** @type {typeof import("./files.js")|undefined} */
    const module = await load("files.js").catch(() => undefined);
    const peers = [...this.room.peers.values()].filter((peer) => peer.state === "connected"); // those of now
    if (!module) notice(t("load.failed"), "error");
    else if (!peers.length) notice(t("file.nobody"));
    else for (const file of list) this.transfers.push(module.offerFile(peers, file, redraw));
    redraw();
  }
}

/**
 * The text of a refusal for people.
 * @param {ParleyError} error
 */
export function sayRefusal({ code, message }) {
  const known = SENTENCES[message];
  if (known) return t(known);
  const sentence = message && message[0].toUpperCase() + message.slice(1) + (/[.!?…。]$/.test(message) ? "" : ".");
  if (code === "forbidden" && message) return sentence; // the application's own words
  return t.maybe(`error.${code}`) ?? t("error.other", { text: sentence });
}
