// @ts-check
// Short sounds, made here: no file is loaded for them.

import { state } from "./state.js";

/** @typedef {keyof typeof TUNES} Sound */

/** Notes: hertz, and when they begin and how long they last, in seconds. */
const TUNES = {
  join: [[523, 0, .12], [784, .1, .18]],
  leave: [[659, 0, .12], [440, .1, .18]],
  hand: [[880, 0, .1], [880, .16, .1]],
  message: [[740, 0, .08]],
  ring: [[587, 0, .35], [740, .4, .35], [587, 1.2, .35], [740, 1.6, .35]],
  calling: [[440, 0, .9]],
};
const RING_EVERY = 3_000; // ms
const LOUDNESS = .08; // of 1

/** @type {AudioContext|undefined} */
let context;
/** @type {ReturnType<typeof setInterval>|undefined} */
let ringing;
/** @type {""|"ring"|"calling"} */
let rings = "";

/** @param {Sound} name */
export function play(name) {
  if (!state.settings.sounds) return;
  context ??= new AudioContext();
  context.resume().catch(() => {});
  for (const [hertz, begins, lasts] of TUNES[name]) {
    const tone = context.createOscillator(), volume = context.createGain(), at = context.currentTime + begins;
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(LOUDNESS, at + .02);
    volume.gain.linearRampToValueAtTime(0, at + lasts);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + lasts);
  }
}

/** @param {""|"ring"|"calling"} name of what sounds again and again; "": nothing */
export function ring(name) {
  if (rings === name) return;
  rings = name;
  clearInterval(ringing);
  if (!name) return;
  play(name);
  ringing = setInterval(() => play(name), RING_EVERY);
}
