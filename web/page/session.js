// @ts-check
// The way in and out: from the lobby into a room, and back. One visit at a time.

import { newRoom, readLink, showRoom } from "./link.js";
import { Media } from "./media.js";
import { change, go, state } from "./state.js";
import { keep, recall } from "./storage.js";
import { t } from "./words.js";

/** @typedef {import("./client/parley.js").ParleyError} ParleyError */
/** @typedef {import("./visit.js").Visit} Visit */

const NAME_KEY = "parley.nickname";

export const media = new Media();
export const ownName = () => recall(NAME_KEY) ?? "";
/** Called before a visit ends, while its pictures are still there. */
export const before = { leaving: () => {} };
let last = { passcode: "", meet: true };
/** Counts joins: what an earlier one has loaded is of no use. */
let joins = 0;

/** Loads what the lobby does not need. */
export const inside = () => import("./inside.js");

/**
 * Enters the room of the state.
 * @param {{name: string, passcode: string, meet: boolean}} how
 */
export async function enter({ name, passcode, meet }) {
  const { room } = state;
  if (!room || !go("joining", { needsPasscode: passcode !== "", panel: "", pinned: "", unread: 0, notices: [], silent: false })) return;
  keep(NAME_KEY, name);
  last = { passcode, meet };
  const { token } = readLink();
  showRoom(room);
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  const join = ++joins, loaded = await inside().catch(() => undefined);
  if (join !== joins || state.phase !== "joining") return;
  if (!loaded) {
    go("refused", { why: t("state.unreachable") });
    return;
  }
  const { sayRefusal } = loaded;
  /** @type {Visit} */
  const visit = new loaded.Visit({ url: url.href, room, name, token, passcode, meet }, media, {
    inside: () => { if (visit === state.visit) go("meeting"); },
    waits: (error) => { if (visit === state.visit) go("waiting", { why: error && error.code !== "unreachable" ? sayRefusal(error) : waitingFor(visit) }); },
    over: (error) => { if (visit === state.visit) end(visit, error, sayRefusal(error)); },
  });
  change({ visit });
}

/** @param {Visit} visit */
function waitingFor(visit) {
  return t(navigator.onLine === false ? "state.offline" : visit.blocked ? "state.blocked" : "state.unreachable");
}

/**
 * @param {Visit} visit
 * @param {ParleyError} error
 * @param {string} words
 */
function end(visit, error, words) {
  const why = error.code === "forbidden" && error.message ? error.message[0].toUpperCase() + error.message.slice(1) : words;
  if (state.phase === "meeting") {
    leave(why);
    return;
  }
  visit.leave();
  const needsPasscode = error.needs === "passcode";
  go("refused", { visit: undefined, needsPasscode, why: needsPasscode ? t(state.needsPasscode ? "error.passcode" : "error.needsPasscode") : why });
}

/** Stays in the lobby after all. */
export function cancel() {
  const { visit } = state;
  joins++;
  if (go("lobby", { visit: undefined })) visit?.leave();
}

/** @param {string} [why] where it was not our own wish */
export function leave(why = "") {
  const { visit } = state;
  if (state.phase !== "meeting" || !visit) return;
  before.leaving();
  go("left", { visit: undefined, why, panel: "", notices: [] });
  visit.leave();
  media.close();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  if (document.fullscreenElement) document.exitFullscreen();
}

/** Back into the room that was left. */
export function again() {
  media.open();
  enter({ name: ownName(), ...last });
}

/** @param {string} [room] one that nobody guesses, unless it is named */
export function toLobby(room = newRoom()) {
  const closed = state.phase === "left";
  if (!go("lobby", { room, needsPasscode: false, visit: undefined })) return;
  showRoom(room);
  if (closed) media.open();
}

/** Goes where the link in the address bar points to. */
export function followLink() {
  const { room } = readLink();
  if (state.visit && room === state.room) return;
  const closed = state.phase === "left" || state.phase === "meeting";
  if (state.phase === "meeting") leave();
  else if (!closed) cancel();
  go("lobby", { room, needsPasscode: false });
  if (closed) media.open();
}
