/**
 * Returns the partition of a room: what load balancers may bring the members of a room to one
 * server by, without learning the room's name. It is the 64-bit FNV-1a hash of the name, both
 * halves joined by exclusive or, modulo 256.
 * @param {string} room
 */
export function partitionOf(room) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(room)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return Number((hash ^ hash >> 32n) & 255n);
}

/**
 * Returns the URL with the partition of a room in its query, unless it says a `room` itself.
 * @param {string} url
 * @param {string} room
 */
export function withPartition(url, room) {
  return /[?&]room=/.test(url) ? url : `${url}${url.includes("?") ? "&" : "?"}room=${partitionOf(room)}`;
}
