// @ts-check
// The types of the protocol half: messages, events and options.

/** @typedef {import("./errors.js").ParleyError} ParleyError */

/**
 * A message of the protocol. Which fields it has depends on its type.
 * @typedef {{
 *   type: string, room?: string, from?: string, to?: string, name?: string,
 *   sdp?: any, candidate?: any, data?: any, reason?: string, meta?: any,
 *   members?: string[], joined?: string[], left?: string[], rejoined?: string[], changes?: boolean,
 *   names?: Record<string, string>, ice_servers?: RTCIceServer[],
 *   code?: string, error?: string, re?: string, ref?: string,
 *   session?: string, received?: number, handled?: number, resumable?: boolean, missed?: number,
 *   locked?: boolean, token?: string, passcode?: string, takeover?: boolean, rights?: string[],
 *   needs?: string, expires?: string, limits?: {message_bytes?: number}, [more: string]: any,
 * }} Message
 */

/**
 * Events of the membership:
 * - state: it is "connecting", "joined", "waiting" (to try again) or "closed"
 * - joined: the server let us in, the first time or anew; `id` and `iceServers` are set
 * - ice: `iceServers` has credentials that are good for longer
 * - members: who is in the room, a nickname, a profile or the lock has changed; with the ids of
 *   members that left and came back, as far as the server says so
 * - message: somebody sent us something
 * - error: a message was refused, or could not be sent; final: the room is left for good
 * - network: the network has changed, or the page was asleep
 * - leaving: the page goes away: now is the last moment to send something
 * - sent, received: a message, for those who keep a log
 * @typedef {{
 *   state: State, joined: undefined, ice: undefined, members: string[], message: Message,
 *   error: ParleyError, network: undefined, leaving: undefined, sent: Message, received: Message,
 * }} SignalingEvents
 */

/** @typedef {"connecting"|"joined"|"waiting"|"closed"} State */

/**
 * - name: nickname; id: else the server makes one; meta: profile, any JSON of at most 1 KiB
 * - token: a JWT; getToken: asked for one at each join, and before the one in use expires
 * - takeover: replace the member with the id of our token, such as ourselves on another device
 * - wait: try until there is a place and a connection, rather than give up at the first refusal
 * - WebSocket: a class, where the platform has none
 * @typedef {{
 *   name?: string, id?: string, meta?: any, token?: string, getToken?: () => string|undefined|Promise<string|undefined>,
 *   passcode?: string, takeover?: boolean, wait?: boolean, WebSocket?: any,
 * }} JoinOptions
 */

export {};
