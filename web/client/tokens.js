// @ts-check
// Asks the application for tokens, and tells the server the next one before ours expires.

const AHEAD = 60_000; // ms before a token expires that the next is asked for; half the time left if that is less
const SHORT = 2_000; // ms: a token that has less left would be asked for all the time
const PAUSE = 5_000; // ms until another try after one that failed, or a token that is over by our clock
const LONG_PAUSE = 60_000; // ms, where the server can't take tokens now, or never

export class Tokens {
  #get;
  #send;
  #later;
  #token = /** @type {string|undefined} */ (undefined); // what was given last

  /**
   * @param {() => string|undefined|Promise<string|undefined>} get
   * @param {(token: string) => Promise<void>} send
   * @param {(time: number, then: () => void) => void} later in place of what was to be done then
   */
  constructor(get, send, later) {
    this.#get = get;
    this.#send = send;
    this.#later = later;
  }

  /** Asks for one to join with. */
  async ask() { return this.#token = await this.#get() ?? undefined; }

  /** @param {string} expires when our token does */
  renewAhead(expires) {
    const left = Date.parse(expires) - Date.now();
    this.#again(left > SHORT ? Math.max(left - AHEAD, left / 2) : PAUSE);
  }

  /**
   * Tells the server our token, if there is one. The answer tells when it expires.
   * @param {boolean} [next] the next one
   */
  async renew(next) {
    try {
      if (next) await this.ask();
      if (this.#token) await this.#send(this.#token);
    } catch (error) {
      this.#again(/** @type {any} */ (error)?.code === "unavailable" ? LONG_PAUSE : PAUSE);
    }
  }

  /** @param {number} time ms until the next is asked for */
  #again(time) {
    this.#later(time, () => this.renew(true));
  }
}
