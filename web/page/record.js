// @ts-check
// Records what is on the stage: all pictures in one, and all voices.

import { focus, grid } from "./layout.js";
import { withDuration } from "./webm.js";

const WIDTH = 1280, HEIGHT = 720, FRAMES = 15;

/** @typedef {{video: HTMLVideoElement, name: string, hasPicture: boolean, large: boolean}} Picture large: a screen */

export class Recorder {
  #canvas = document.createElement("canvas");
  #context = new AudioContext();
  #mix = this.#context.createMediaStreamDestination();
  /** @type {Map<string, {track: MediaStreamTrack, source: MediaStreamAudioSourceNode}>} by the id of the track */
  #voices = new Map();
  /** @type {Blob[]} */
  #pieces = [];
  #recorder;
  #stopped;
  #began = performance.now();
  /** Ticks in hidden windows too, where timers of the page are slow. */
  #clock = new Worker("tick.js");

  /**
   * @param {() => Picture[]} pictures those to record, as they are at each moment
   * @param {() => MediaStream|undefined} own our voice
   * @param {() => void} ended called when the browser ends it by itself
   */
  constructor(pictures, own, ended) {
    this.#canvas.width = WIDTH;
    this.#canvas.height = HEIGHT;
    const draw = () => {
      const all = pictures();
      this.#draw(all);
      this.#hear([own(), ...all.map(({ video }) => video.srcObject)]);
    };
    try {
      draw();
      const stream = this.#canvas.captureStream(FRAMES);
      for (const track of this.#mix.stream.getTracks()) stream.addTrack(track);
      const type = ["video/webm;codecs=vp9,opus", "video/webm", "video/mp4"].find((kind) => MediaRecorder.isTypeSupported(kind));
      this.#recorder = new MediaRecorder(stream, { mimeType: type });
      this.#recorder.ondataavailable = ({ data }) => this.#pieces.push(data);
      this.#stopped = new Promise((resolve) => { /** @type {MediaRecorder} */ (this.#recorder).onstop = resolve; });
      this.#stopped.then(ended);
      this.#recorder.start(1000);
    } catch (error) {
      this.#close();
      throw error;
    }
    // A machine that is slow gets fewer frames, and has at least half of its time for the rest.
    this.#clock.onmessage = () => {
      const began = performance.now();
      draw();
      const took = performance.now() - began;
      this.#clock.postMessage(Math.max(1000 / FRAMES - took, took));
    };
    this.#clock.postMessage(0);
  }

  #close() {
    this.#clock.terminate();
    this.#context.close();
  }

  /** @param {Picture[]} pictures */
  #draw(pictures) {
    const pen = this.#canvas.getContext("2d");
    if (!pen) return;
    pen.fillStyle = "#0c1514";
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    const box = { left: 0, top: 0, width: WIDTH, height: HEIGHT }, large = pictures.findIndex((picture) => picture.large);
    const { large: most, strip } = focus(pictures.length - 1, box), boxes = large < 0 ? grid(pictures.length, box) : [...strip.slice(0, large), most, ...strip.slice(large)];
    pen.font = "20px system-ui, sans-serif";
    pictures.forEach(({ video, name, hasPicture }, i) => {
      const { left: x, top: y, width: w, height: h } = boxes[i];
      if (hasPicture && video.videoWidth) {
        const scale = Math.min(w / video.videoWidth, h / video.videoHeight);
        const vw = scale * video.videoWidth, vh = scale * video.videoHeight;
        pen.drawImage(video, x + (w - vw) / 2, y + (h - vh) / 2, vw, vh);
      }
      pen.fillStyle = "#fff";
      pen.fillText(name, x + 12, y + h - 14, w - 24);
    });
  }

  /**
   * Takes in the voices of now, and lets go of those that are over.
   * @param {(MediaProvider|null|undefined)[]} streams
   */
  #hear(streams) {
    const tracks = streams.flatMap((stream) => stream instanceof MediaStream ? stream.getAudioTracks() : []).filter((track) => track.readyState === "live");
    for (const [id, { track, source }] of this.#voices) {
      if (tracks.includes(track)) continue;
      source.disconnect();
      this.#voices.delete(id);
    }
    for (const track of tracks) {
      if (this.#voices.has(track.id)) continue;
      const source = this.#context.createMediaStreamSource(new MediaStream([track]));
      source.connect(this.#mix);
      this.#voices.set(track.id, { track, source });
    }
  }

  /** @returns {Promise<Blob>} what was recorded */
  async stop() {
    const recorder = /** @type {MediaRecorder} */ (this.#recorder), lasted = performance.now() - this.#began;
    if (recorder.state !== "inactive") recorder.stop();
    await this.#stopped;
    this.#close();
    return withDuration(new Blob(this.#pieces, { type: recorder.mimeType }), lasted);
  }
}
