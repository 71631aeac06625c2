// @ts-check
// What was written in a room, here and before we came.

/** @typedef {import("./client/parley.js").Peer} Peer */
/** @typedef {import("./client/parley.js").Room} Room */
/** @typedef {{id: string, from: string, name: string, text: string, at: number, own: boolean, failed?: boolean}} Line */

const KEPT = 500; // lines
const TOLD = 100; // lines that a latecomer is told of
const TOLD_SIZE = 10_000; // characters of them: they fit a message of the server in any script
const LONGEST = 4_000; // characters of a line

export class Chat {
  /** @type {readonly Line[]} by time */
  lines = [];
  #room;
  #nameOf;
  #changed;
  /** Whether somebody has told us what was said before. */
  #knows = false;

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
   * Asks one who may have been here before us.
   * @param {Peer} peer
   */
  ask(peer) {
    if (!this.#knows) peer.send({ ask: "history" }).catch(() => {}); // the next one is asked
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
      this.#tell(peer);
    } else if (Array.isArray(data?.history) && !this.#knows) {
      this.#learn(data.history);
    }
  }

  /** @param {Peer} peer */
  #tell(peer) {
    const now = Date.now(), history = [];
    let size = 0;
    for (const { id, name, text, at } of this.lines.slice(-TOLD).reverse()) {
      size += text.length + name.length + 80;
      if (size > TOLD_SIZE) break;
      history.unshift({ id, name, text, age: now - at });
    }
    if (history.length) peer.send({ history }).catch(() => {}); // it has gone
  }

  /** @param {any[]} history */
  #learn(history) {
    const now = Date.now();
    const lines = history.slice(-TOLD).filter((l) => typeof l?.id === "string" && typeof l.text === "string").map((l) => ({
      id: l.id.slice(0, 64), from: "", name: String(l.name ?? "").slice(0, 64), text: l.text.slice(0, LONGEST), at: now - Math.max(0, Number(l.age) || 0), own: false,
    }));
    this.#knows = lines.length > 0;
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
