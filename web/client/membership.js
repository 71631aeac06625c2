// @ts-check
// The members of a room, and their messages through the server.

import { pack } from "./direct.js";
import { Emitter } from "./emitter.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("./signaling.js").Message} Message */

/**
 * @template {Record<string, any>} Events
 * @template [Data=any] what `send` sends
 * @template [Meta=any] the profiles
 * @extends {Emitter<Events>}
 */
export class Membership extends Emitter {
  /** @protected */
  signaling;

  /**
   * @param {string} url
   * @param {string} room
   * @param {import("./signaling.js").JoinOptions} options
   */
  constructor(url, room, options) {
    super();
    this.name = room;
    this.signaling = new Signaling(url, room, options);
  }

  /** @returns {string} our id */
  get id() { return this.signaling.id; }
  get state() { return this.signaling.state; }
  /** @returns {readonly string[]} the ids of all in the room */
  get members() { return this.signaling.members; }
  get names() { return this.signaling.names; }
  get locked() { return this.signaling.locked; }
  get rights() { return this.signaling.rights; }
  get iceServers() { return this.signaling.iceServers; }
  /** The largest message that the server accepts, in bytes of JSON. */
  get limit() { return this.signaling.limit; }

  /**
   * The nickname of a member, or its id.
   * @param {string} id
   */
  nameOf(id) { return this.signaling.nameOf(id); }

  /**
   * The profile of a member.
   * @param {string} id
   * @returns {Meta|undefined}
   */
  metaOf(id) { return Object.hasOwn(this.signaling.metas, id) ? this.signaling.metas[id] : undefined; }

  /** Makes sure at once that there is a connection to the server: the network may be back. */
  retryNow() { this.signaling.probe(); }

  /**
   * Sends something that JSON can hold, or bytes, through the server.
   * @param {Data|ArrayBuffer|ArrayBufferView} data
   * @param {string} [to] a member; without one everybody else
   * @returns {Promise<void>} settles when the server has handled or refused it
   */
  send(data, to) { return this.signaling.send({ type: "message", data: pack(data), ...(to && { to }) }); }

  /** @param {string} name our new nickname; "" for none */
  rename(name) { return this.signaling.change("rename", { name }); }

  /** @param {Meta|null} meta our new profile; null for none */
  update(meta) { return this.signaling.change("update", { meta }); }

  /** @param {string} token a fresh one, before ours runs out */
  renew(token) { return this.signaling.change("token", { token }); }

  /**
   * Removes a member; takes the right to moderate.
   * @param {string} id
   */
  kick(id) { return this.command({ type: "kick", to: id }); }

  /**
   * Locks the room, or unlocks it; takes the right to moderate.
   * @param {boolean} locked only moderators can join
   */
  lock(locked) { return this.command({ type: locked ? "lock" : "unlock" }); }

  /**
   * Sends something else of the protocol.
   * @param {Message} message
   */
  command(message) { return this.signaling.send(message); }
}
