// @ts-check

import { ParleyError } from "./errors.js";
import { Room } from "./room.js";
import { LONGEST_TIMER } from "./signaling.js";

const TIMEOUT = 20_000; // ms for a join that does not wait

/**
 * - signal: aborts the joining
 * - timeout: ms until it is given up; 20 s, or for ever with `wait`
 * @typedef {import("./room.js").RoomOptions & {signal?: AbortSignal, timeout?: number}} Options
 */

/**
 * Joins a room.
 * @template [Data=any] what members send
 * @template [Meta=any] their profiles
 * @param {string|URL} url of the server's WebSocket endpoint
 * @param {string} room
 * @param {Options} [options]
 * @returns {Promise<Room<Data, Meta>>} once we are in and know who is; rejected with a ParleyError
 *   at the first refusal or failed connection, unless `wait` is set; with the signal's reason where
 *   that is aborted
 */
export function join(url, room, { signal, timeout, ...options } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const r = /** @type {Room<Data, Meta>} */ (new Room(String(url), room, { ...options, wait: options.wait ?? false }));
    /** @param {() => void} then */
    const settle = (then) => {
      clearTimeout(timer);
      for (const off of offs) off();
      signal?.removeEventListener("abort", abort);
      then();
    };
    /** @param {unknown} reason */
    const giveUp = (reason) => settle(() => {
      r.leave();
      reject(reason);
    });
    const abort = () => giveUp(signal?.reason);
    const time = timeout ?? (options.wait ? Infinity : TIMEOUT);
    const timer = time < Infinity ? setTimeout(() => giveUp(new ParleyError("timeout", `not in the room after ${time} ms`)), Math.min(time, LONGEST_TIMER)) : undefined;
    const offs = [
      r.on("members", () => settle(() => resolve(r))),
      r.on("error", (error) => { if (error.final) giveUp(error); }),
    ];
    signal?.addEventListener("abort", abort);
    r.open();
  });
}

/**
 * Remembers a server, to join rooms of it.
 * @param {string|URL} url of its WebSocket endpoint
 * @param {Options} [defaults]
 */
export function connect(url, defaults) {
  return {
    /**
     * @template [Data=any]
     * @template [Meta=any]
     * @param {string} room
     * @param {Options} [options]
     * @returns {Promise<Room<Data, Meta>>}
     */
    join: (room, options) => join(url, room, { ...defaults, ...options }),
  };
}
