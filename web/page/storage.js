// @ts-check
// Values that are kept between visits. Where the browser blocks storage, they are kept as long as the page.

/** @type {Map<string, string>} */
const memory = new Map();

/**
 * @param {string} key
 * @param {"localStorage"|"sessionStorage"} [where]
 * @returns {string|undefined}
 */
export function recall(key, where = "localStorage") {
  try {
    return window[where].getItem(key) ?? memory.get(key);
  } catch {
    return memory.get(key);
  }
}

/**
 * @param {string} key
 * @param {string} value
 * @param {"localStorage"|"sessionStorage"} [where]
 */
export function keep(key, value, where = "localStorage") {
  memory.set(key, value);
  try {
    window[where].setItem(key, value);
  } catch {
    // blocked or full: it is in memory
  }
}

/**
 * @param {string} key
 * @returns {Record<string, any>} what was kept as JSON, or nothing where that is none
 */
export function recallObject(key) {
  try {
    return Object(JSON.parse(recall(key) ?? "{}"));
  } catch {
    return {};
  }
}
