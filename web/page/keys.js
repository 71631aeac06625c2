// @ts-check
// The keyboard: shortcuts of one letter, which can be turned off, arrows in the toolbar, and
// Escape.

import { element, fill, make } from "./elements.js";
import { media } from "./session.js";
import { set, state } from "./state.js";
import { language, t } from "./words.js";

/** @typedef {"mute"|"camera"|"share"|"hand"|"people"|"chat"|"fullscreen"|"advanced"|"help"} Action */

/** @type {[key: string, action: Action, words: import("./words.js").Key][]} */
const KEYS = [
  ["m", "mute", "help.m"], ["v", "camera", "help.v"], ["s", "share", "help.s"], ["h", "hand", "help.h"],
  ["c", "chat", "help.c"], ["p", "people", "help.p"], ["f", "fullscreen", "help.f"], ["i", "advanced", "help.i"], ["?", "help", "help.q"],
];
const TYPED = "input:not([type=checkbox]), select, textarea";

/**
 * @param {Record<Action, () => void>} actions
 * @param {() => void} escape
 */
export function setUpKeys(actions, escape) {
  addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (document.querySelector("dialog[open]") || state.phase !== "meeting") return;
    if (key === "Escape" && !event.isComposing) escape(); // else it ends the composing of a character
    if (!state.settings.letters || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target instanceof Element && target.matches(TYPED)) return;
    const found = KEYS.find(([k]) => k === key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    actions[found[1]]();
  });
  talkKey();
  const controls = element("controls");
  controls.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target instanceof Element && event.target.closest(".popup")) return;
    const all = [...controls.querySelectorAll("button")].filter((b) => b.checkVisibility() && !b.closest(".popup"));
    const at = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const to = at + (document.dir === "rtl" ? -step : step);
    all[(to + all.length) % all.length]?.focus();
    event.preventDefault();
  });
  const letters = element("letters", HTMLInputElement);
  letters.onchange = () => set({ letters: letters.checked });
}

/** Somebody who is muted may talk as long as the space bar is held. */
function talkKey() {
  let talks = false;
  const end = () => {
    if (talks) media.turn("audio", false);
    talks = false;
  };
  addEventListener("keydown", (event) => {
    if (event.key !== " " || event.repeat || !state.settings.letters || state.phase !== "meeting" || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.matches(`${TYPED}, button, a, summary, input`) || !media.muted) return;
    event.preventDefault();
    talks = true;
    media.turn("audio", true);
  });
  addEventListener("keyup", ({ key }) => { if (key === " ") end(); });
  addEventListener("blur", end);
}

/** Draws the list of the shortcuts. */
export function drawKeys() {
  element("letters", HTMLInputElement).checked = state.settings.letters;
  /** @type {[key: string, words: import("./words.js").Key][]} */
  const all = [...KEYS.map(([key, , words]) => /** @type {[string, import("./words.js").Key]} */ ([key, words])), [t("help.spaceKey"), "help.space"]];
  fill(element("keys"), language(), () => all.flatMap(([key, words]) => [make("dt", {}, make("kbd", { text: key })), make("dd", { text: t(words) })]));
}
