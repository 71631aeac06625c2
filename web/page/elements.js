// @ts-check

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
 * Shows that a button is pressed, and what it does next.
 * @param {HTMLElement} button
 * @param {boolean} pressed
 * @param {string} words
 */
export function press(button, pressed, words) {
  button.setAttribute("aria-pressed", String(pressed));
  (button.querySelector("span") ?? button).textContent = words;
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
