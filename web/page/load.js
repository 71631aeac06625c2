// @ts-check
// Loads parts of the page when they are first needed.

/**
 * What a module needs that may not be here when it is loaded. A test looks whether that is all.
 * @type {Record<string, string[]>}
 */
const NEEDS = {
  "inside.js": [
    "chat.js", "client/parley.js", "controls.js", "keys.js", "layout.js", "meeting.js", "people.js", "person.js", "sounds.js", "stage.js", "talk.js", "view.js", "visit.js",
  ],
  "record.js": ["webm.js"],
};

/** @type {Map<string, Promise<any>>} */
const loaded = new Map();
let failures = 0;

/**
 * Loads a module, as often as it takes. Browsers keep the failure of one that could not be loaded
 * for as long as the page lives. So it is asked for under another address then; and what it needs,
 * which has one address alone, is imported when all of it has come.
 * @param {string} name
 * @returns {Promise<any>}
 */
export function load(name) {
  const found = loaded.get(name) ?? bring(name, failures ? `./${name}?${failures}` : `./${name}`);
  loaded.set(name, found);
  found.catch(() => {
    failures++;
    loaded.delete(name);
  });
  return found;
}

/**
 * @param {string} name
 * @param {string} address
 */
async function bring(name, address) {
  const { [name]: needs = [] } = NEEDS;
  await Promise.all(needs.map(async (file) => {
    const answer = await fetch(new URL(file, import.meta.url));
    if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
    await answer.arrayBuffer(); // and is in the browser's cache
  }));
  return import(address);
}
