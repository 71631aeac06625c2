// @ts-check
// The calls that are made to us and not taken yet, with what has come of each.

/** @typedef {import("./signaling.js").Message} Message */
/** @typedef {import("./peer.js").Peer} Peer */
/** @typedef {import("./events.js").Incoming} Incoming */

const MOST = 100; // messages kept of a call

export class Ringing {
  /** @type {Map<string, {call: Incoming, messages: Message[]}>} */
  #calls = new Map();
  #start;
  #decline;

  /**
   * @param {(from: string) => Peer} start a call is taken
   * @param {(from: string, reason: string) => void} decline it is not
   */
  constructor(start, decline) {
    this.#start = start;
    this.#decline = decline;
  }

  /** From whom there is a call. */
  get ids() { return [...this.#calls.keys()]; }

  get calls() { return [...this.#calls.values()].map(({ call }) => call); }

  /** @param {string} from */
  get(from) { return this.#calls.get(from)?.call; }

  /**
   * Keeps what comes of a call.
   * @param {string} from
   * @param {Message} message
   * @returns {boolean} whether there is one
   */
  keep(from, message) {
    const messages = this.#calls.get(from)?.messages;
    if (messages && messages.length < MOST) messages.push(message);
    return Boolean(messages);
  }

  /** @param {string} from whose call is over */
  end(from) { return this.#calls.delete(from); }

  /**
   * @param {string} from
   * @param {Message} offer
   */
  begin(from, offer) {
    const messages = [offer];
    const take = () => this.#calls.get(from)?.messages === messages && this.end(from);
    /** @type {Incoming} */
    const call = {
      from,
      accept: () => {
        if (!take()) return undefined;
        const peer = this.#start(from);
        queueMicrotask(() => { for (const message of messages) peer.receive(message); }); // when somebody listens
        return peer;
      },
      decline: (reason = "declined") => { if (take()) this.#decline(from, reason); },
    };
    this.#calls.set(from, { call, messages });
    return call;
  }
}
