// @ts-check
// parley-client: rooms and peer connections through a parley signaling server.

export { ParleyError } from "./errors.js";
export { connect, join } from "./join.js";
export { Local } from "./local.js";
export { Peer } from "./peer.js";
export { Room } from "./room.js";
export { Signaling } from "./signaling.js";

/** @typedef {import("./errors.js").ErrorCode} ErrorCode */
/** @typedef {import("./errors.js").ClientErrorCode} ClientErrorCode */
/** @typedef {import("./errors.js").ServerErrorCode} ServerErrorCode */
/** @typedef {import("./join.js").Options} Options */
/** @typedef {import("./local.js").LocalState} LocalState */
/** @typedef {import("./peer.js").PeerState} PeerState */
/** @typedef {import("./peer.js").Role} Role */
/** @typedef {import("./peer.js").TrackEvent} TrackEvent */
/** @typedef {import("./events.js").Incoming} Incoming */
/** @typedef {import("./room.js").Reason} Reason */
/** @typedef {import("./room.js").RoomOptions} RoomOptions */
/** @typedef {import("./signaling.js").JoinOptions} JoinOptions */
/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./signaling.js").State} State */
/** @typedef {import("./snapshot.js").PeerSnapshot} PeerSnapshot */
/** @typedef {import("./stats.js").Candidate} Candidate */
/** @typedef {import("./stats.js").Statistics} Statistics */
/** @typedef {import("./verification.js").Verification} Verification */
/**
 * @template [Data=any]
 * @typedef {import("./peer.js").PeerEvents<Data>} PeerEvents
 */
/**
 * @template [Data=any]
 * @typedef {import("./room.js").RoomEvents<Data>} RoomEvents
 */
/**
 * @template [Meta=any]
 * @typedef {import("./snapshot.js").Snapshot<Meta>} Snapshot
 */
/**
 * @template [Meta=any]
 * @typedef {import("./snapshot.js").Member<Meta>} Member
 */
