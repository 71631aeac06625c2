// @ts-check
// Records what is on the stage: all pictures in one, and all voices.

const WIDTH = 1280, HEIGHT = 720, FRAMES = 15;

/** @typedef {{video: HTMLVideoElement, name: string, hasPicture: boolean}} Picture */

export class Recorder {
  #canvas = document.createElement("canvas");
  #context = new AudioContext();
  #mix = this.#context.createMediaStreamDestination();
  /** @type {Map<MediaStream, MediaStreamAudioSourceNode>} */
  #voices = new Map();
  /** @type {Blob[]} */
  #pieces = [];
  #recorder;
  #timer;

  /** @param {() => Picture[]} pictures those to record, as they are at each moment */
  constructor(pictures) {
    this.#canvas.width = WIDTH;
    this.#canvas.height = HEIGHT;
    const draw = () => this.#draw(pictures());
    draw();
    this.#timer = setInterval(draw, 1000 / FRAMES);
    const stream = this.#canvas.captureStream(FRAMES);
    for (const track of this.#mix.stream.getTracks()) stream.addTrack(track);
    const type = ["video/webm;codecs=vp9,opus", "video/webm", "video/mp4"].find((kind) => MediaRecorder.isTypeSupported(kind));
    this.#recorder = new MediaRecorder(stream, { mimeType: type });
    this.#recorder.ondataavailable = ({ data }) => this.#pieces.push(data);
    this.#recorder.start(1000);
  }

  /** @param {Picture[]} pictures */
  #draw(pictures) {
    const pen = this.#canvas.getContext("2d");
    if (!pen) return;
    pen.fillStyle = "#0c1514";
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    const columns = Math.ceil(Math.sqrt(pictures.length)), rows = Math.ceil(pictures.length / (columns || 1));
    const w = WIDTH / (columns || 1), h = HEIGHT / (rows || 1);
    pen.font = "20px system-ui, sans-serif";
    pictures.forEach(({ video, name, hasPicture }, i) => {
      const x = i % columns * w, y = Math.floor(i / columns) * h;
      if (hasPicture && video.videoWidth) {
        const scale = Math.min(w / video.videoWidth, h / video.videoHeight);
        const vw = scale * video.videoWidth, vh = scale * video.videoHeight;
        pen.drawImage(video, x + (w - vw) / 2, y + (h - vh) / 2, vw, vh);
      }
      pen.fillStyle = "#fff";
      pen.fillText(name, x + 12, y + h - 14, w - 24);
      this.#hear(video.srcObject);
    });
  }

  /** @param {MediaProvider|null} stream */
  #hear(stream) {
    if (!(stream instanceof MediaStream) || this.#voices.has(stream) || !stream.getAudioTracks().length) return;
    const source = this.#context.createMediaStreamSource(stream);
    source.connect(this.#mix);
    this.#voices.set(stream, source);
  }

  /** @returns {Promise<Blob>} what was recorded */
  stop() {
    return new Promise((resolve) => {
      this.#recorder.onstop = () => {
        clearInterval(this.#timer);
        this.#context.close();
        resolve(new Blob(this.#pieces, { type: this.#recorder.mimeType }));
      };
      this.#recorder.stop();
    });
  }
}
