// @ts-check
// Errors with a code for programs and a sentence for people.

// TypeScript copies a union as it stands: each is one line.
/** @typedef {"bad_message"|"unknown_type"|"invalid_room"|"invalid_id"|"invalid_name"|"not_joined"|"already_joined"} UsageErrorCode */
/** @typedef {"duplicate_id"|"room_full"|"server_full"|"room_locked"|"forbidden"|"unauthorized"|"session_expired"} JoinErrorCode */
/** @typedef {"target_not_found"|"rate_limited"|"congested"|"unavailable"} SendErrorCode */

/**
 * Codes of the server: see "Error codes" in the protocol.
 * @typedef {UsageErrorCode|JoinErrorCode|SendErrorCode} ServerErrorCode
 */

/**
 * Why the server closed the membership for good.
 * @typedef {"kicked"|"replaced"|"token_expired"|"protocol_error"} CloseErrorCode
 */

/**
 * - unreachable: no WebSocket to the server could be opened; the URL may be wrong, the server
 *   down, or the page's origin not allowed
 * - timeout: `join` or the other side took too long; closed: the room or the connection has ended
 * - unconfirmed: the membership was lost, and the message may or may not have been handled
 * - too_large: the message is over the server's limit; queue_full: too much waits to be sent
 * - no_token: `getToken` failed; unsupported: the platform lacks what is needed
 * - verification_failed: somebody may stand between the two
 * @typedef {"unreachable"|"timeout"|"closed"|"unconfirmed"|"too_large"|"queue_full"|"no_token"|"unsupported"|"verification_failed"} LocalErrorCode
 */

/** @typedef {CloseErrorCode|LocalErrorCode} ClientErrorCode */
/** @typedef {ServerErrorCode|ClientErrorCode} ErrorCode */

/** @param {"WebSocket"|"RTCPeerConnection"} name of a class that the platform lacks */
export const missing = (name) => new ParleyError("unsupported", `there is no ${name} here: pass options.${name}`);

/** Codes of what may be sent again. */
export const PASSING = /^(unconf|unav|cong|rate)/;

/**
 * The error of promises that the module rejects, and of the event `error`. Only what others give
 * goes through as it is: the reason of an aborted `join`, a device's `DOMException`, and the
 * `TypeError` of what JSON can't hold.
 */
export class ParleyError extends Error {
  /** @type {string|undefined} the type of the refused message */
  re;
  /** @type {string|undefined} the member that the refused message was for */
  to;
  /** @type {"token"|"passcode"|undefined} what was missing or wrong, where the code is `unauthorized` */
  needs;
  /** The room is left and is not joined again by itself. */
  final = false;

  /**
   * @param {ErrorCode} code
   * @param {string} text
   * @param {{re?: string, to?: string, needs?: any, final?: boolean}} [more]
   */
  constructor(code, text, more) {
    super(text);
    this.name = "ParleyError";
    this.code = code;
    Object.assign(this, more);
  }
}
