// @ts-check
// The chat of a room, with its history from before we came.

/** @typedef {import("./client/parley.js").Peer} Peer */
/** @typedef {import("./client/parley.js").Room} Room */
/** @typedef {{id: string, from: string, name: string, text: string, at: number, own: boolean, failed?: boolean}} Line */

const KEPT = 500; // lines
const TOLD_SIZE = 10_000; // characters that a latecomer is told of at once: they fit a message of the server in any script
const LONGEST = 4_000; // characters of a line

export class Chat {
  /** @type {readonly Line[]} by time */
  lines = [];
  #room;
  #nameOf;
  #changed;
  /** Those whom we have asked what was said before. */
  #asked = /** @type {Set<string>} */ (new Set());

  /**
   * @param {Room} room
   * @param {(id: string) => string} nameOf
   * @param {(line?: Line) => void} changed called with what somebody has just written
   */
  constructor(room, nameOf, changed) {
    this.#room = room;
    this.#nameOf = nameOf;
    this.#changed = changed;
  }

  /**
   * Says something to everybody in the room: straight where there is a way, through the server else.
   * @param {string} text
   */
  say(text) {
    const line = { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), from: this.#room.id, name: this.#nameOf(this.#room.id), text: text.slice(0, LONGEST), at: Date.now(), own: true };
    this.#add([line]);
    const message = { chat: line.text, id: line.id };
    for (const id of this.#room.members) {
      if (id === this.#room.id) continue;
      const peer = this.#room.peers.get(id);
      const sent = peer?.direct ? peer.send(message) : this.#room.send(message, id);
      sent.catch((error) => {
        if (error.code === "target_not_found" || error.code === "closed") return; // it has just gone
        this.lines = this.lines.map((l) => l.id === line.id ? { ...l, failed: true } : l);
        this.#changed();
      });
    }
  }

  /**
   * Asks one who may have been here before us. All are asked: each may have missed something.
   * @param {Peer} peer
   */
  async ask(peer) {
    if (this.#asked.has(peer.id)) return;
    this.#asked.add(peer.id);
    await peer.send({ ask: "history" }).catch(() => this.#asked.delete(peer.id)); // when there is a way again
  }

  /**
   * Takes what one has sent.
   * @param {string} from
   * @param {any} data
   * @param {Peer} [peer] that it came straight from
   */
  hear(from, data, peer) {
    if (typeof data?.chat === "string") {
      const id = typeof data.id === "string" ? data.id.slice(0, 64) : `${from} ${Date.now()}`;
      const line = { id, from, name: this.#nameOf(from), text: data.chat.slice(0, LONGEST), at: Date.now(), own: false };
      if (this.#add([line])) this.#changed(line);
    } else if (data?.ask === "history" && peer) {
      this.#tell(peer).catch(() => {}); // it has gone
    } else if (Array.isArray(data?.history) && this.#asked.has(from)) {
      this.#learn(data.history);
    }
  }

  /**
   * Tells one all that was said, the newest first, in pieces that fit a message.
   * @param {Peer} peer
   */
  async #tell(peer) {
    const now = Date.now();
    for (let end = this.lines.length, begin; end > 0; end = begin) {
      let size = 0;
      const history = [];
      for (begin = end; begin > 0; begin--) {
        const { id, name, text, at } = this.lines[begin - 1];
        size += text.length + name.length + 80;
        if (size > TOLD_SIZE && history.length) break;
        history.unshift({ id, name, text, age: now - at });
      }
      await peer.send({ history });
    }
  }

  /** @param {any[]} history */
  #learn(history) {
    const now = Date.now();
    const lines = history.slice(-KEPT).filter((l) => typeof l?.id === "string" && typeof l.text === "string").map((l) => ({
      id: l.id.slice(0, 64), from: "", name: String(l.name ?? "").slice(0, 64), text: l.text.slice(0, LONGEST), at: now - Math.max(0, Number(l.age) || 0), own: false,
    }));
    if (this.#add(lines)) this.#changed();
  }

  /** @param {Line[]} lines */
  #add(lines) {
    const known = new Set(this.lines.map(({ id }) => id));
    const fresh = lines.filter(({ id }) => !known.has(id));
    if (!fresh.length) return false;
    this.lines = [...this.lines, ...fresh].sort((a, b) => a.at - b.at).slice(-KEPT);
    if (lines[0].own) this.#changed();
    return true;
  }
}
