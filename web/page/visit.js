// @ts-check
// A stay in a room: the calls in it, and what is shown of them.

import { Room } from "./client/room.js";
import { Conversation } from "./conversation.js";
import { Details } from "./details.js";
import { Emitter } from "./client/emitter.js";
import { openScreen } from "./media.js";
import { Meeting } from "./meeting.js";
import { t } from "./words.js";

/** @typedef {import("./client/index.js").Peer} Peer */
/** @typedef {import("./client/index.js").Incoming} Incoming */
/** @typedef {import("./media.js").Media} Media */
/** @typedef {import("./stage.js").Stage} Stage */

/**
 * - change: something that the page shows
 * - notice: something that people should hear of
 * - over: we are out of the room, and why, where it was not our wish
 * @extends {Emitter<{change: undefined, notice: string, over: import("./client/index.js").ParleyError, refused: import("./client/index.js").ParleyError}>}
 */
export class Visit extends Emitter {
  room;
  meeting;
  details;
  /** @type {Incoming|undefined} who calls */
  incoming;
  /** @type {MediaStream|undefined} our screen, while it is shared */
  screen;
  blocked = false; // the server answers HTTP, and WebSockets do not get through
  #failures = 0; // of connections in a row
  #media;
  #stage;
  #locked = false;
  /** @type {MediaStreamTrack|undefined} the camera that the screen stands in for */
  #replaced;
  #offs;

  /**
   * @param {{url: string, room: string, name: string, token: string, passcode: string, meet: boolean}} place
   * @param {Media} media
   * @param {Stage} stage
   */
  constructor({ url, room, name, token, passcode, meet }, media, stage) {
    super();
    this.#media = media;
    this.#stage = stage;
    this.room = new Room(url, room, { name, ...(token && { token }), ...(passcode && { passcode }) });
    this.meeting = new Meeting(this.room, media);
    this.details = new Details(this.room, this.meeting);
    new Conversation(this.room, this.meeting, (text) => this.emit("notice", text));
    for (const track of media.stream.getTracks()) this.room.addTrack(track, media.stream);
    this.#offs = [
      media.on("replaced", ({ old, track }) => this.#replace(old, track)),
      media.on("change", () => this.#tellMedia()),
    ];
    this.room.on("state", () => {
      if (this.room.state === "joined") this.blocked = false, this.#failures = 0;
      if (this.room.state === "waiting" && ++this.#failures > 1) this.#look();
      this.emit("change", undefined);
    });
    this.room.on("members", () => {
      if (this.room.locked !== this.#locked) this.emit("notice", t(this.room.locked ? "room.isLocked" : "room.isOpen"));
      this.#locked = this.room.locked;
      this.draw();
    });
    this.room.on("announcement", (data) => {
      if (typeof data?.text === "string") this.emit("notice", t("notice.server", { text: data.text }));
    });
    this.room.on("peer", () => this.draw());
    this.room.on("call", (call) => this.#called(call));
    this.room.on("uncall", (from) => this.#uncalled(from));
    this.room.on("gone", ({ peer, reason }) => {
      if (reason !== "renewed") this.emit("notice", t(`gone.${reason}`, { name: this.room.nameOf(peer.id) }));
      this.draw();
    });
    this.room.on("error", (error) => this.emit(error.final ? "over" : "refused", error));
    this.meeting.on("change", (id) => this.#drawOne(id));
    this.#tellMedia();
    if (meet) this.room.meet();
    this.room.open();
  }

  /** Sees whether it is only WebSockets that do not get through. */
  async #look() {
    const answer = await fetch(new URL("readyz", location.href), { cache: "no-store", signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    this.blocked = answer?.ok === true && this.room.state !== "joined";
    this.emit("change", undefined);
  }

  leave() {
    for (const off of this.#offs) off();
    this.room.leave();
    this.meeting.close();
    for (const track of this.screen?.getTracks() ?? []) track.stop();
    this.#stage.clear();
  }

  #tellMedia() {
    this.meeting.update({ muted: this.#media.muted || !this.#media.track("audio"), cameraOff: this.#media.cameraOff || !this.#media.track("video") });
  }

  /**
   * @param {MediaStreamTrack|undefined} old
   * @param {MediaStreamTrack|undefined} track
   */
  #replace(old, track) {
    if (this.#replaced && old === this.#replaced) {
      this.#replaced = track; // the screen goes on in its place
      return;
    }
    if (old && track) this.room.replaceTrack(old, track);
    else if (old) this.room.removeTrack(old);
    else if (track) this.room.addTrack(track, this.#media.stream);
  }

  /** @param {Incoming} call */
  #called(call) {
    if (this.incoming || !this.room.meeting && this.room.peers.size) {
      call.decline("busy");
      return;
    }
    this.incoming = call;
    this.emit("change", undefined);
  }

  /** @param {string} from */
  #uncalled(from) {
    if (this.incoming?.from !== from) return;
    this.incoming = undefined;
    this.emit("notice", t("gone.gaveUp", { name: this.room.nameOf(from) }));
    this.emit("change", undefined);
  }

  /** @param {boolean} take */
  answer(take) {
    const call = this.incoming;
    this.incoming = undefined;
    if (take) call?.accept();
    else call?.decline();
    this.emit("change", undefined);
  }

  /** @param {boolean} replace the camera's picture, rather than add to it */
  async share(replace) {
    const screen = await openScreen();
    const [track] = screen.getVideoTracks();
    const camera = this.#media.track("video");
    this.screen = screen;
    track.onended = () => this.unshare();
    if (replace && camera) {
      this.#replaced = camera;
      await this.room.replaceTrack(camera, track);
      this.meeting.update({ screen: this.#media.stream.id, cameraOff: false });
    } else {
      for (const each of screen.getTracks()) this.room.addTrack(each, screen);
      this.meeting.update({ screen: screen.id });
    }
    this.draw();
  }

  async unshare() {
    const screen = this.screen;
    if (!screen) return;
    this.screen = undefined;
    const [track] = screen.getVideoTracks();
    if (this.#replaced) {
      await this.room.replaceTrack(track, this.#replaced);
      this.#replaced = undefined;
    } else {
      for (const each of screen.getTracks()) this.room.removeTrack(each);
    }
    for (const each of screen.getTracks()) each.stop();
    this.meeting.update({ screen: "" });
    this.#tellMedia();
    this.draw();
  }

  /** Draws all tiles. */
  draw() {
    const wanted = new Set(this.#keys());
    for (const key of this.#stage.keys) if (!wanted.has(key)) this.#stage.remove(key);
    this.#drawOne(this.room.id);
    for (const id of this.room.peers.keys()) this.#drawOne(id);
    this.emit("change", undefined);
  }

  #keys() {
    const keys = ["self"];
    if (this.screen) keys.push("self screen");
    for (const [id, other] of this.meeting.others) {
      keys.push(id);
      if (other.screen && other.streams.size > 1) keys.push(`${id} screen`);
    }
    return keys;
  }

  /** @param {string} id of a member, or ours */
  #drawOne(id) {
    if (id === this.room.id || !id) this.#drawSelf();
    const peer = this.room.peers.get(id), other = this.meeting.others.get(id);
    if (!peer || !other) {
      if (this.#stage.keys.includes(id)) this.draw();
      return;
    }
    const name = this.room.nameOf(id);
    const screen = other.streams.size > 1 ? other.streams.get(other.screen) : undefined;
    const own = [...other.streams.values()].find((stream) => stream !== screen);
    const state = peer.state === "connected" || peer.state === "closed" ? "" : t(`tile.${peer.state}`);
    this.#stage.show(id, own, {
      name, muted: other.muted, cameraOff: other.cameraOff && other.screen === "", hand: other.hand, speaking: other.speaking,
      quality: peer.state === "connected" ? other.quality : "", state, screen: other.screen !== "" && !screen,
      ...(peer.role !== "mesh" && { hangUp: () => this.room.hangUp(peer) }),
    });
    if (screen) this.#stage.show(`${id} screen`, screen, { name: t("tile.screen", { name }), screen: true });
    else if (this.#stage.keys.includes(`${id} screen`)) this.#stage.remove(`${id} screen`);
    this.emit("change", undefined);
  }

  #drawSelf() {
    const { muted, cameraOff, hand } = this.meeting.self;
    this.#stage.show("self", this.#media.stream, { name: t("tile.you"), self: true, muted, cameraOff, hand, speaking: this.meeting.speaking });
    if (this.screen) this.#stage.show("self screen", this.screen, { name: t("tile.yourScreen"), self: true, screen: true });
    else if (this.#stage.keys.includes("self screen")) this.#stage.remove("self screen");
  }
}
