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
 * Shows rows in place of those that are there. Cells that are as before stay, with the focus and
 * what is selected in them: buttons that do different things differ in their words, label or key.
 * @param {HTMLElement} body
 * @param {HTMLElement[]} rows
 */
export function fill(body, rows) {
  const before = [...body.children], active = document.activeElement;
  const key = active instanceof HTMLElement && body.contains(active) ? active.dataset.key : undefined;
  rows.forEach((row, i) => {
    const old = before[i];
    if (old?.children.length !== row.children.length) {
      if (old) old.replaceWith(row);
      else body.append(row);
      return;
    }
    for (const name of ["class", "aria-current"]) {
      const value = row.getAttribute(name);
      if (old.getAttribute(name) === value) continue;
      if (value === null) old.removeAttribute(name);
      else old.setAttribute(name, value);
    }
    [...row.children].forEach((cell, j) => { if (!cell.isEqualNode(old.children[j])) old.children[j].replaceWith(cell); });
  });
  for (const old of before.slice(rows.length)) old.remove();
  if (key === undefined || body.contains(document.activeElement)) return;
  for (const b of body.querySelectorAll("button")) if (b.dataset.key === key) b.focus(); // its row has moved
}
