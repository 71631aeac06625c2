// @ts-check
// The way to the server: one WebSocket after another. Notices when one is dead, and waits
// longer and longer between tries that lead nowhere.

import { missing } from "./errors.js";

const FIRST_DELAY = 500; // ms before the first new try; doubled for each further one
const LONGEST_DELAY = 15_000; // ms
const LASTING = 10_000; // ms that a membership has to last for the delay to begin anew
const QUIET = 20_000; // ms without a message until the server is asked for a sign of life
const PATIENCE = 10_000; // ms for that sign, and for a connection to open
const PROBE = 2_000; // ms for the sign of life where the network is known to have changed

/**
 * - open: a WebSocket is open; message: one has come
 * - ping: the server is to be asked for a sign of life
 * - lost: the WebSocket has closed with this code, or is dead (1006); says whether to try again
 * - state: it is being opened, or the next try has to wait
 * @typedef {{
 *   open: () => void, message: (text: string) => void, ping: () => void,
 *   lost: (code: number, reason: string) => boolean, state: (state: "connecting"|"waiting") => void,
 * }} LinkEvents
 */

export class Link {
  #waiting = false;
  /** @type {WebSocket|undefined} */
  #socket;
  /** @type {WebSocket[]} that do not answer, until the membership has gone over to another */
  #abandoned = [];
  #url;
  #Socket;
  #events;
  #delay = FIRST_DELAY;
  #opened = false;
  #began = 0; // when the try began
  #joined = 0; // when the membership began or went on, on this WebSocket; 0: it did not
  #probing = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #signOfLife;

  /**
   * @param {string} url
   * @param {typeof WebSocket|undefined} Socket
   * @param {LinkEvents} events
   */
  constructor(url, Socket, events) {
    this.#url = url;
    this.#Socket = Socket ?? globalThis.WebSocket;
    this.#events = events;
    if (!this.#Socket) throw missing("WebSocket");
  }

  connect() {
    this.#abandon();
    this.#waiting = false;
    this.#began = Date.now();
    this.#joined = 0;
    this.#opened = false;
    const socket = new this.#Socket(this.#url, "parley.v1");
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
      this.#listen(QUIET);
      this.#events.open();
    };
    socket.onmessage = ({ data }) => {
      this.#listen(QUIET);
      this.#events.message(String(data));
    };
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    socket.onerror = () => { if (!this.#opened) this.#lost(1006); }; // Node 20 closes no socket that could not be opened
    this.#signOfLife = setTimeout(() => this.#lost(1006), PATIENCE);
    this.#events.state("connecting"); // last: a listener may close all
  }

  /** The membership goes on here: former WebSockets have served. */
  joined() {
    this.#joined = Date.now();
    this.sweep();
  }

  /** Lets go of the WebSocket, but not of former ones, and tries again later. */
  retry() {
    this.#socket?.close();
    this.#abandon();
    this.#later();
  }

  /** Closes all that is open. */
  close() {
    this.#abandon();
    this.sweep();
  }

  /** Closes former WebSockets. */
  sweep() { for (const socket of this.#abandoned.splice(0)) socket.close(); }

  /** @param {string} text */
  write(text) {
    if (this.#socket?.readyState === 1) this.#socket.send(text);
  }

  /** The network may have changed: makes sure within two seconds that there is a connection. */
  probe() {
    if (this.#waiting || this.#socket && !this.#joined && Date.now() - this.#began > PROBE) {
      this.connect();
    } else if (this.#joined && this.#socket && !this.#probing) {
      this.#probing = true;
      this.#ask(PROBE);
    }
  }

  /**
   * Waits for a message, asks for one then, and takes the WebSocket for dead when none comes.
   * @param {number} time ms
   */
  #listen(time) {
    this.#probing = false;
    clearTimeout(this.#signOfLife);
    this.#signOfLife = setTimeout(() => this.#ask(PATIENCE), time);
  }

  /** @param {number} patience ms */
  #ask(patience) {
    clearTimeout(this.#signOfLife);
    this.#signOfLife = setTimeout(() => this.#lost(1006), patience);
    this.#events.ping();
  }

  /**
   * Lets go of the WebSocket without closing one that was open: a close frame that arrives after
   * all would end the membership that is to be continued.
   */
  #abandon() {
    clearTimeout(this.#timer);
    clearTimeout(this.#signOfLife);
    this.#probing = false;
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {}; // without a listener it would end a Node process
    if (socket.readyState) this.#abandoned.push(socket);
    else socket.close();
  }

  /**
   * @param {number} code of the close frame, or 1006
   * @param {string} [reason]
   */
  #lost(code, reason = "") {
    const probed = this.#probing;
    if (this.#joined && Date.now() - this.#joined > LASTING) this.#delay = FIRST_DELAY;
    this.#abandon();
    if (!this.#events.lost(code, reason)) return;
    if (probed) this.connect();
    else this.#later();
  }

  #later() {
    // Others were cut off with us: let us not all come back at the same moment.
    const delay = this.#delay * (0.5 + Math.random());
    this.#delay = Math.min(2 * this.#delay, LONGEST_DELAY);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), delay);
    this.#waiting = true;
    this.#events.state("waiting");
  }
}
