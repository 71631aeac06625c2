// @ts-check
// What has changed in a room, for clients that the server tells that in place of whole
// lists.

/** @typedef {import("./signaling.js").Message} Message */

/**
 * Applies changes to who is in a room. What was there stays as it is.
 * @param {{members: string[], names: Record<string, string>, locked: boolean}} room
 * @param {Message} changes a `room_changes`
 * @returns {{members: string[], names: Record<string, string>, locked: boolean}}
 */
export function apply({ members, names, locked }, { joined = [], left = [], names: named, locked: turned = locked }) {
  if (left.length > 0) {
    const gone = new Set(left);
    members = members.filter((id) => !gone.has(id));
  }
  if (joined.length > 0) members = merge(members, [...joined].sort());
  if (left.some((id) => id in names) || named) {
    names = { ...names };
    for (const id of left) delete names[id];
    for (const [id, name] of Object.entries(named ?? {})) {
      if (name) names[id] = name;
      else delete names[id];
    }
  }
  return { members, names, locked: turned };
}

/**
 * Merges two sorted arrays.
 * @param {string[]} a
 * @param {string[]} b
 */
function merge(a, b) {
  const all = [];
  let i = 0;
  for (const id of b) {
    while (i < a.length && a[i] < id) all.push(a[i++]);
    all.push(id);
  }
  return all.concat(a.slice(i));
}
