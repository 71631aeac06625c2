// @ts-check
// parley-client: rooms and peer connections through a parley signaling server.

export { connect, join, Room } from "./room.js";
export { Peer } from "./peer.js";
export { Signaling } from "./signaling.js";

/** @typedef {import("./peer.js").PeerState} PeerState */
/** @typedef {import("./room.js").Incoming} Incoming */
/** @typedef {import("./room.js").Reason} Reason */
/** @typedef {import("./signaling.js").JoinOptions} JoinOptions */
/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./signaling.js").State} State */
/** @typedef {import("./stats.js").Statistics} Statistics */
