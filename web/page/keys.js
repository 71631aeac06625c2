// @ts-check
// Keyboard shortcuts, and the list of them.

import { element, make } from "./elements.js";
import { t } from "./words.js";

/** @typedef {"mute"|"camera"|"share"|"hand"|"people"|"chat"|"fullscreen"|"advanced"|"help"} Action */

/** @type {[key: string, action: Action, words: import("./words.js").Key][]} */
const KEYS = [
  ["m", "mute", "help.m"], ["v", "camera", "help.v"], ["s", "share", "help.s"], ["h", "hand", "help.h"],
  ["c", "chat", "help.c"], ["p", "people", "help.p"], ["f", "fullscreen", "help.f"], ["i", "advanced", "help.i"], ["?", "help", "help.q"],
];

/**
 * @param {Record<Action, () => void>} actions
 * @param {() => boolean} inRoom
 * @param {() => void} escape
 */
export function setUpKeys(actions, inRoom, escape) {
  addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (key === "Escape") escape();
    if (!inRoom() || event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
    if (target instanceof HTMLInputElement && target.type !== "checkbox" || target instanceof HTMLSelectElement) return;
    const found = KEYS.find(([k]) => k === key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    actions[found[1]]();
  });
  const help = element("help", HTMLDialogElement);
  const list = element("keys");
  const draw = () => list.replaceChildren(...KEYS.flatMap(([key, , words]) => [make("dt", {}, make("kbd", { text: key })), make("dd", { text: t(words) })]));
  new MutationObserver(() => { if (help.open) draw(); }).observe(help, { attributes: true, attributeFilter: ["open"] });
}
