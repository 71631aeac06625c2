// @ts-check
// Camera, microphone, speaker and screen: which there are, what they give, and why
// they do not.

import { Emitter } from "./client/emitter.js";
import { t } from "./words.js";

const CHOICES_KEY = "parley.devices";

/** @typedef {"audioinput"|"videoinput"|"audiooutput"} DeviceKind */
/** @typedef {{audioinput?: string, videoinput?: string, audiooutput?: string}} Choices "": none */

/** @extends {Emitter<{change: undefined, replaced: {old: MediaStreamTrack|undefined, track: MediaStreamTrack|undefined, kind: string}}>} */
export class Media extends Emitter {
  /** What we show and say; its tracks change with the devices. */
  stream = new MediaStream();
  /** Why there is no picture or voice, in words; "" where nothing is wrong. */
  problem = "";
  muted = false;
  cameraOff = false;
  /** @type {Choices} */
  choices = JSON.parse(localStorage.getItem(CHOICES_KEY) ?? "{}");
  /** @type {AnalyserNode|undefined} */
  #analyser;
  /** @type {AudioContext|undefined} */
  #context;

  /** @param {"audio"|"video"} kind */
  track(kind) {
    return this.stream.getTracks().find((track) => track.kind === kind);
  }

  /** Opens what is chosen: both, or what of it can be had. */
  async open() {
    this.close();
    this.problem = "";
    if (!navigator.mediaDevices?.getUserMedia) {
      this.problem = `${t("media.insecure")} ${t("media.listen")}`;
      this.emit("change", undefined);
      return;
    }
    const audio = this.#constraint("audioinput"), video = this.#constraint("videoinput");
    let got = await this.#get(audio, video);
    if (!got && audio && video) {
      const why = this.problem;
      got = await this.#get(audio, false);
      this.problem = got ? `${why} ${t("media.voice")}` : `${why} ${t("media.listen")}`;
    }
    for (const track of got?.getTracks() ?? []) this.#add(track);
    this.#apply();
    this.emit("change", undefined);
  }

  /** @param {"audioinput"|"videoinput"} kind */
  #constraint(kind) {
    const id = this.choices[kind];
    if (id === "") return false;
    const chosen = id ? { deviceId: { ideal: id } } : {};
    if (kind === "audioinput") return { ...chosen, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    return { ...chosen, width: { ideal: 1280 }, height: { ideal: 720 } };
  }

  /**
   * @param {MediaTrackConstraints|boolean} audio
   * @param {MediaTrackConstraints|boolean} video
   */
  async #get(audio, video) {
    if (!audio && !video) return undefined;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio, video });
      this.problem = "";
      return stream;
    } catch (error) {
      this.problem = explain(/** @type {DOMException} */ (error));
      return undefined;
    }
  }

  /** @param {MediaStreamTrack} track */
  #add(track) {
    this.stream.addTrack(track);
    // A device that is pulled out ends its track.
    track.onended = () => {
      this.stream.removeTrack(track);
      this.emit("replaced", { old: track, track: undefined, kind: track.kind });
      this.emit("change", undefined);
    };
    if (track.kind === "audio") this.#listen();
  }

  /**
   * Takes another device, now and from now on.
   * @param {DeviceKind} kind
   * @param {string} id "": none
   */
  async choose(kind, id) {
    this.choices = { ...this.choices, [kind]: id };
    localStorage.setItem(CHOICES_KEY, JSON.stringify(this.choices));
    if (kind === "audiooutput") {
      this.emit("change", undefined);
      return;
    }
    const media = kind === "audioinput" ? "audio" : "video";
    const old = this.track(media);
    const constraint = this.#constraint(kind);
    old?.stop(); // some systems open a camera only once
    const got = await this.#get(media === "audio" && constraint, media === "video" && constraint);
    if (old) this.stream.removeTrack(old);
    const track = got?.getTracks()[0];
    if (track) this.#add(track);
    this.#apply();
    this.emit("replaced", { old, track, kind: media });
    this.emit("change", undefined);
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    this.#apply();
    this.emit("change", undefined);
  }

  /** @param {boolean} off */
  setCameraOff(off) {
    this.cameraOff = off;
    this.#apply();
    this.emit("change", undefined);
  }

  #apply() {
    for (const track of this.stream.getTracks()) track.enabled = track.kind === "audio" ? !this.muted : !this.cameraOff;
  }

  /** Measures the microphone. */
  #listen() {
    this.#context ??= new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#context.createMediaStreamSource(new MediaStream(this.stream.getAudioTracks())).connect(this.#analyser);
  }

  /** @returns {number} how loud the microphone is, from 0 to 1 */
  level() {
    if (!this.#analyser || this.muted || !this.track("audio")) return 0;
    if (this.#context?.state === "suspended") this.#context.resume().catch(() => {});
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
    return Math.min(1, Math.max(0, 1 + Math.log10(power + 1e-9) / 6));
  }

  /** @returns {Promise<Record<DeviceKind, {id: string, label: string}[]>>} */
  async devices() {
    /** @type {Record<DeviceKind, {id: string, label: string}[]>} */
    const found = { audioinput: [], videoinput: [], audiooutput: [] };
    const kinds = { audioinput: t("device.microphone"), videoinput: t("device.camera"), audiooutput: t("device.speaker") };
    for (const device of (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []) {
      const list = found[device.kind];
      if (device.deviceId) list.push({ id: device.deviceId, label: device.label || t("device.number", { kind: kinds[device.kind], n: list.length + 1 }) });
    }
    return found;
  }

  /** Lets go of camera and microphone. */
  close() {
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
      this.stream.removeTrack(track);
    }
    this.#analyser = undefined;
  }
}

/**
 * Says why a device was refused.
 * @param {DOMException} error
 */
function explain(error) {
  switch (error.name) {
    case "NotAllowedError": return t("media.NotAllowedError");
    case "SecurityError": return t("media.SecurityError");
    case "NotFoundError": return t("media.NotFoundError");
    case "NotReadableError": return t("media.NotReadableError");
    case "AbortError": return t("media.AbortError");
    case "OverconstrainedError": return t("media.OverconstrainedError");
  }
  return t("media.other", { error: String(error.message || error.name) });
}

/** Asks for the screen, with its sound where the browser has it. */
export function openScreen() {
  if (!navigator.mediaDevices?.getDisplayMedia) return Promise.reject(new Error(t("media.insecure")));
  return navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
}
