// @ts-check
// Elements of the page, and how things are written in them.

/**
 * Finds an element of the page.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} [type]
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  const wanted = type ?? HTMLElement;
  if (!(found instanceof wanted)) throw new Error(`the page has no ${wanted.name} #${id}`);
  return /** @type {T} */ (found);
}

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {{className?: string, text?: string}} [options]
 * @param {...(Node|string)} children
 */
export function make(name, { className, text } = {}, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  e.append(...children);
  return e;
}

/**
 * Makes a button.
 * @param {string} text
 * @param {() => void} act
 * @param {string} [className]
 */
export function makeButton(text, act, className) {
  const b = make("button", { text, className });
  b.type = "button";
  b.onclick = act;
  return b;
}

/**
 * Writes text, unless it stands there already.
 * @param {HTMLElement} e
 * @param {string} text
 */
export function write(e, text) { if (e.textContent !== text) e.textContent = text; }

/**
 * Shows whether a toggle is pressed, and what it does next.
 * @param {HTMLElement} button
 * @param {boolean} pressed
 * @param {string} words
 */
export function press(button, pressed, words) {
  if (button.getAttribute("aria-pressed") !== String(pressed)) button.setAttribute("aria-pressed", String(pressed));
  write(button.querySelector("span") ?? button, words);
  if (button.querySelector("svg")) button.title = words;
}

/**
 * Puts children in place of those that are there, unless they are of the same things.
 * @param {HTMLElement} parent
 * @param {any} things that the children show, as JSON can tell
 * @param {() => Node[]} draw
 */
export function fill(parent, things, draw) {
  const now = JSON.stringify(things);
  if (parent.dataset.shows === now) return;
  parent.dataset.shows = now;
  const focused = document.activeElement instanceof HTMLElement && parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...draw());
  if (focused) /** @type {HTMLElement|null} */ (parent.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
}

/** @type {WeakMap<Element, string>} what each element of a list shows */
const shown = new WeakMap();

/**
 * Shows things one after the other. The element of one that is as before stays: what is selected
 * in it, the focus, and what screen readers have read.
 * @template T
 * @param {HTMLElement} parent
 * @param {readonly T[]} things as JSON can tell
 * @param {(thing: T) => HTMLElement} draw
 */
export function list(parent, things, draw) {
  const active = document.activeElement, focused = active instanceof HTMLElement && parent.contains(active) ? active.dataset.key : undefined;
  const keys = things.map((thing) => JSON.stringify(thing)), wanted = new Set(keys);
  const there = new Map([...parent.children].map((e) => [shown.get(e) ?? "", e]));
  for (const [key, e] of there) if (!wanted.has(key)) e.remove();
  things.forEach((thing, i) => {
    const e = there.get(keys[i]) ?? draw(thing);
    shown.set(e, keys[i]);
    if (parent.children[i] !== e) parent.insertBefore(e, parent.children[i] ?? null);
  });
  while (parent.children.length > things.length) parent.lastElementChild?.remove();
  if (focused && !parent.contains(document.activeElement)) /** @type {HTMLElement|null} */ (parent.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
}

/**
 * Makes the picture of somebody of whom there is none.
 * @param {string} id
 * @param {string} name
 */
export function avatar(id, name) {
  const e = make("span", { className: "avatar", text: initials(name) });
  e.style.setProperty("--hue", String(hue(id)));
  e.ariaHidden = "true";
  return e;
}

/** @param {string} name */
export function initials(name) {
  const words = name.split(/[\s_-]+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const first = (/** @type {string} */ word) => /[\p{L}\p{N}]/u.exec(word)?.[0].toUpperCase() ?? "";
  return first(words[0] ?? "") + (words.length > 1 && /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{N}]/u.test(words[0]) ? first(words[words.length - 1]) : "");
}

/** @param {string} id */
export function hue(id) {
  let n = 7;
  for (const c of id) n = (31 * n + (c.codePointAt(0) ?? 0)) % 360;
  return n;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

/**
 * Has the browser save something.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
