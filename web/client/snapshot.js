// @ts-check
// The state of a room as one value that never changes, for frameworks that compare.

/** @typedef {import("./peer.js").Peer} Peer */
/** @typedef {import("./room.js").Room} Room */

/**
 * @template [Meta=any]
 * @typedef {{id: string, name: string, meta: Meta|undefined, self: boolean}} Member name: the nickname, or the id
 */

/**
 * @typedef {{
 *   id: string, name: string, state: import("./peer.js").PeerState, direct: boolean,
 *   streams: readonly MediaStream[], peer: Peer,
 * }} PeerSnapshot
 */

/**
 * @template [Meta=any]
 * @typedef {{
 *   state: import("./signaling.js").State, id: string, locked: boolean, rights: readonly string[], meeting: boolean,
 *   members: readonly Member<Meta>[], peers: readonly PeerSnapshot[], calls: readonly string[],
 *   local: import("./local.js").LocalState,
 * }} Snapshot calls: the ids of those that call us
 */

/**
 * @param {Room} room
 * @param {readonly string[]} calls
 * @returns {Snapshot}
 */
export function snapshot(room, calls) {
  const { state, id: own, locked, rights, meeting, local } = room;
  return Object.freeze({
    state, id: own, locked, rights, meeting, calls, local,
    members: Object.freeze(room.members.map((id) => Object.freeze({ id, name: room.nameOf(id), meta: room.metaOf(id), self: id === own }))),
    peers: Object.freeze([...room.peers.values()].map((peer) => Object.freeze({
      id: peer.id, name: room.nameOf(peer.id), state: peer.state, direct: peer.direct, streams: peer.streams, peer,
    }))),
  });
}
