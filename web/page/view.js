// @ts-check
// Draws a meeting from the state: tiles, header, controls, calls and notices.

import { element, hue, initials, press, write } from "./elements.js";
import { load } from "./load.js";
import { drawDevices } from "./lobby.js";
import { drawPeople } from "./people.js";
import { showPerson } from "./person.js";
import { media } from "./session.js";
import { ring } from "./sounds.js";
import { Stage } from "./stage.js";
import { change, notice, state } from "./state.js";
import { drawTalk } from "./talk.js";
import { t } from "./words.js";

/** @typedef {import("./visit.js").Visit} Visit */
/** @typedef {import("./stage.js").Look} Look */

export const stage = new Stage((silent) => { if (silent !== state.silent) change({ silent }); });

const panels = /** @type {const} */ (["people", "chat", "advanced"]);
const meeting = element("meeting"), incoming = element("incoming");
/** @type {(visit: Visit) => void} loaded when it is first shown */
let drawDetails;
/** @type {Notification|undefined} */
let notification;
let opened = ""; // the panel that was drawn last
/** @type {HTMLElement|null} what had the focus before a panel */
let opener = null;

/** Draws the page but for the lobby. */
export function drawMeeting() {
  const { phase, visit } = state;
  meeting.hidden = phase !== "meeting";
  document.body.dataset.phase = phase;
  drawTitle(visit);
  if (!visit || phase !== "meeting") {
    stage.show([]);
    opened = "";
    return;
  }
  visit.tellMedia();
  drawStage(visit);
  drawHeader(visit);
  drawControls(visit);
  drawCalls(visit);
  drawPanels(visit);
}

/** @param {Visit} visit */
function drawStage(visit) {
  const looks = [...others(visit), own(visit)];
  const screen = looks.find((look) => look.screen)?.key;
  const last = visit.meeting.speaker, speaker = state.view !== "speaker" ? "" : looks.some(({ key }) => key === last) ? last : looks[0].key;
  const large = looks.some(({ key }) => key === state.pinned) ? state.pinned : screen ?? (looks.length > 2 ? speaker : "");
  stage.speaker(media.choices.audiooutput ?? "");
  stage.show(looks, { large, grid: state.view === "grid" });
}

/**
 * @param {Visit} visit
 * @returns {Look[]}
 */
function others(visit) {
  const { meeting: m } = visit, { hands } = m;
  return [...m.others].flatMap(([id, other]) => {
    const { peer } = other, name = visit.nameOf(id);
    const screen = other.screen ? peer.streams.find((stream) => stream.id === other.screen) : undefined;
    const more = () => showPerson(visit, id);
    /** @type {Look} */
    const look = {
      key: id, stream: peer.streams.find((stream) => stream !== screen), name, initials: initials(name), hue: hue(id), muted: other.muted, cameraOff: other.cameraOff,
      hand: hands.indexOf(id) + 1, recording: other.recording, speaking: other.speaking, quality: peer.state === "connected" ? other.quality : "",
      state: peer.state === "connected" || peer.state === "closed" ? "" : t(`tile.${peer.state}`), more,
      ...(peer.role !== "mesh" && { hangUp: () => visit.room.hangUp(peer) }),
    };
    return screen ? [{ key: `${id} screen`, stream: screen, name: t("tile.screen", { name }), screen: true }, look] : [look];
  });
}

/**
 * @param {Visit} visit
 * @returns {Look}
 */
function own(visit) {
  const { meeting: m, room } = visit, { muted, cameraOff, recording } = m.self, name = visit.nameOf(room.id);
  return {
    key: "self", stream: media.stream, name: t("tile.you"), initials: initials(name), hue: hue(room.id), muted, cameraOff, recording,
    hand: m.hands.indexOf(room.id) + 1, speaking: m.speaking, back: media.track("video")?.getSettings().facingMode === "environment",
  };
}

/** @param {Visit} visit */
function drawHeader(visit) {
  const { room, meeting: m } = visit;
  write(element("room-name"), room.name);
  const [kind, words] = status(visit);
  element("state").dataset.state = kind;
  write(element("state"), words);
  const recorders = [...m.others].filter(([, o]) => o.recording).map(([id]) => visit.nameOf(id));
  if (m.self.recording) recorders.unshift(t("tile.you"));
  element("recording").hidden = !recorders.length;
  write(element("recording-text"), t("record.sign"));
  element("recording").title = recorders.join(", ");
  element("presenting").hidden = !media.screen;
  element("tap").hidden = !state.silent;
  element("alone").hidden = room.peers.size > 0 || visit.incoming !== undefined;
  write(element("alone-text"), t(room.meeting ? "stage.empty" : "stage.choose"));
}

/**
 * @param {Visit} visit
 * @returns {[kind: string, words: string]}
 */
function status(visit) {
  const { room } = visit, peers = [...room.peers.values()];
  const names = peers.length > 2 ? t("state.people", { n: peers.length }) : peers.map(({ id }) => visit.nameOf(id)).join(", ");
  if (room.state === "connecting" || room.state === "closed") return ["waiting", t("state.connecting")];
  if (room.state === "waiting" && visit.blocked) return ["waiting", t("state.blocked")];
  if (room.state === "waiting") return ["waiting", t(peers.length ? "state.waitingCall" : "state.waiting")];
  if (visit.calling.length) return ["waiting", t("state.calling", { names: visit.calling.map(({ id }) => visit.nameOf(id)).join(", ") })];
  if (peers.length) return ["call", t("state.call", { names })];
  return ["joined", t(room.meeting ? "state.alone" : "state.joined")];
}

/** @param {Visit} visit */
function drawControls(visit) {
  const { meeting: m, room } = visit;
  drawDevices("mute", "camera");
  press(element("share"), media.screen !== undefined, t(media.screen ? "control.unshare" : "control.share"));
  press(element("hand"), m.self.hand > 0, t(m.self.hand ? "control.lower" : "control.raise"));
  press(element("record"), state.recording, t(state.recording ? "control.stopRecording" : "control.record"));
  press(element("view"), state.view !== "auto", t(`control.view.${state.view}`));
  element("hangup").hidden = ![...room.peers.values()].some((peer) => peer.role !== "mesh");
  element("flip").hidden = !media.flips;
  const count = element("count"), unread = element("unread");
  write(count, String(room.members.length));
  unread.hidden = !state.unread;
  write(unread, state.unread > 9 ? "9+" : String(state.unread));
  write(element("unread-words"), state.unread ? t("chat.unread", { n: state.unread }) : "");
  element("people-hand").hidden = !m.hands.length;
}

/** @param {Visit} visit */
function drawCalls(visit) {
  const call = visit.incoming, name = call && visit.nameOf(call.from);
  const had = incoming.contains(document.activeElement);
  incoming.hidden = !call;
  write(element("incoming-text"), name === undefined ? "" : t("call.incoming", { name }));
  if (!call && had) element("tiles").focus(); // where no key does anything
  ring(call ? "ring" : visit.calling.length ? "calling" : "");
  if (call && document.hidden && state.settings.notify && !notification && globalThis.Notification?.permission === "granted") notify(visit, name ?? "");
  if (!call) {
    notification?.close();
    notification = undefined;
  }
}

/**
 * @param {Visit} visit
 * @param {string} name of one who calls
 */
function notify(visit, name) {
  try {
    const shown = notification = new Notification(t("call.incoming", { name }), { body: visit.room.name, icon: "icon.svg", tag: "call" });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch {
    // Android lets only installed workers: the title and the sound tell
  }
}

/** @param {Visit|undefined} visit */
function drawTitle(visit) {
  const call = visit?.incoming;
  const name = state.phase === "meeting" && visit ? `${state.unread ? `(${state.unread}) ` : ""}${visit.room.name} – parley` : "parley";
  const title = call && visit ? `☎ ${t("call.incoming", { name: visit.nameOf(call.from) })}` : name;
  if (document.title !== title) document.title = title;
}

/** @param {Visit} visit */
function drawPanels(visit) {
  for (const panel of panels) {
    const shown = state.panel === panel;
    element(panel).hidden = !shown;
    const button = element(`show-${panel}`);
    if (button.ariaExpanded !== String(shown)) button.ariaExpanded = String(shown);
  }
  meeting.dataset.panel = state.panel;
  drawPeople(visit);
  drawTalk(visit);
  if (state.panel === "advanced") showDetails(visit);
  if (opened === state.panel) return;
  const was = opened;
  opened = state.panel;
  if (opened && !was) opener = /** @type {HTMLElement|null} */ (document.activeElement);
  moveFocus(was);
}

/** @param {string} was the panel that was open */
function moveFocus(was) {
  if (opened === "chat") {
    element("lines").scrollTop = element("lines").scrollHeight;
    element("words").focus();
  } else if (opened) {
    element(opened).focus();
  } else if (document.activeElement === document.body || document.activeElement?.closest(".side")) {
    const back = opener?.isConnected && opener.checkVisibility() && opener !== document.body ? opener : element(`show-${was === "advanced" ? "more" : was}`);
    back.focus();
  }
}

/** @param {Visit} visit */
async function showDetails(visit) {
  try {
    ({ drawDetails } = /** @type {typeof import("./details.js")} */ (await load("details.js")));
  } catch {
    change({ panel: "" });
    notice(t("load.failed"), "error");
    return;
  }
  if (visit === state.visit) drawDetails(visit);
}
