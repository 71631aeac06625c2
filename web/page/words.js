// @ts-check
// Says things in the reader's language.

/** @typedef {keyof typeof import("./lang/en.js").default} Key */
/** @typedef {Record<Key, string>} Dictionary */

/** Only the one in use is loaded. @type {Record<string, () => Promise<{default: Dictionary}>>} */
const languages = { en: () => import("./lang/en.js"), zh: () => import("./lang/zh.js") };
const LANGUAGE_KEY = "parley.language";

/** @type {string} */
let current = choose();
let { default: dictionary } = await languages[current]();

function choose() {
  const kept = localStorage.getItem(LANGUAGE_KEY);
  for (const tag of [kept, ...navigator.languages]) {
    const name = (tag ?? "").toLowerCase().split("-")[0];
    if (name in languages) return name;
  }
  return "en";
}

/** @returns {string} the language in use */
export const language = () => current;

/** @param {string} name */
export async function setLanguage(name) {
  if (!(name in languages)) return;
  ({ default: dictionary } = await languages[name]());
  current = name;
  localStorage.setItem(LANGUAGE_KEY, name);
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
 * The words for an error code of the server, or what the server said.
 * @param {string} code
 * @param {string} said
 */
export function refusal(code, said) {
  const key = `error.${code}`;
  return key in dictionary ? t(/** @type {Key} */ (key)) : said;
}

/** Puts the words into all elements that name theirs. */
export function translate() {
  document.documentElement.lang = current === "zh" ? "zh-Hans" : current;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(/** @type {Key} */ (/** @type {HTMLElement} */ (element).dataset.t));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    const words = t(/** @type {Key} */ (/** @type {HTMLElement} */ (element).dataset.label));
    element.setAttribute("aria-label", words);
    if (element instanceof HTMLButtonElement) element.title = words;
  }
  for (const element of document.querySelectorAll("[data-hint]")) {
    element.setAttribute("placeholder", t(/** @type {Key} */ (/** @type {HTMLElement} */ (element).dataset.hint)));
  }
}
