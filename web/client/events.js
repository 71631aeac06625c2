// @ts-check
// The types of a room: options and events.

/** @typedef {import("./errors.js").ParleyError} ParleyError */
/** @typedef {import("./peer.js").Peer} Peer */
/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./signaling.js").State} State */

/**
 * - configuration: for `RTCPeerConnection`, added to the server's ICE servers
 * - reports: false tells the server nothing about how calls go
 * - local: devices that are open already; they are not closed with the room
 * - RTCPeerConnection: a class, where the platform has none
 * @typedef {import("./signaling.js").JoinOptions & {
 *   configuration?: RTCConfiguration, reports?: boolean, local?: import("./local.js").Local, RTCPeerConnection?: any,
 * }} RoomOptions
 */

/**
 * Why a peer is gone:
 * - left: it has hung up, or left the meeting or the room; lost: nothing more is heard of it
 * - declined, busy, unanswered, absent: it did not take our call, or is not in the room
 * - ended: we have hung up
 * - renewed: it has made its connection anew; a new peer follows at once
 * @typedef {"left"|"lost"|"declined"|"busy"|"unanswered"|"absent"|"ended"|"renewed"} Reason
 */

/**
 * A call that somebody makes to us.
 * @typedef {{from: string, accept: () => Peer|undefined, decline: (reason?: "declined"|"busy") => void}} Incoming
 */

/**
 * - state: of the membership
 * - members: who is in the room, a nickname, a profile or the lock has changed
 * - message: a member's `send`
 * - announcement: something that the people who run the server say to all in the room
 * - peer: there is a peer connection with a member (late listeners get those that there are);
 *   gone: there is none any more
 * - call: somebody calls (late listeners get those that still do); uncall: somebody has given up
 *   calling, or gone
 * - error: a message was refused or could not be sent; final: the room is left for good
 * - change: something in the snapshot is different
 * - log: a message to or from the server
 * @template [Data=any]
 * @typedef {{
 *   state: State, members: readonly string[], message: {from: string, data: Data, all: boolean}, announcement: any,
 *   peer: Peer, gone: {peer: Peer, reason: Reason},
 *   call: Incoming, uncall: string,
 *   error: ParleyError, change: undefined, log: {at: number, out: boolean, message: Message},
 * }} RoomEvents
 */

export {};
