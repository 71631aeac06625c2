// @ts-check
// The one state that everything on the page is drawn from.

import { keep, recallObject } from "./storage.js";

/**
 * How far a visit is:
 * - lobby: the preview; refused: the same, and why the last try to join did not lead in
 * - joining: on the way in; waiting: there is no place or no server, and it is tried again
 * - meeting: in the room, with a connection to the server or, for a while, without
 * - left: after it
 * @typedef {"lobby"|"refused"|"joining"|"waiting"|"meeting"|"left"} Phase
 */

/** @type {Record<Phase, Phase[]>} what may follow */
const NEXT = {
  lobby: ["joining", "lobby"], refused: ["joining", "lobby"], joining: ["waiting", "meeting", "refused", "lobby"],
  waiting: ["waiting", "meeting", "refused", "lobby"], meeting: ["left", "lobby"], left: ["joining", "lobby"],
};
const SETTINGS_KEY = "parley.settings";

/** @typedef {{id: number, text: string, kind: "notice"|"message"|"error"}} Notice message: it stands in the chat too */

/**
 * - room: the one in the link, or "": none
 * - why: why we are refused, wait, or have left; "": no reason
 * - pinned: the tile that was made large, or ""
 * - unread: messages that came while the chat was closed
 * - silent: the browser wants a click before it plays sound
 * - kept: files that came and that nobody may have saved, for after the meeting
 * @typedef {{
 *   phase: Phase, room: string, why: string, needsPasscode: boolean, visit: import("./visit.js").Visit|undefined,
 *   panel: ""|"people"|"chat"|"advanced", view: "auto"|"grid"|"speaker", pinned: string, unread: number,
 *   notices: readonly Notice[], silent: boolean, recording: boolean, kept: readonly {name: string, size: number, blob: Blob}[],
 *   settings: {sounds: boolean, letters: boolean, notify: boolean},
 * }} State
 */

/** @type {State} */
export const state = {
  phase: "lobby", room: "", why: "", needsPasscode: false, visit: undefined, panel: "", view: "auto", pinned: "", unread: 0,
  notices: [], silent: false, recording: false, kept: [], settings: { sounds: true, letters: true, notify: globalThis.Notification?.permission === "granted", ...recallObject(SETTINGS_KEY) },
};

/** @type {Set<(now: State) => void>} */
const drawers = new Set();
let due = false;

/** @param {(now: State) => void} draw called after each change, and now */
export function drawn(draw) {
  drawers.add(draw);
  redraw();
}

/** Draws anew, once for all changes of a moment. */
export function redraw() {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    due = false;
    for (const draw of drawers) draw(state);
  });
}

/** @param {Partial<State>} part */
export function change(part) {
  Object.assign(state, part);
  redraw();
}

/**
 * Goes on to another phase, if it may follow.
 * @param {Phase} phase
 * @param {Partial<State>} [part]
 */
export function go(phase, part = {}) {
  if (!NEXT[state.phase].includes(phase)) return false;
  change({ why: "", ...part, phase });
  return true;
}

/** @param {Partial<State["settings"]>} part */
export function set(part) {
  change({ settings: { ...state.settings, ...part } });
  keep(SETTINGS_KEY, JSON.stringify(state.settings));
}

const MOST = 3; // notices at a time
const LASTS = { notice: 6_000, message: 6_000, error: 15_000 }; // ms that they are seen
let last = 0;

/**
 * Tells of something, for a while in which the page is seen.
 * @param {string} text
 * @param {Notice["kind"]} [kind] an error gives way to other errors alone
 */
export function notice(text, kind = "notice") {
  if (state.notices.some((n) => n.text === text)) return;
  const id = ++last, all = [...state.notices, { id, text, kind }];
  while (all.length > MOST) all.splice(Math.max(0, all.findIndex((n) => n.kind !== "error")), 1);
  change({ notices: all });
  const count = () => setTimeout(() => {
    if (document.hidden) document.addEventListener("visibilitychange", count, { once: true });
    else dismiss(id);
  }, LASTS[kind]);
  count();
}

/** Those that are of use after a meeting has begun or ended. */
export const lasting = () => state.notices.filter(({ kind }) => kind === "error");

/** Shows the chat, where all that is unread stands. */
export function openChat() { change({ panel: "chat", unread: 0, notices: state.notices.filter(({ kind }) => kind !== "message") }); }

/** @param {number} id */
export function dismiss(id) {
  if (state.notices.some((n) => n.id === id)) change({ notices: state.notices.filter((n) => n.id !== id) });
}
