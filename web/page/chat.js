// @ts-check
// The chat of a room, with its history from before we came.

/** @typedef {import("./client/parley.js").Peer} Peer */
/** @typedef {import("./client/parley.js").Room} Room */
/** @typedef {{id: string, from: string, name: string, text: string, at: number, own: boolean, failed?: boolean}} Line */

const KEPT = 500; // lines
const TOLD_SIZE = 10_000; // characters that a latecomer is told of at once: they fit a message of the server in any script
const LONGEST = 4_000; // characters of a line
const FEW = 3; // members to whom a line goes one by one through the server, and not to all
/**
 * Through the server less is told, and few are asked, since one answer is mostly enough. tellings: as
 * many at once, and one more every so many ms; patience: ms until the next one is asked.
 */
const FAR = { pieces: 4, tellings: 5, every: 2_000, asked: 3, patience: 5_000 };

export class Chat {
  /** @type {readonly Line[]} by time */
  lines = [];
  #room;
  #nameOf;
  #changed;
  /** Those whom we have asked what was said before. */
  #asked = /** @type {Set<string>} */ (new Set());
  /** Those whom we have asked through the server, with what is to be done when the answer is complete. */
  #askedFar = /** @type {Map<string, () => void>} */ (new Map());
  /** When the first piece of each answer came: from then on its ages count, however long the rest takes. */
  #answers = /** @type {Map<string, number>} */ (new Map());
  /** Whether we know of what was said before us what others do. */
  #whole = false;
  #toldUpTo = 0; // ms since 1970 at which all that was told through the server is forgotten

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
    const room = this.#room, near = [...room.peers.values()].filter((peer) => peer.direct);
    const far = room.members.filter((id) => id !== room.id && !room.peers.get(id)?.direct);
    const sending = near.map((peer) => peer.send(message));
    // A line that comes twice is shown once.
    if (far.length > FEW) sending.push(room.send(message));
    else sending.push(...far.map((id) => room.send(message, id)));
    for (const sent of sending) {
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
   * Asks members one after the other, through the server, what was said before we came, until one
   * knows all of it: who is in no call has no other way.
   */
  async seek() {
    const room = this.#room, others = room.members.filter((id) => id !== room.id).sort(() => Math.random() - .5);
    for (const id of others.slice(0, FAR.asked)) {
      if (this.#whole || !room.rights.includes("message")) break;
      await new Promise((/** @type {(nothing: void) => void} */ resolve) => {
        this.#askedFar.set(id, resolve);
        room.send({ ask: "history" }, id).catch(() => resolve()); // it has gone
        setTimeout(resolve, FAR.patience);
      });
    }
    this.#whole = true;
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
      this.#tell((piece) => peer.send(piece)).catch(() => {}); // it has gone
    } else if (data?.ask === "history") {
      this.#tellFar(from);
    } else if (Array.isArray(data?.history) && (this.#asked.has(from) || this.#askedFar.has(from))) {
      const answer = `${peer ? "straight" : "far"} ${from}`, since = this.#answers.get(answer) ?? Date.now();
      this.#answers.set(answer, since);
      this.#learn(data.history, since);
      if (typeof data.whole !== "boolean") return;
      this.#answers.delete(answer);
      this.#whole ||= data.whole;
      this.#askedFar.get(from)?.();
    }
  }

  /**
   * Tells one through the server. Who asks all the time can't have us send all the time.
   * @param {string} to
   */
  #tellFar(to) {
    const now = Date.now(), upTo = Math.max(this.#toldUpTo, now) + FAR.every;
    if (upTo > now + FAR.tellings * FAR.every || !this.#room.rights.includes("message")) return; // it asks another
    this.#toldUpTo = upTo;
    this.#tell((piece) => this.#room.send(piece, to), FAR.pieces).catch(() => {}); // it has gone
  }

  /**
   * Tells one all that was said, the newest first, in pieces that fit a message. The last says
   * whether that is all that anybody here knows.
   * @param {(piece: object) => Promise<void>} send
   * @param {number} [most] pieces
   */
  async #tell(send, most = Infinity) {
    const now = Date.now(), { lines } = this;
    let end = lines.length, last = false;
    for (let piece = 1; !last; piece++) {
      let size = 0;
      const history = [];
      for (; end > 0; end--) {
        const { id, name, text, at } = lines[end - 1];
        size += text.length + name.length + 80;
        if (size > TOLD_SIZE && history.length) break;
        history.unshift({ id, name, text, age: now - at });
      }
      last = piece === most || !end;
      await send({ history, ...(last && { whole: this.#whole }) });
    }
  }

  /**
   * @param {any[]} history
   * @param {number} now when the ages in it were true
   */
  #learn(history, now) {
    const lines = history.slice(-KEPT).filter((l) => typeof l?.id === "string" && typeof l.text === "string").map((l) => ({
      id: l.id.slice(0, 64), from: "", name: String(l.name ?? "").slice(0, 64), text: l.text.slice(0, LONGEST), at: now - Math.max(0, Number(l.age) || 0), own: false,
    }));
    if (this.#add(lines, true)) this.#changed();
  }

  /**
   * @param {Line[]} lines
   * @param {boolean} [before] of those of one moment they were said before the ones that we have
   */
  #add(lines, before = false) {
    const known = new Set(this.lines.map(({ id }) => id));
    const fresh = lines.filter(({ id }) => !known.has(id));
    if (!fresh.length) return false;
    this.lines = (before ? [...fresh, ...this.lines] : [...this.lines, ...fresh]).sort((a, b) => a.at - b.at).slice(-KEPT);
    if (lines[0].own) this.#changed();
    return true;
  }
}
