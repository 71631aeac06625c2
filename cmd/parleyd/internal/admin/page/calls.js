// @ts-check
// Calls: those that are live and those of the last hour, and the story of one.

import { age, button, element, fill, row } from "./table.js";

/**
 * @typedef {{id: string, room: string, from: string, to: string, state: string, live: boolean, started: string, ended?: string,
 *   reason?: string, cause?: string, by?: string, offers: number, setup?: number, path?: string, protocol?: string,
 *   rtt?: number, rtt_worst?: number, loss?: number, loss_worst?: number}} Call
 * @typedef {{time: string, what: string, by?: string, reason?: string, report?: Record<string, string|number>}} Step
 * @typedef {Call & {story: Step[], omitted?: number}} Detail
 */

/** @param {number|undefined} seconds */
function time(seconds) {
  if (seconds === undefined) return "";
  return seconds >= 10 ? `${Math.round(seconds)} s` : seconds >= 1 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds * 1e3)} ms`;
}

/** @param {number|undefined} share */
function percent(share) {
  return share === undefined ? "" : `${(share * 100).toFixed(1)} %`;
}

/** @param {Call} c */
function route(c) {
  return [c.path, c.protocol].filter(Boolean).join("/");
}

/** @param {Call} c how long it has lasted, or lasted */
function length(c) {
  return c.ended ? time((Date.parse(c.ended) - Date.parse(c.started)) / 1000) : age(c.started);
}

/** @param {Step} s */
function said(s) {
  if (!s.report) return s.reason ?? "";
  const { outcome, ...figures } = s.report;
  return [outcome, ...Object.entries(figures).map(([name, value]) => `${name} ${value}`)].filter(Boolean).join(", ");
}

export class Calls {
  shown = ""; // the id of the call whose story is shown
  #look;
  #contains = element("calls-contain", HTMLInputElement);
  #live = element("calls-live", HTMLInputElement);

  /** @param {() => void} look asks anew */
  constructor(look) {
    this.#look = look;
    this.#contains.addEventListener("input", look);
    this.#live.addEventListener("change", look);
    element("call-dismiss").addEventListener("click", () => this.#open(""));
  }

  /** The parameters of the list's request. */
  query() {
    return new URLSearchParams({ limit: "50", contains: this.#contains.value, ...(this.#live.checked && { live: "true" }) });
  }

  /** @param {string} id */
  #open(id) {
    this.shown = id;
    this.#look();
  }

  /**
   * @param {{items: Call[], total: number}} list
   * @param {Detail|undefined} detail of the call that is shown
   */
  draw({ items, total }, detail) {
    fill(element("calls"), items.map((c) => row([
      button(`${c.from} → ${c.to}`, "name", () => this.#open(c.id), `${c.from} → ${c.to}, call ${c.id}`),
      c.room, c.state, route(c), time(c.setup), time(c.rtt), percent(c.loss), length(c),
    ], [4, 5, 6, 7])));
    const more = total - items.length;
    element("calls-more").textContent = total === 0 ? "No calls." : more > 0 ? `and ${more.toLocaleString("en")} more` : "";
    element("call").hidden = !detail;
    if (detail) this.#drawStory(detail);
  }

  /** @param {Detail} c */
  #drawStory(c) {
    element("call-title").textContent = `${c.from} called ${c.to} in ${c.room}: ${c.state}`;
    element("call-words").textContent = [
      c.reason && `ended by ${c.by ?? "nobody"} (${c.reason})`, c.cause && `cause: ${c.cause}`, route(c), c.setup !== undefined && `set up in ${time(c.setup)}`,
      c.rtt !== undefined && `round-trip time ${time(c.rtt)}${c.rtt_worst === undefined ? "" : `, at worst ${time(c.rtt_worst)}`}`,
      c.loss !== undefined && `loss ${percent(c.loss)}${c.loss_worst === undefined ? "" : `, at worst ${percent(c.loss_worst)}`}`,
      `${c.offers} ${c.offers === 1 ? "offer" : "offers"}`, c.omitted && `${c.omitted} steps in the middle are not kept`,
    ].filter(Boolean).join("; ");
    fill(element("story"), c.story.map((s) => row([new Date(s.time).toLocaleTimeString("en", { hour12: false }), s.what, s.by ?? "", said(s)], [])));
  }
}
