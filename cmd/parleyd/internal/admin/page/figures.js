// @ts-check
// Figures with their course over the last five minutes, on an axis of time.

const SPAN = 300; // s that a line shows
const HEIGHT = 60; // of the drawing, in its own units

/**
 * @typedef {{count: number, buckets: {le: number, count: number}[]}} Histogram
 * @typedef {{now: string, connections: number, rooms: number, members: number, suspended: number, calls: number, outbox_bytes: number,
 *   messages_total: number, refusals_total: number, sent_bytes_total: number, heap_bytes: number,
 *   loop_seconds: Histogram, transit_seconds: Histogram}} Status
 */

/**
 * The bound under which 99 % of the observations between two looks are.
 * @param {Histogram} now
 * @param {Histogram} before
 */
function p99(now, before) {
  const n = now.count - before.count;
  if (n <= 0) return 0;
  const bucket = now.buckets.find((b, i) => b.count - before.buckets[i].count >= 0.99 * n);
  return bucket?.le ?? 10;
}

/** @param {number} n */
function amount(n) {
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} million`;
  return n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(1);
}

/** @param {number} n */
function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1000;
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

/** @param {number} seconds */
function time(seconds) {
  if (seconds === 0) return "–";
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(1)} ms` : `${Math.round(seconds * 1e6)} µs`;
}

/** @param {number} n */
const rate = (n) => `${amount(n)}/s`;

/**
 * bad: what is wrong from this value on, in words.
 * @typedef {{name: string, of: (now: Status, before: Status, seconds: number) => number, show: (n: number) => string,
 *   bad?: [from: number, words: string], rest?: boolean}} Figure
 */

/** @type {Figure[]} */
const SHOWN = [
  { name: "Members", of: (s) => s.members, show: amount },
  { name: "Live calls", of: (s) => s.calls, show: amount },
  { name: "Messages", of: (s, b, t) => (s.messages_total - b.messages_total) / t, show: rate },
  { name: "Refusals", of: (s, b, t) => (s.refusals_total - b.refusals_total) / t, show: rate, bad: [5, "many messages are refused"] },
  { name: "Waiting to be sent", of: (s) => s.outbox_bytes, show: bytes, bad: [8e6, "clients do not read fast enough"] },
  { name: "Transit, 99 % below", of: (s, b) => p99(s.transit_seconds, b.transit_seconds), show: time, bad: [.1, "messages are late"] },
  { name: "Rooms", of: (s) => s.rooms, show: amount, rest: true },
  { name: "Connections", of: (s) => s.connections, show: amount, rest: true },
  { name: "Lost, may resume", of: (s) => s.suspended, show: amount, rest: true },
  { name: "Sent", of: (s, b, t) => (s.sent_bytes_total - b.sent_bytes_total) / t, show: (n) => `${bytes(n)}/s`, rest: true },
  { name: "Loop, 99 % below", of: (s, b) => p99(s.loop_seconds, b.loop_seconds), show: time, bad: [.05, "the loop is slow"], rest: true },
  { name: "Heap", of: (s) => s.heap_bytes, show: bytes, rest: true },
];

/**
 * The end of an axis that goes up to a value: 1, 2 or 5 times a power of ten.
 * @param {number} n
 */
function roundUp(n) {
  if (n <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(n));
  return power * ([1, 2, 5].find((m) => m * power >= n * .999) ?? 10);
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function shape(name, attributes) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
}

class Card {
  root = document.createElement("div");
  #value = document.createElement("strong");
  #top = document.createElement("span");
  #warning = document.createElement("p");
  #line = shape("polyline", {});
  /** @type {{at: number, n: number}[]} at: s since 1970 */
  #course = [];
  #figure;
  #hovered = -1; // from 0 to 1 of the span; -1: none

  /** @param {Figure} figure */
  constructor(figure) {
    this.#figure = figure;
    this.root.className = "figure";
    const label = document.createElement("p"), axis = document.createElement("p");
    label.textContent = figure.name;
    this.#value.textContent = "–";
    this.#top.className = "top";
    this.#warning.className = "warning";
    this.#warning.hidden = true;
    axis.className = "axis";
    axis.append(...["5 min ago", "now"].map((words) => Object.assign(document.createElement("span"), { textContent: words })));
    const svg = shape("svg", { viewBox: `0 0 ${SPAN} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(shape("path", { d: `M0 .5H${SPAN}M0 ${HEIGHT / 2}H${SPAN}M0 ${HEIGHT - .5}H${SPAN}`, class: "grid" }), this.#line);
    this.root.append(label, this.#value, this.#top, svg, axis, this.#warning);
    this.root.onpointermove = ({ clientX }) => {
      const box = svg.getBoundingClientRect();
      this.#hovered = (clientX - box.left) / box.width;
      this.#tell();
    };
    this.root.onpointerleave = () => {
      this.#hovered = -1;
      this.#tell();
    };
  }

  /**
   * @param {number} at
   * @param {number} n
   */
  add(at, n) {
    this.#course.push({ at, n });
    while (this.#course[0].at < at - SPAN) this.#course.shift();
    const top = roundUp(1.1 * Math.max(...this.#course.map((p) => p.n))); // a line that is even is not at the edge
    this.#top.textContent = this.#figure.show(top);
    const y = (/** @type {number} */ v) => (HEIGHT - 1 - (HEIGHT - 2) * Math.min(1, v / top)).toFixed(1);
    this.#line.setAttribute("points", this.#course.map((p) => `${(SPAN - (at - p.at)).toFixed(1)},${y(p.n)}`).join(" "));
    const [from, words] = this.#figure.bad ?? [Infinity, ""];
    this.root.classList.toggle("bad", n >= from);
    this.#warning.hidden = n < from;
    this.#warning.textContent = words;
    this.#tell();
  }

  /** Tells the value of now, or the one under the pointer. */
  #tell() {
    const last = this.#course.at(-1);
    if (!last) return;
    const wanted = last.at - SPAN + SPAN * this.#hovered;
    const shown = this.#hovered < 0 ? last : this.#course.reduce((best, p) => Math.abs(p.at - wanted) < Math.abs(best.at - wanted) ? p : best);
    this.#value.textContent = this.#figure.show(shown.n) + (shown === last ? "" : ` at ${new Date(1000 * shown.at).toLocaleTimeString("en", { hour12: false })}`);
  }
}

/** The figures, each with a line. */
export class Figures {
  /** @type {Status|undefined} */
  #before;
  #cards;

  /**
   * @param {HTMLElement} parent
   * @param {HTMLElement} rest of those that matter less
   */
  constructor(parent, rest) {
    this.#cards = SHOWN.map((figure) => {
      const card = new Card(figure);
      (figure.rest ? rest : parent).append(card.root);
      return card;
    });
  }

  /** @param {Status} now */
  add(now) {
    const before = this.#before;
    this.#before = now;
    if (!before) return;
    const at = Date.parse(now.now) / 1000, seconds = at - Date.parse(before.now) / 1000;
    // A server that has started anew counts from 0.
    if (seconds <= 0 || now.messages_total < before.messages_total) return;
    SHOWN.forEach(({ of }, i) => this.#cards[i].add(at, Math.max(0, of(now, before, seconds))));
  }
}
