// @ts-check
// Camera, microphone, speaker and screen in the page's terms: what was chosen, what goes wrong and
// why. Opening and closing them is the client module's.

import { Local } from "./client/local.js";
import { Level } from "./level.js";
import { notice, redraw, state } from "./state.js";
import { keep, recallObject } from "./storage.js";
import { t } from "./words.js";

const CHOICES_KEY = "parley.devices";
/** How large a camera opens: for few, and for so many others that each sees it small. */
const LARGE = { width: { ideal: 1280 }, height: { ideal: 720 } }, SMALL = { width: { ideal: 640 }, height: { ideal: 360 } };
const SEVERAL = 3;
const RESUMES = 1_000; // ms in which what was interrupted goes on by itself

/** @typedef {"audioinput"|"videoinput"|"audiooutput"} DeviceKind */
/** @typedef {"audio"|"video"} Kind */
/** @typedef {{id: string, label: string, group: string}} Device */
/** @typedef {{audioinput?: string, videoinput?: string, audiooutput?: string, cameraOff?: boolean, blur?: boolean}} Choices */

export class Media {
  local = new Local();
  opening = false;
  /** @type {Choices} */
  choices = recallObject(CHOICES_KEY);
  /** @type {Record<DeviceKind, Device[]>} */
  devices = { audioinput: [], videoinput: [], audiooutput: [] };
  /** Devices that went away in use: they are taken again when they are back. */
  #missing = /** @type {Map<Kind, {id: string, group: string}>} */ (new Map());
  /** How large cameras were asked to be. */
  #sized = /** @type {WeakMap<MediaStreamTrack, typeof LARGE>} */ (new WeakMap());
  /** @type {MediaStreamTrack[]} those that are watched */
  #watched = [];
  #level = new Level();
  #sharing = false;
  /** What is being turned on or off, by whom last. */
  #turning = /** @type {Map<Kind, object>} */ (new Map());
  #looking = Promise.resolve(); // at the list of devices, one look after the other

  constructor() {
    navigator.mediaDevices?.addEventListener?.("devicechange", () => {
      this.#looking = this.#looking.then(() => this.#devicesChanged());
    });
    document.addEventListener("visibilitychange", () => this.#resume());
  }

  get stream() { return this.local.state.stream; }
  get screen() { return this.local.state.screen; }
  get muted() { return this.local.state.muted.audio; }
  get cameraOff() { return this.local.state.muted.video; }
  /** How loud it is at the microphone, from 0 to 1, also while that is muted. */
  get level() { return this.#level.now(); }
  /** There is no other way than to listen. */
  get insecure() { return !navigator.mediaDevices?.getUserMedia; }

  /** @param {Kind} kind */
  track(kind) {
    return this.stream?.getTracks().find((track) => track.kind === kind && track.readyState === "live");
  }

  /**
   * Opens what was chosen, or what of it can be had. A microphone that is muted stays so.
   * @param {Partial<Record<Kind, boolean>>} [off] what is off at first besides
   */
  async open(off = {}) {
    const former = this.local, local = this.local = new Local();
    former.close();
    local.on("change", () => this.#changed());
    await local.mute("audio", off.audio || former.state.muted.audio);
    if (off.video) this.choices = { ...this.choices, cameraOff: true };
    await local.mute("video", this.choices.cameraOff ?? false);
    await this.#publish();
  }

  async #publish() {
    if (!this.insecure) {
      this.opening = true;
      const { local } = this;
      await local.publish({ audio: this.#constraint("audioinput"), video: this.#constraint("videoinput") }).catch(() => {}); // the state tells
      await this.#openAllowed(local);
      if (local === this.local) this.opening = false;
      // The lobby shows what is wrong as long as it is; whoever has gone in meanwhile is told.
      if (local === this.local && state.phase !== "lobby" && state.phase !== "left" && this.problem) notice(this.problem, "error");
    }
    await this.#list();
  }

  /**
   * Opens what of the two is allowed where the browser has refused both at once.
   * @param {Local} local
   */
  async #openAllowed(local) {
    for (const [kind, name, list] of /** @type {const} */ ([["audio", "microphone", "audioinput"], ["video", "camera", "videoinput"]])) {
      if (local !== this.local || local.state.problems[kind]?.name !== "NotAllowedError") continue;
      const permission = await navigator.permissions?.query({ name: /** @type {PermissionName} */ (name) }).catch(() => undefined);
      if (permission?.state === "granted") await local.switchDevice(kind, this.#constraint(list)).catch(() => {}); // the state tells
    }
  }

  /** Lets go of everything. */
  close() {
    this.local.close();
    this.opening = false;
    this.#missing.clear();
    this.#level.of(undefined);
  }

  /** @param {"audioinput"|"videoinput"} kind */
  #constraint(kind) {
    const id = this.choices[kind];
    const chosen = id ? { deviceId: { ideal: id } } : {};
    if (kind === "audioinput") return { ...chosen, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    return { ...chosen, ...LARGE, ...("blur" in this.choices && { backgroundBlur: this.choices.blur }) };
  }

  /** Whether the camera, or the system for it, can blur what is behind. */
  get blurs() {
    const { backgroundBlur } = /** @type {{backgroundBlur?: boolean[]}} */ (this.track("video")?.getCapabilities?.() ?? {}); // the types of the DOM do not know it
    return [true, false].every((value) => backgroundBlur?.includes(value));
  }

  /**
   * Blurs what is behind, or does not, now and from now on.
   * @param {boolean} blur
   */
  blur(blur) {
    this.#keep({ blur });
    const track = this.track("video");
    if (track) this.#shape(track, this.#sized.get(track)).then(redraw, (error) => this.#tell("video", error));
  }

  /**
   * Has a camera that is open take what is chosen now.
   * @param {MediaStreamTrack} track
   * @param {typeof LARGE} [size]
   */
  #shape(track, size) { return track.applyConstraints({ ...this.#constraint("videoinput"), ...size }); }

  /**
   * Has the camera open as large as it is worth for so many others: a picture that is made small
   * for each of them costs a phone its battery.
   * @param {number} others
   * @returns {number} px of its shorter side
   */
  capture(others) {
    const track = this.track("video");
    if (!track) return LARGE.height.ideal;
    const size = others >= SEVERAL ? SMALL : LARGE, { width = 0, height = 0 } = track.getSettings();
    if (this.#sized.get(track) !== size) {
      this.#sized.set(track, size);
      if (size === SMALL || Math.min(width, height) <= SMALL.height.ideal) {
        this.#shape(track, size).then(redraw, () => {}); // it can't: each picture is made small
      }
    }
    return Math.min(width, height) || size.height.ideal;
  }

  /**
   * Why there is no picture or voice, in words; "" where nothing is wrong.
   * @returns {string}
   */
  get problem() {
    if (this.insecure) return `${t("media.insecure")} ${t("media.listen")}`;
    const { audio, video } = this.local.state.problems;
    if (!audio && !video) return "";
    if (audio && video && audio.name === video.name) return `${explain("both", audio)} ${t("media.listen")}`;
    const parts = [];
    if (audio) parts.push(explain("microphone", audio));
    if (video) parts.push(explain("camera", video));
    if (audio && video) parts.push(t("media.listen"));
    else if (video && this.track("audio")) parts.push(t("media.voice"));
    return parts.join(" ");
  }

  /** Tries again what could not be opened. */
  async retry() {
    if (this.cameraOff && !this.choices.cameraOff) await this.local.mute("video", false).catch(() => {}); // the state tells
    if (!this.stream) return this.#publish(); // where a visit has it already
    for (const kind of /** @type {Kind[]} */ (["audio", "video"])) {
      if (this.local.state.problems[kind]) await this.#take(kind, this.#chosen(kind));
    }
    await this.#list();
  }

  /**
   * Takes another device, now and from now on.
   * @param {DeviceKind} kind
   * @param {string} id
   */
  async choose(kind, id) {
    if (kind !== "audiooutput" && !await this.#take(kind === "audioinput" ? "audio" : "video", id)) return;
    this.#keep({ [kind]: id });
  }

  /** Takes the camera on the other side of a phone. */
  async flip() {
    const now = this.track("video")?.getSettings().facingMode;
    await this.#take("video", { facingMode: { ideal: now === "environment" ? "user" : "environment" }, deviceId: undefined });
  }

  /** Whether there is a camera on the other side. */
  get flips() { return this.devices.videoinput.length > 1 && navigator.maxTouchPoints > 0; }

  /**
   * @param {Kind} kind
   * @param {string|MediaTrackConstraints} device
   */
  async #take(kind, device) {
    try {
      const wanted = typeof device === "string" ? { deviceId: device ? { exact: device } : undefined, facingMode: undefined } : device;
      await this.local.switchDevice(kind, { ...this.#constraint(kind === "audio" ? "audioinput" : "videoinput"), ...wanted });
      // A camera that is off since it failed is wanted still.
      if (kind === "video" && this.cameraOff && !this.choices.cameraOff) await this.local.mute(kind, false);
      this.#missing.delete(kind);
      return true;
    } catch (error) {
      this.#tell(kind, error);
      return false;
    }
  }

  /**
   * Tells why a device can't be had, unless the lobby does already.
   * @param {Kind} kind
   * @param {unknown} error
   */
  #tell(kind, error) {
    if (/** @type {any} */ (error).code === "closed") return; // the meeting was left meanwhile
    const there = /lobby|refused/.test(state.phase) && !document.querySelector("dialog[open]") && this.local.state.problems[kind];
    if (!there) notice(explain(kind === "audio" ? "microphone" : "camera", /** @type {DOMException} */ (error)), "error");
  }

  /**
   * Whether others get nothing from a device. One that is being opened counts as on.
   * @param {Kind} kind
   */
  off(kind) { return this.local.state.muted[kind] || !this.track(kind) && !this.#opens(kind); }

  /** @param {Kind} kind */
  #opens(kind) { return this.opening || this.#turning.has(kind); }

  /**
   * Whether a device is not as it is wanted: it can't be had, or is interrupted.
   * @param {Kind} kind
   */
  broken(kind) {
    return Boolean(this.local.state.problems[kind]) || this.track(kind)?.muted === true || kind === "audio" && !this.track(kind) && !this.#opens(kind);
  }

  /**
   * Turns a device on that is off, and off that is on. One that could not be opened, or is
   * interrupted, is tried again.
   * @param {Kind} kind
   */
  toggle(kind) {
    const off = this.off(kind);
    if (this.insecure) notice(this.problem, "error");
    else if (!off && this.track(kind)?.muted) this.#reopen(kind);
    else this.turn(kind, off);
  }

  /**
   * @param {Kind} kind
   * @param {boolean} on
   */
  async turn(kind, on) {
    const { local } = this, turn = {};
    this.#turning.set(kind, turn);
    if (kind === "video") this.#keep({ cameraOff: !on });
    await local.mute(kind, !on).catch((error) => this.#tell(kind, error));
    // One that is lost is not opened by that.
    if (on && local === this.local && !local.state.muted[kind] && !this.track(kind) && !this.opening) await this.#take(kind, this.#chosen(kind));
    if (this.#turning.get(kind) === turn) this.#turning.delete(kind);
    redraw();
  }

  /**
   * @param {Kind} kind
   * @returns {string} the id of the device that was chosen, if it is there
   */
  #chosen(kind) {
    const list = kind === "audio" ? "audioinput" : "videoinput", { [list]: id } = this.choices;
    return this.devices[list].find((device) => device.id === id)?.id ?? "";
  }

  /**
   * Opens again what a phone call, or another program, has interrupted.
   * @param {Kind} kind
   */
  #reopen(kind) { return this.#take(kind, this.track(kind)?.getSettings().deviceId ?? this.#chosen(kind)); }

  /** Opens again what is interrupted still when somebody comes back to the page. */
  async #resume() {
    if (document.hidden) return;
    await new Promise((resolve) => { setTimeout(resolve, RESUMES); });
    for (const kind of /** @type {Kind[]} */ (["audio", "video"])) {
      if (!document.hidden && this.track(kind)?.muted) await this.#reopen(kind);
    }
  }

  /** Shares the screen, or stops. One picker at a time. */
  async share() {
    if (this.#sharing) return;
    this.#sharing = true;
    try {
      if (this.screen) (await this.local.shareScreen({})).stop();
      else await this.#shareScreen();
    } catch (error) {
      const { name, message, code } = /** @type {any} */ (error);
      // One that has left meanwhile, or has closed the picker, knows.
      if (code !== "closed" && (name !== "NotAllowedError" || /system/i.test(message))) {
        notice(name === "NotAllowedError" ? t("share.system") : t("share.failed", { error: message || name }), "error");
      }
    } finally {
      this.#sharing = false;
      redraw();
    }
  }

  async #shareScreen() {
    if (!navigator.mediaDevices?.getDisplayMedia) throw new Error(t("media.insecure"));
    const local = this.local, video = { frameRate: { max: 30 } };
    const { stream } = await local.shareScreen({ video, audio: true }).catch((error) => {
      if (error.name === "NotAllowedError" || error.code === "closed") throw error;
      return local.shareScreen({ video, audio: false }).then((shared) => {
        notice(t("share.noSound"));
        return shared;
      });
    });
    const [track] = stream.getVideoTracks();
    if (track) track.contentHint = "detail"; // text is to be sharp
  }

  /** @param {Choices} part */
  #keep(part) {
    this.choices = { ...this.choices, ...part };
    keep(CHOICES_KEY, JSON.stringify(this.choices));
    redraw();
  }

  #changed() {
    for (const track of this.stream?.getTracks() ?? []) {
      if (this.#watched.includes(track)) continue;
      this.#watched = [...this.#watched.filter((t) => t.readyState === "live"), track];
      track.addEventListener("ended", () => this.#ended(track));
    }
    this.#level.of(this.track("audio"));
    redraw();
  }

  /** @param {MediaStreamTrack} track of a device that is gone: the module takes another, if there is one */
  async #ended(track) {
    const kind = /** @type {Kind} */ (track.kind), local = this.local;
    if (!this.stream) return; // it was closed
    const { deviceId: id = "", groupId: group = "" } = track.getSettings();
    this.#missing.set(kind, { id, group });
    const device = t(kind === "audio" ? "device.microphone" : "device.camera");
    await local.mute(kind, local.state.muted[kind]).catch(() => {}); // after what the module does
    if (local !== this.local || !this.stream) return;
    const now = this.track(kind);
    if (now) notice(t("device.replaced", { device, label: now.label }));
    else notice(t("device.gone", { device }), "error");
    await this.#list();
  }

  async #devicesChanged() {
    await this.#list();
    for (const [kind, lost] of this.#missing) {
      const all = this.devices[kind === "audio" ? "audioinput" : "videoinput"], chosen = this.#chosen(kind);
      const back = all.find(({ id }) => id === chosen) ?? all.find(({ id, group }) => id === lost.id && group === lost.group);
      if (!back && (this.track(kind) || !all.length)) continue;
      if (await this.#take(kind, back?.id ?? "")) {
        notice(t("device.back", { device: t(kind === "audio" ? "device.microphone" : "device.camera"), label: this.track(kind)?.label ?? "" }));
      }
    }
  }

  async #list() {
    /** @type {Record<DeviceKind, Device[]>} */
    const found = { audioinput: [], videoinput: [], audiooutput: [] };
    const kinds = { audioinput: t("device.microphone"), videoinput: t("device.camera"), audiooutput: t("device.speaker") };
    for (const device of (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []) {
      const list = found[device.kind];
      if (device.deviceId) list.push({ id: device.deviceId, group: device.groupId, label: device.label || t("device.number", { kind: kinds[device.kind], n: list.length + 1 }) });
    }
    this.devices = found;
    redraw();
  }
}

/**
 * Says why a device was refused.
 * @param {"camera"|"microphone"|"both"} which
 * @param {DOMException} error
 */
function explain(which, error) {
  const device = t(`device.${which}`);
  switch (error.name) {
    case "NotAllowedError": return t("media.NotAllowedError", { device });
    case "SecurityError": return t("media.SecurityError", { device });
    case "NotFoundError": return t("media.NotFoundError", { device });
    case "NotReadableError": return t("media.NotReadableError", { device });
    case "AbortError": return t("media.AbortError", { device });
    case "OverconstrainedError": return t("media.OverconstrainedError", { device });
  }
  return t("media.other", { device, error: String(error.message || error.name) });
}
