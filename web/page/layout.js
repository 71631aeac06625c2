// @ts-check
// Where tiles go, so that they are as large as can be. Knows sizes alone.

/** @typedef {{left: number, top: number, width: number, height: number}} Box */

const GAP = 8; // px between tiles
const WIDEST = 16 / 9, NARROWEST = 3 / 4; // of a tile: its width by its height; the latter on an upright screen
const STRIP = 150; // px of the strip beside a large tile

/**
 * Lays out a grid: the columns are those that make tiles largest.
 * @param {number} n
 * @param {Box} box
 * @returns {Box[]}
 */
export function grid(n, box) {
  const narrowest = box.height > box.width ? NARROWEST : 1;
  let best = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    let width = (box.width - GAP * (columns - 1)) / columns, height = (box.height - GAP * (rows - 1)) / rows;
    if (width <= 0 || height <= 0) continue;
    width = Math.min(width, height * WIDEST);
    height = Math.min(height, width / narrowest);
    // A tile that is narrow shows less of a picture than its size says.
    const worth = (/** @type {number} */ w, /** @type {number} */ h) => w * h * Math.min(1, .7 + .3 * w / h);
    if (worth(width, height) > worth(best.width, best.height || 1)) best = { columns, width, height };
  }
  const { columns, width, height } = best, rows = Math.ceil(n / columns);
  const top = box.top + (box.height - rows * height - GAP * (rows - 1)) / 2;
  return Array.from({ length: n }, (_, i) => {
    const row = Math.floor(i / columns), inRow = Math.min(columns, n - row * columns);
    const left = box.left + (box.width - inRow * width - GAP * (inRow - 1)) / 2;
    return { left: left + (i - row * columns) * (width + GAP), top: top + row * (height + GAP), width, height };
  });
}

/**
 * Lays out one large tile, and the others in a strip beside or below it.
 * @param {number} others
 * @param {Box} box
 * @returns {{large: Box, strip: Box[]}}
 */
export function focus(others, box) {
  if (!others) return { large: box, strip: [] };
  const beside = box.width > box.height * 1.2;
  if (beside) {
    const width = Math.min(STRIP * WIDEST, box.width / 4);
    const strip = { left: box.left + box.width - width, top: box.top, width, height: box.height };
    return { large: { ...box, width: box.width - width - GAP }, strip: line(others, strip, false) };
  }
  const height = Math.min(STRIP, box.height / 4);
  const strip = { left: box.left, top: box.top + box.height - height, width: box.width, height };
  return { large: { ...box, height: box.height - height - GAP }, strip: line(others, strip, true) };
}

/**
 * @param {number} n
 * @param {Box} box
 * @param {boolean} across
 * @returns {Box[]}
 */
function line(n, box, across) {
  const room = across ? (box.width - GAP * (n - 1)) / n : (box.height - GAP * (n - 1)) / n;
  const width = across ? Math.min(room, box.height * WIDEST) : box.width, height = across ? box.height : Math.min(room, box.width / WIDEST);
  const start = across ? box.left + (box.width - n * width - GAP * (n - 1)) / 2 : box.top + (box.height - n * height - GAP * (n - 1)) / 2;
  return Array.from({ length: n }, (_, i) => across
    ? { left: start + i * (width + GAP), top: box.top, width, height }
    : { left: box.left, top: start + i * (height + GAP), width, height });
}

/**
 * Lays out the small tile in a corner.
 * @param {Box} box
 * @param {{end: boolean, bottom: boolean}} corner
 * @param {boolean} rtl
 * @returns {Box}
 */
export function corner(box, { end, bottom }, rtl) {
  const upright = box.height > box.width;
  const width = Math.min(upright ? 110 : 240, box.width * .3), height = upright ? width / NARROWEST : width / WIDEST;
  const right = end !== rtl;
  return { left: right ? box.left + box.width - width - GAP : box.left + GAP, top: bottom ? box.top + box.height - height - GAP : box.top + GAP, width, height };
}
