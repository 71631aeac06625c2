// @ts-check
// Figures with their course over the last minutes.

const KEPT = 150; // looks that a line shows

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
  return bucket?.le ?? Infinity;
}

/** @param {number} n */
function amount(n) {
  if (n >= 1e9) return `${(n / 1e9).toFixed(1)} G`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(1)} k`;
  return n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(1);
}

/** @param {number} seconds */
function time(seconds) {
  if (seconds === 0) return "–";
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  return seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(1)} ms` : `${Math.round(seconds * 1e6)} µs`;
}

/** @type {{name: string, of: (now: Status, before: Status, seconds: number) => number, show: (n: number) => string}[]} */
const SHOWN = [
  { name: "Connections", of: (s) => s.connections, show: amount },
  { name: "Rooms", of: (s) => s.rooms, show: amount },
  { name: "Members", of: (s) => s.members, show: amount },
  { name: "Lost, may resume", of: (s) => s.suspended, show: amount },
  { name: "Live calls", of: (s) => s.calls, show: amount },
  { name: "Messages a second", of: (s, b, t) => (s.messages_total - b.messages_total) / t, show: amount },
  { name: "Refusals a second", of: (s, b, t) => (s.refusals_total - b.refusals_total) / t, show: amount },
  { name: "Bytes a second", of: (s, b, t) => (s.sent_bytes_total - b.sent_bytes_total) / t, show: amount },
  { name: "Bytes waiting", of: (s) => s.outbox_bytes, show: amount },
  { name: "Loop, p99 below", of: (s, b) => p99(s.loop_seconds, b.loop_seconds), show: time },
  { name: "Transit, p99 below", of: (s, b) => p99(s.transit_seconds, b.transit_seconds), show: time },
  { name: "Heap bytes", of: (s) => s.heap_bytes, show: amount },
];

/** The figures, each with a line. */
export class Figures {
  /** @type {Status|undefined} */
  #before;
  #parts;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.#parts = SHOWN.map(({ name }) => {
      const box = document.createElement("div"), label = document.createElement("p"), value = document.createElement("strong");
      box.className = "figure";
      label.textContent = name;
      value.textContent = "–";
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", `0 0 ${KEPT} 40`);
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      svg.append(line);
      box.append(label, value, svg);
      parent.append(box);
      return { value, line, course: /** @type {number[]} */ ([]) };
    });
  }

  /** @param {Status} now */
  add(now) {
    const before = this.#before;
    this.#before = now;
    if (!before) return;
    const seconds = (Date.parse(now.now) - Date.parse(before.now)) / 1000;
    if (seconds <= 0) return;
    SHOWN.forEach(({ of, show }, i) => {
      const { value, line, course } = this.#parts[i];
      const n = of(now, before, seconds);
      value.textContent = show(n);
      course.push(n);
      if (course.length > KEPT) course.shift();
      const top = Math.max(...course, 1e-9);
      const x = KEPT - course.length;
      line.setAttribute("points", course.map((v, j) => `${x + j},${(38 - 36 * Math.min(1, v / top)).toFixed(1)}`).join(" "));
    });
  }
}
