// @ts-check
// The controls of a meeting.

import { element, fill, make, makeButton, save } from "./elements.js";
import { address } from "./link.js";
import { load } from "./load.js";
import { before, leave, media } from "./session.js";
import { deviceInUse } from "./settings.js";
import { ring } from "./sounds.js";
import { change, drawn, notice, openChat, state } from "./state.js";
import { drawKeys, setUpKeys } from "./keys.js";
import { stage } from "./view.js";
import { t } from "./words.js";

const IDLE = 4_000; // ms until the controls fade

const meeting = element("meeting");
/** @type {import("./record.js").Recorder|undefined} */
let recorder;
/** The recording that is about to begin. @type {object|undefined} */
let starting;

/** @param {import("./state.js").State["panel"]} name */
function toggle(name) {
  const panel = state.panel === name ? "" : name;
  closePopups();
  if (panel === "chat") openChat();
  else change({ panel });
}

function hand() {
  const { visit } = state;
  visit?.meeting.update({ hand: visit.meeting.self.hand ? 0 : Date.now() });
}

function fullscreen() {
  closePopups();
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {}); // the browser does not want to
}

function pip() {
  closePopups();
  if (document.pictureInPictureElement) document.exitPictureInPicture();
  else stage.main?.requestPictureInPicture?.().catch((error) => notice(String(error.message), "error"));
}

async function record() {
  closePopups();
  if (recorder || starting) {
    starting = undefined;
    await stopRecording();
    return;
  }
  const { visit } = state, mine = starting = {};
  try {
    const { Recorder } = await /** @type {Promise<typeof import("./record.js")>} */ (load("record.js").catch(() => { throw new Error(t("load.failed")); }));
    if (starting !== mine || state.visit !== visit) return; // it is not wanted any more
    recorder = new Recorder(pictures, () => media.muted ? undefined : media.stream, () => stopRecording());
    change({ recording: true });
    state.visit?.meeting.update({ recording: true });
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    notice(name === "Error" ? message : t("record.failed"), "error");
  } finally {
    if (starting === mine) starting = undefined;
  }
}

/** Our own screen, which is on no tile. */
const ownScreen = make("video");
ownScreen.muted = true;

/** The pictures that are recorded: the tiles, and our own screen. */
function pictures() {
  const { screen } = media, tiles = stage.pictures;
  if (ownScreen.srcObject !== (screen ?? null)) {
    ownScreen.srcObject = screen ?? null;
    if (screen) ownScreen.play().catch(() => {}); // it has ended
  }
  return screen ? [{ video: ownScreen, name: t("share.note"), hasPicture: true, large: true }, ...tiles] : tiles;
}

async function stopRecording() {
  const r = recorder;
  if (!r) return;
  recorder = undefined;
  change({ recording: false });
  state.visit?.meeting.update({ recording: false });
  const blob = await r.stop();
  save(blob, `parley-${new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-")}.${blob.type.includes("mp4") ? "mp4" : "webm"}`);
  notice(t("record.saved"));
}

async function showLink() {
  const { visit } = state;
  if (!visit) return;
  const to = address(visit.room.name), qr = element("qr", HTMLImageElement);
  element("address", HTMLInputElement).value = to;
  const send = element("send-link");
  send.hidden = !navigator.share;
  send.onclick = () => navigator.share({ title: document.title, url: to }).catch(() => {}); // not sent: nothing to say
  showDialog("sharing");
  // The link goes in the body: it is not to stand in the logs of proxies.
  const answer = await fetch("qr", { method: "POST", body: to }).catch(() => undefined);
  qr.hidden = !answer?.ok;
  if (answer?.ok) qr.src = `data:image/svg+xml,${encodeURIComponent(await answer.text())}`;
  qr.alt = t("room.qr");
}

async function copy() {
  const { visit } = state;
  if (!visit) return;
  const to = address(visit.room.name);
  try {
    await navigator.clipboard.writeText(to);
    notice(t("room.copied"));
  } catch {
    notice(t("room.notCopied", { link: to }), "error");
  }
}

/** @param {string} id */
function showDialog(id) {
  closePopups();
  element(id, HTMLDialogElement).showModal();
}

const popups = /** @type {const} */ (["more", "microphones", "cameras"]);

function closePopups() {
  for (const name of popups) {
    const popup = element(name);
    if (popup.hidden) continue;
    const inside = popup.contains(document.activeElement);
    popup.hidden = true;
    element(`show-${name}`).ariaExpanded = "false";
    if (inside) element(`show-${name}`).focus();
  }
}

/** @param {typeof popups[number]} name */
function togglePopup(name) {
  const open = element(name).hidden;
  closePopups();
  element(name).hidden = !open;
  element(`show-${name}`).ariaExpanded = String(open);
}

/** Draws the menus beside the buttons. */
function drawMenus() {
  drawMenu("microphones", [["audioinput", t("device.microphone")], ["audiooutput", t("device.speaker")]]);
  drawMenu("cameras", [["videoinput", t("device.camera")]]);
}

/**
 * @param {"microphones"|"cameras"} name
 * @param {[kind: import("./media.js").DeviceKind, title: string][]} groups
 */
function drawMenu(name, groups) {
  const things = groups.map(([kind, title]) => ({ kind, title, list: media.devices[kind], now: deviceInUse(kind) }));
  fill(element(name), things, () => things.flatMap(({ kind, title, list, now }) => !list.length ? [] : [make("p", { className: "hint", text: title }), ...list.map(({ id, label }) => {
    const b = makeButton(label, () => {
      media.choose(kind, id);
      closePopups();
    });
    b.ariaPressed = String(id === now);
    return b;
  })]));
}

export const actions = {
  mute: () => void media.toggle("audio"),
  camera: () => void media.toggle("video"),
  share: () => void media.share(),
  hand,
  people: () => toggle("people"),
  chat: () => toggle("chat"),
  fullscreen,
  advanced: () => toggle("advanced"),
  help: () => {
    drawKeys();
    showDialog("help");
  },
};

/** @type {Record<string, () => void>} by the ids of the buttons */
const clicks = {
  mute: actions.mute, camera: actions.camera, share: actions.share, unshare: actions.share, hand, record, fullscreen, pip, copy, invite: copy, "copy-link": copy,
  "show-people": actions.people, "show-chat": actions.chat, "show-advanced": actions.advanced, "show-help": actions.help, "show-link": showLink, link: showLink,
  "show-more": () => togglePopup("more"), "show-microphones": () => togglePopup("microphones"), "show-cameras": () => togglePopup("cameras"),
  "show-devices": () => showDialog("devices"),
  flip: () => void media.flip(), tap: () => stage.play(), leave: () => leave(),
  view: () => {
    change({ view: state.view === "auto" ? "speaker" : state.view === "speaker" ? "grid" : "auto", pinned: "" });
  },
  hangup: () => state.visit?.hangUp(),
  accept: () => state.visit?.answer(true),
  decline: () => state.visit?.answer(false),
  meet: () => state.visit?.room.meet(),
};

export function setUpControls() {
  for (const [id, act] of Object.entries(clicks)) element(id).onclick = act;
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-close]"))) button.onclick = () => change({ panel: "" });
  addEventListener("click", ({ target }) => {
    if (!(target instanceof Element && target.closest(".menu"))) closePopups();
  });
  setUpKeys(actions, () => {
    if (popups.some((name) => !element(name).hidden)) closePopups();
    else change({ panel: "" });
  });
  before.leaving = () => {
    ring("");
    if (recorder) stopRecording();
  };
  addEventListener("beforeunload", (event) => { if (recorder) event.preventDefault(); });
  fades();
  hideUnsupported();
  drawn(drawMenus);
}

/** Lets the controls fade while nobody uses them. */
function fades() {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const wake = () => {
    delete meeting.dataset.idle;
    clearTimeout(timer);
    timer = setTimeout(() => { meeting.dataset.idle = ""; }, IDLE);
  };
  // The touch that wakes the controls presses none of them.
  const controls = element("controls");
  let waking = false;
  addEventListener("pointerdown", ({ pointerType }) => {
    waking = pointerType !== "mouse" && "idle" in meeting.dataset && getComputedStyle(controls).opacity === "0";
  }, true);
  controls.addEventListener("click", (event) => {
    if (waking && event.detail) event.stopPropagation();
    waking = false;
  }, true);
  for (const event of ["pointermove", "pointerdown", "keydown", "focusin"]) addEventListener(event, wake);
  wake();
}

/** Hides what this browser does not have. */
function hideUnsupported() {
  element("share").hidden = !navigator.mediaDevices?.getDisplayMedia;
  element("record").hidden = !("MediaRecorder" in window && "captureStream" in HTMLCanvasElement.prototype);
  element("fullscreen").hidden = !document.fullscreenEnabled;
  element("pip").hidden = !document.pictureInPictureEnabled;
}
