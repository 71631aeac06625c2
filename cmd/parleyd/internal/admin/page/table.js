// @ts-check
// Parts of the page: elements, tables and buttons.

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof (kind ?? HTMLElement))) throw new Error(`#${id} is not there`);
  return /** @type {T} */ (found);
}

/** @param {string} since */
export function age(since) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/**
 * @param {(string|number|HTMLElement)[]} cells
 * @param {number[]} numbers which of them are right-aligned
 */
export function row(cells, numbers) {
  const tr = document.createElement("tr");
  cells.forEach((cell, i) => {
    const td = document.createElement("td");
    td.append(typeof cell === "number" ? cell.toLocaleString("en") : cell);
    if (numbers.includes(i)) td.className = "number";
    tr.append(td);
  });
  return tr;
}

/**
 * @param {string} words
 * @param {string} kind
 * @param {() => void} act
 * @param {string} [label]
 */
export function button(words, kind, act, label) {
  const b = document.createElement("button");
  b.type = "button";
  b.className = kind;
  b.textContent = words;
  if (label) b.setAttribute("aria-label", label);
  b.dataset.key = label ?? words;
  b.addEventListener("click", act);
  return b;
}

/**
 * Puts rows in place of those that are there; the focus stays where it was.
 * @param {HTMLElement} body
 * @param {HTMLElement[]} rows
 */
export function fill(body, rows) {
  const active = document.activeElement;
  const key = active instanceof HTMLElement && body.contains(active) ? active.dataset.key : undefined;
  body.replaceChildren(...rows);
  if (key === undefined) return;
  for (const b of body.querySelectorAll("button")) if (b.dataset.key === key) b.focus();
}
