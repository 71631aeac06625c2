// @ts-check
// The way in and out: from the lobby into a room, and back. One visit at a time.

import { newRoom, readLink, showRoom } from "./link.js";
import { load } from "./load.js";
import { Media } from "./media.js";
import { change, go, lasting, state } from "./state.js";
import { keep, recall } from "./storage.js";
import { t } from "./words.js";

/** @typedef {import("./client/parley.js").ParleyError} ParleyError */
/** @typedef {import("./visit.js").Visit} Visit */

const NAME_KEY = "parley.nickname";
const AGAIN = 2_000; // ms until what could not be loaded is asked for again

export const media = new Media();
export const ownName = () => recall(NAME_KEY) ?? "";
/** Called before a visit ends, while its pictures are still there. */
export const before = { leaving: () => {} };
let last = { passcode: "", meet: true };
/** Counts joins: what an earlier one has loaded is of no use. */
let joins = 0;

/** Loads what the lobby does not need. */
/** @returns {Promise<typeof import("./inside.js")>} */
export const inside = () => load("inside.js");

/**
 * Enters the room of the state.
 * @param {{name: string, passcode: string, meet: boolean}} how
 */
export async function enter({ name, passcode, meet }) {
  const { room } = state;
  if (!room || !go("joining", { needsPasscode: passcode !== "", panel: "", pinned: "", unread: 0, notices: lasting(), silent: false })) return;
  keep(NAME_KEY, name);
  if (!window.RTCPeerConnection) {
    go("refused", { why: t("error.unsupported") });
    return;
  }
  last = { passcode, meet };
  showRoom(room);
  const { token } = readLink(); // that was kept
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  const join = ++joins, loaded = await whole(() => join === joins);
  if (!loaded) return;
  const { sayRefusal } = loaded;
  /** @type {Visit} */
  const visit = new loaded.Visit({ url: url.href, room, name, token, passcode, meet }, media, {
    inside: () => { if (visit === state.visit) go("meeting"); },
    waits: (error) => { if (visit === state.visit) go("waiting", { why: error && error.code !== "unreachable" ? sayRefusal(error) : waitingFor(visit) }); },
    over: (error) => { if (visit === state.visit) end(visit, error, sayRefusal(error)); },
  });
  change({ visit });
}

/**
 * Loads the rest of the page, as often as it takes.
 * @param {() => boolean} wanted whether it is still
 */
async function whole(wanted) {
  while (wanted()) {
    const loaded = await inside().catch(() => undefined);
    if (!wanted()) return undefined;
    if (loaded) return loaded;
    go("waiting", { why: waitingFor() });
    await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
  }
  return undefined;
}

/** @param {Visit} [visit] */
function waitingFor(visit) {
  return t(navigator.onLine === false ? "state.offline" : visit?.blocked ? "state.blocked" : "state.unreachable");
}

/**
 * @param {Visit} visit
 * @param {ParleyError} error
 * @param {string} words
 */
function end(visit, error, words) {
  if (state.phase === "meeting") {
    leave(words);
    return;
  }
  visit.leave();
  const needsPasscode = error.needs === "passcode";
  go("refused", { visit: undefined, needsPasscode, why: needsPasscode ? t(state.needsPasscode ? "error.passcode" : "error.needsPasscode") : words });
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
  const came = visit.transfers.flatMap(({ incoming, name, size, blob }) => incoming && blob ? [{ name, size, blob }] : []);
  go("left", { visit: undefined, why, panel: "", notices: lasting(), kept: [...state.kept, ...came] });
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
  const { room, off } = readLink();
  if (state.visit && room === state.room) return;
  const closed = state.phase === "left" || state.phase === "meeting";
  if (state.phase === "meeting") leave();
  else if (!closed) cancel();
  go("lobby", { room, needsPasscode: false });
  if (closed) media.open(off);
}
