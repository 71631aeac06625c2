// @ts-check
// A data channel for what an application sends to the other side, with back-pressure.

import { ParleyError } from "./errors.js";

const ENOUGH = 256 << 10; // bytes in the buffer up to which a send is done at once
const LOOK = 100; // ms between looks at the buffer
const MOST = 16 << 20; // bytes in the buffer, beyond which browsers close the channel

/** @typedef {{open: () => void, data: (data: any) => void, frame: (frame: any) => void, warn: (error: unknown) => void}} DirectEvents */

export class Direct {
  #channel;

  /**
   * @param {RTCPeerConnection} pc
   * @param {DirectEvents} events frame: what the module itself sends
   */
  constructor(pc, events) {
    const channel = this.#channel = pc.createDataChannel("parley", { negotiated: true, id: 0 });
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = ENOUGH;
    channel.onopen = () => events.open();
    channel.onmessage = ({ data }) => {
      try {
        const value = typeof data === "string" ? JSON.parse(data) : new Uint8Array(data);
        if (value?.parley && value.parley !== "data") events.frame(value);
        else events.data(unpack(value));
      } catch (error) {
        events.warn(error);
      }
    };
  }

  get open() { return this.#channel.readyState === "open"; }
  get closed() { return this.#channel.readyState === "closed"; }
  get bufferedAmount() { return this.#channel.bufferedAmount; }

  /** Resolves when the buffer has room; rejects when the channel closes before. */
  async drain() {
    const channel = this.#channel;
    while (channel.bufferedAmount > ENOUGH) {
      if (channel.readyState !== "open") throw new ParleyError("closed", "the connection has ended");
      await new Promise((/** @type {(nothing: void) => void} */ resolve) => {
        const done = () => {
          channel.removeEventListener("bufferedamountlow", done);
          resolve();
        };
        channel.addEventListener("bufferedamountlow", done);
        setTimeout(done, LOOK); // Node's implementations have no such event
      });
    }
  }

  /**
   * @param {any} data bytes, or something that JSON can hold
   * @returns {Promise<void>} resolves when there is room for more
   */
  async send(data) {
    if (this.bufferedAmount > MOST) throw new ParleyError("congested", "the other side is too slow");
    this.#channel.send(/** @type {any} */ (isBytes(data) ? data : JSON.stringify(data) ?? "null"));
    await this.drain();
  }

  close() { this.#channel.onopen = this.#channel.onmessage = null; }
}

/** @param {any} data */
export function isBytes(data) { return data instanceof ArrayBuffer || ArrayBuffer.isView(data); }

/**
 * Puts bytes, and what could be taken for the module's own, into something that JSON can hold; all
 * else stays as it is.
 * @param {any} data
 */
export function pack(data) {
  if (!isBytes(data)) return data?.parley === undefined ? data : { parley: "data", data };
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { parley: "bytes", base64: btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join("")) };
}

/**
 * Takes out what `pack` has put in. Data that only looks like that stays as it is.
 * @param {any} data
 */
export function unpack(data) {
  try {
    if (data?.parley === "data") return data.data;
    return data?.parley === "bytes" ? Uint8Array.from(atob(data.base64), (c) => c.charCodeAt(0)) : data;
  } catch {
    return data;
  }
}
