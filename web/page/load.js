// @ts-check
// Loads parts of the page when they are first needed.

/** @type {Map<string, Promise<any>>} */
const loaded = new Map();
let failures = 0;

/**
 * Loads a module. Browsers keep the failure of one that could not be loaded for as long as the page
 * lives: it is asked for under another address then, as often as it takes.
 * @param {string} name
 * @returns {Promise<any>}
 */
export function load(name) {
  const found = loaded.get(name) ?? import(failures ? `./${name}?${failures}` : `./${name}`);
  loaded.set(name, found);
  found.catch(() => {
    failures++;
    loaded.delete(name);
  });
  return found;
}
