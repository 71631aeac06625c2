// @ts-check
// How loud it is at a microphone.

export class Level {
  /** @type {AnalyserNode|undefined} */
  #analyser;
  /** @type {MediaStreamTrack|undefined} */
  #measured;
  /** @type {MediaStreamTrack|undefined} a copy, which goes on when the microphone is muted */
  #heard;
  /** @type {AudioContext|undefined} */
  #context;

  /** @param {MediaStreamTrack|undefined} track that is measured from now on */
  of(track) {
    if (track?.id === this.#measured?.id) return;
    this.#analyser?.disconnect();
    this.#analyser = undefined;
    this.#heard?.stop();
    this.#measured = track;
    this.#heard = undefined;
    if (!track) return;
    this.#context ??= new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#heard = track.clone();
    this.#heard.enabled = true;
    this.#context.createMediaStreamSource(new MediaStream([this.#heard])).connect(this.#analyser);
  }

  /** @returns {number} from 0 to 1 */
  now() {
    if (!this.#analyser) return 0;
    if (this.#context?.state !== "running") this.#context?.resume().catch(() => {}); // interrupted, or before the first click
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
    return Math.min(1, Math.max(0, 1 + Math.log10(power + 1e-9) / 6));
  }
}
