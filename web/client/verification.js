// @ts-check
// Makes sure that nobody stands between two ends of a connection, the server included. Both
// commit to a nonce before either reveals one; the code that both show follows from the
// nonces and from the fingerprints of the certificates that each end sees.

import { ParleyError } from "./errors.js";

const TIME = 20_000; // ms for the other side to answer
const SYMBOLS = 5; // of 64 each: 30 bits

/** Emoji that are told apart at a glance, each with a short word to say. */
const LIST = ("🐶dog 🐱cat 🐴horse 🐮cow 🐷pig 🐭mouse 🐰rabbit 🐻bear 🐼panda 🐵monkey 🦁lion 🐔chicken 🐧penguin 🐢turtle 🐟fish 🐙octopus " +
  "🐝bee 🦋butterfly 🌵cactus 🌲tree 🍄mushroom 🌍earth 🌙moon ⭐star 🔥fire 🌈rainbow ⛄snowman ⚡lightning 🍎apple 🍌banana 🍋lemon 🍒cherry " +
  "🍓strawberry 🍕pizza 🍞bread 🎂cake 🧀cheese 🥚egg ☕coffee 🎩hat 👓glasses 👑crown 🎁gift 🎈balloon 🎸guitar 🥁drum 🎺trumpet 🔔bell " +
  "🔑key 🔨hammer ✂️scissors 💡lamp 📖book ✏️pencil 📷camera 📞phone ⏰clock ☂️umbrella ⚽ball 🏆trophy 🚗car 🚲bicycle ✈️plane 🚀rocket").split(" ");

/** @typedef {{emoji: string[], words: string[]}} Verification five emoji, and the word for each */

export class Verifier {
  #pc;
  #send;
  /** @type {(frame: any) => void} takes what the other side sends */
  #take = () => {};
  #theirs = new Promise((/** @type {(frame: any) => void} */ resolve) => { this.#take = resolve; });
  /** @type {(nonce: string) => void} */
  #reveal = () => {};
  #revealed = new Promise((/** @type {(nonce: string) => void} */ resolve) => { this.#reveal = resolve; });
  /** @type {Promise<Verification>|undefined} */
  #run;

  /**
   * @param {RTCPeerConnection} pc
   * @param {(frame: any) => void} send to the other side, straight
   */
  constructor(pc, send) {
    this.#pc = pc;
    this.#send = send;
  }

  /** @param {{commit?: string, nonce?: string}} frame of the other side: the first of each kind counts */
  receive({ commit, nonce }) {
    if (commit) this.#take(commit);
    if (nonce) this.#reveal(nonce);
    this.#once().catch(() => {}); // whoever asks hears of it
  }

  /** Waits for the code, a while. Asked again, it goes on waiting for the same. */
  start() { return soon(this.#once()); }

  /** Runs once for a connection: each further try would give an attacker another guess. */
  #once() { return this.#run ??= this.#verify(); }

  async #verify() {
    const ours = fingerprints(this.#pc.localDescription?.sdp), theirs = fingerprints(this.#pc.remoteDescription?.sdp);
    const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
    this.#send({ commit: await hash("commit", ours, nonce) });
    const commitment = await this.#theirs;
    this.#send({ nonce });
    const other = await this.#revealed;
    if (!ours || !theirs || await hash("commit", theirs, other) !== commitment) {
      throw new ParleyError("verification_failed", "the other side has not kept to its nonce: somebody may stand between");
    }
    const digest = await hash("code", ...[`${ours} ${nonce}`, `${theirs} ${other}`].sort());
    const bits = BigInt(`0x${digest}`);
    const picked = Array.from({ length: SYMBOLS }, (_, i) => LIST[Number(bits >> BigInt(6 * i) & 63n)]);
    return {
      emoji: picked.map((symbol) => symbol.replace(/\w+/, "")),
      words: picked.map((symbol) => /\w+/.exec(symbol)?.[0] ?? ""),
    };
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function soon(promise) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new ParleyError("timeout", "the other side does not answer")), TIME);
  });
  return Promise.race([promise, /** @type {Promise<T>} */ (late)]).finally(() => clearTimeout(timer));
}

/**
 * Returns all fingerprints of a description: one more that somebody has put in changes the code.
 * @param {string} [sdp]
 */
export function fingerprints(sdp = "") {
  const all = sdp.match(/^a=fingerprint:.*$/gm) ?? [];
  return [...new Set(all.map((line) => line.trim().toLowerCase()))].sort().join();
}

/** @param {string[]} parts */
async function hash(...parts) {
  const text = new TextEncoder().encode(["parley verification 1", ...parts].join("\n"));
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", text)));
}

/** @param {Uint8Array} bytes */
function hex(bytes) { return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(""); }
