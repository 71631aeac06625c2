// @ts-check
// Says things in the reader's language.

import { load } from "./load.js";
import { keep, recall } from "./storage.js";

/** @typedef {keyof typeof import("./lang/en.js").default} Key */
/** @typedef {Record<Key, string>} Dictionary */

/** Only the one in use is loaded. @type {Record<string, () => Promise<{default: Dictionary}>>} */
const languages = { en: () => load("lang/en.js"), zh: () => load("lang/zh.js"), ar: () => load("lang/ar.js") };
/** Tags for documents and times. @type {Record<string, string>} */
const TAGS = { zh: "zh-Hans" };
const RIGHT_TO_LEFT = ["ar"];
const LANGUAGE_KEY = "parley.language";

/** @type {string} */
let current = choose();
let { default: dictionary } = await languages[current]().catch(() => {
  current = "en";
  return languages.en();
});
/** Counts choices: one that was overtaken is of no use. */
let choices = 0;

function choose() {
  for (const tag of [recall(LANGUAGE_KEY), ...navigator.languages]) {
    const name = (tag ?? "").toLowerCase().split("-")[0];
    if (name in languages) return name;
  }
  return "en";
}

/** @returns {string} the language in use, as a tag */
export const language = () => TAGS[current] ?? current;

/** @returns {string} the language in use, as it is chosen */
export const chosen = () => current;

/**
 * Rejects where the language can't be loaded: the one before stays.
 * @param {string} name
 */
export async function setLanguage(name) {
  if (!(name in languages)) return;
  const choice = ++choices, { default: words } = await languages[name]();
  if (choice !== choices) return;
  dictionary = words;
  current = name;
  keep(LANGUAGE_KEY, name);
  translate();
}

/**
 * @param {Key} key
 * @param {Record<string, string|number>} [values] for what stands in {braces}
 */
export function t(key, values = {}) {
  return dictionary[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * The words for a key that may not be there.
 * @param {string} key
 */
t.maybe = (key) => key in dictionary ? t(/** @type {Key} */ (key)) : undefined;

/** Puts the words into all elements that name theirs. */
export function translate() {
  document.documentElement.lang = language();
  document.documentElement.dir = RIGHT_TO_LEFT.includes(current) ? "rtl" : "ltr";
  const each = (/** @type {string} */ name, /** @type {(e: HTMLElement, words: string) => void} */ put) => {
    for (const e of document.querySelectorAll(`[data-${name}]`)) {
      put(/** @type {HTMLElement} */ (e), t(/** @type {Key} */ (/** @type {HTMLElement} */ (e).dataset[name])));
    }
  };
  each("t", (e, words) => { e.textContent = words; });
  each("label", (e, words) => {
    e.setAttribute("aria-label", words);
    if (e instanceof HTMLButtonElement) e.title = words;
  });
  each("hint", (e, words) => e.setAttribute("placeholder", words));
}
