// @ts-check
// Applies the changes of a room to its list.

/** @typedef {import("./signaling.js").Message} Message */

/**
 * @typedef {{
 *   members: string[], names: Record<string, string>, metas: Record<string, any>, locked: boolean,
 * }} Members ids, sorted; nicknames and profiles by id, of members that have one
 */

/**
 * Applies a `room_changes` to a copy.
 * @param {Members} room
 * @param {Message} changes
 * @returns {Members}
 */
export function apply({ members, names, metas, locked }, { joined = [], left = [], names: named, meta, locked: turned = locked }) {
  if (left.length) members = members.filter((id) => !left.includes(id));
  if (joined.length) members = [...members, ...joined].sort(); // two sorted runs: it merges them
  return { members, names: merged(names, left, named), metas: merged(metas, left, meta), locked: turned };
}

/**
 * Takes away what those who left had, and puts in what is new: "" and null remove.
 * @template T
 * @param {Record<string, T>} have
 * @param {string[]} left
 * @param {Record<string, T|null>} [changed]
 */
function merged(have, left, changed) {
  const all = { ...have };
  for (const id of left) delete all[id];
  for (const [id, value] of Object.entries(changed ?? {})) {
    if (value === "" || value === null) delete all[id];
    else all[id] = value;
  }
  return all;
}
