// @ts-check
// Puts the parts together: the lobby, the visit of a room, and the controls.

import { element, make, press, save } from "./elements.js";
import { drawIcons } from "./icons.js";
import { drawLobby, setUpLobby } from "./lobby.js";
import { Media } from "./media.js";
import { People } from "./people.js";
import { Recorder } from "./record.js";
import { setUpKeys } from "./keys.js";
import { Stage } from "./stage.js";
import { Visit } from "./visit.js";
import { language, refusal, setLanguage, t, translate } from "./words.js";

const NAME_KEY = "parley.nickname";
const NOTICE_TIME = 8_000; // ms

const view = {
  state: element("state"), error: element("error"), language: element("language", HTMLSelectElement),
  join: element("join", HTMLFormElement), room: element("room", HTMLInputElement), nickname: element("nickname", HTMLInputElement),
  meeting: element("meeting"), roomName: element("room-name"), remoteId: element("remote-id", HTMLInputElement),
  call: element("call", HTMLButtonElement), meet: element("meet"), hint: element("stage-hint"), notices: element("notices"),
  incoming: element("incoming"), incomingText: element("incoming-text"), accept: element("accept"), decline: element("decline"),
  mute: element("mute"), camera: element("camera"), share: element("share"), hand: element("hand"), record: element("record"),
  copy: element("copy"), more: element("more"), passcode: element("passcode", HTMLInputElement), passcodeField: element("passcode-field"),
};
const panels = /** @type {const} */ (["people", "chat", "advanced"]);

const media = new Media();
const stage = new Stage();
const people = new People((id) => {
  view.remoteId.value = id;
  refresh();
  view.call.focus();
}, () => view.remoteId.value);
/** @type {Visit|undefined} */
let visit;
/** @type {Recorder|undefined} */
let recorder;

/** @param {string} words */
function showError(words) {
  view.error.textContent = words;
  view.error.hidden = !words;
}

/** @param {string} words */
function notice(words) {
  const line = make("p", { text: words });
  view.notices.append(line);
  setTimeout(() => line.remove(), NOTICE_TIME);
}

/** What stands in the link behind #: the room, and a token for it after an &. */
function link() {
  const [room, ...rest] = location.hash.slice(1).split("&");
  const token = new URLSearchParams(rest.join("&")).get("token") ?? "";
  try {
    return { room: decodeURIComponent(room), token };
  } catch {
    return { room, token };
  }
}

/** @param {string} room */
function address(room) {
  return `${location.origin}${location.pathname}${location.search}#${encodeURIComponent(room)}`;
}

/** @param {string} room */
function enter(room) {
  showError("");
  const name = view.nickname.value.trim();
  localStorage.setItem(NAME_KEY, name);
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  const { token } = link();
  const meet = new FormData(view.join).get("mode") === "meet";
  const passcode = view.passcodeField.hidden ? "" : view.passcode.value;
  const v = visit = new Visit({ url: url.href, room, name, token, passcode, meet }, media, stage);
  v.on("change", refresh);
  v.on("notice", notice);
  v.on("refused", ({ code, message }) => showError(refusal(code, sentence(message))));
  v.on("over", ({ code, message, needs }) => {
    leave();
    if (needs === "passcode") askPasscode(passcode !== "");
    else showError(code === "forbidden" ? sentence(message) : refusal(code, sentence(message)));
  });
  history.replaceState(null, "", `#${encodeURIComponent(room)}${token && `&token=${token}`}`);
  view.join.hidden = true;
  view.meeting.hidden = false;
  view.roomName.textContent = room;
  document.title = `${room} – parley`;
  showPanel(innerWidth > 900 ? "people" : "");
  stage.speaker(media.choices.audiooutput ?? "");
  v.draw();
  people.forget();
  refresh();
}

/** @param {boolean} wrong that there was one, and it was not right */
function askPasscode(wrong) {
  view.passcodeField.hidden = false;
  view.passcode.required = true;
  showError(t(wrong ? "error.passcode" : "error.needsPasscode"));
  view.passcode.select();
  view.passcode.focus();
}

function forgetPasscode() {
  view.passcodeField.hidden = true;
  view.passcode.required = false;
  view.passcode.value = "";
}

function leave() {
  stopRecording();
  visit?.leave();
  visit = undefined;
  view.notices.replaceChildren();
  view.meeting.hidden = true;
  view.join.hidden = false;
  document.title = "parley";
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  if (document.fullscreenElement) document.exitFullscreen();
  refresh();
  drawLobby(media);
}

/** @param {string} words */
function sentence(words) {
  return words && words[0].toUpperCase() + words.slice(1) + (/[.!?…。]$/.test(words) ? "" : ".");
}

/** Draws what the state of the room and of the calls is. */
function refresh() {
  const v = visit;
  const [state, words] = status(v);
  view.state.dataset.state = state;
  if (view.state.textContent !== words) view.state.textContent = words;
  if (!v) return;
  const { meeting, room } = v;
  press(view.mute, media.muted, t(media.muted ? "control.unmute" : "control.mute"));
  press(view.camera, media.cameraOff, t(media.cameraOff ? "control.cameraOn" : "control.cameraOff"));
  press(view.share, v.screen !== undefined, t(v.screen ? "control.unshare" : "control.share"));
  press(view.hand, meeting.self.hand, t(meeting.self.hand ? "control.lower" : "control.raise"));
  press(view.record, recorder !== undefined, t(recorder ? "control.stopRecording" : "control.record"));
  view.meet.hidden = room.meeting;
  view.hint.hidden = room.peers.size > 0;
  view.hint.textContent = t(room.meeting ? "stage.empty" : "stage.choose");
  showIncoming(v.incoming && room.nameOf(v.incoming.from));
  people.draw(v.room);
}

/**
 * @param {Visit|undefined} v
 * @returns {[state: string, words: string]}
 */
function status(v) {
  if (!v || v.room.state === "closed") return ["offline", t("state.offline")];
  const { room } = v;
  const names = [...room.peers.keys()].map((id) => room.nameOf(id)).join(", ");
  if (room.state === "connecting") return ["waiting", t("state.connecting")];
  if (room.state === "waiting" && v.blocked) return ["waiting", t("state.blocked")];
  if (room.state === "waiting") return ["waiting", t(room.peers.size ? "state.waitingCall" : "state.waiting")];
  if (v.incoming) return ["waiting", t("call.incoming", { name: room.nameOf(v.incoming.from) })];
  const peers = [...room.peers.values()];
  if (peers.some((peer) => peer.state === "ringing")) return ["waiting", t("state.calling", { names })];
  if (peers.length) return ["call", t("state.call", { names })];
  return ["joined", t(room.meeting ? "state.alone" : "state.joined")];
}

/** @param {string|undefined} name of who calls */
function showIncoming(name) {
  const was = view.incoming.hidden;
  view.incoming.hidden = name === undefined;
  if (name === undefined) return;
  view.incomingText.textContent = t("call.incoming", { name });
  if (was) view.accept.focus();
}

/** @param {string} name of the panel to show beside the pictures; "": none */
function showPanel(name) {
  for (const panel of panels) {
    element(panel).hidden = panel !== name;
    const button = document.getElementById(`show-${panel}`);
    if (button?.hasAttribute("aria-expanded")) button.ariaExpanded = String(panel === name);
  }
  view.meeting.dataset.panel = name;
  if (name === "chat") element("words").focus();
  if (name === "advanced") visit?.details.draw();
}

/** @param {typeof panels[number]} name */
function togglePanel(name) { showPanel(element(name).hidden ? name : ""); }

/** @param {boolean} open */
function showMore(open) {
  view.more.hidden = !open;
  element("show-more").ariaExpanded = String(open);
}

/** @param {string} id */
function showDialog(id) {
  showMore(false);
  element(id, HTMLDialogElement).showModal();
}

async function toggleShare() {
  if (!visit) return;
  if (visit.screen) {
    await visit.unshare();
    return;
  }
  try {
    await visit.share(element("replace", HTMLInputElement).checked);
  } catch (error) {
    const { name, message } = /** @type {DOMException} */ (error);
    if (name !== "NotAllowedError") showError(t("share.failed", { error: message || name }));
  }
}

async function stopRecording() {
  const r = recorder;
  recorder = undefined;
  if (!r) return;
  const blob = await r.stop();
  save(blob, `parley-${new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-")}.${blob.type.includes("mp4") ? "mp4" : "webm"}`);
  notice(t("record.saved"));
  refresh();
}

function toggleRecording() {
  showMore(false);
  if (recorder) {
    stopRecording();
    return;
  }
  try {
    recorder = new Recorder(() => stage.pictures);
  } catch {
    showError(t("record.failed"));
  }
  refresh();
}

function toggleFullscreen() {
  showMore(false);
  if (document.fullscreenElement) document.exitFullscreen();
  else view.meeting.requestFullscreen?.().catch(() => {});
}

function togglePip() {
  showMore(false);
  if (document.pictureInPictureElement) document.exitPictureInPicture();
  else stage.main?.requestPictureInPicture?.().catch((error) => showError(String(error.message)));
}

function showLink() {
  if (!visit) return;
  const to = address(visit.room.name);
  const qr = element("qr", HTMLImageElement);
  qr.src = `qr?text=${encodeURIComponent(to)}`;
  qr.alt = t("room.qr");
  element("address", HTMLInputElement).value = to;
  const send = element("send-link");
  send.hidden = !navigator.share;
  send.onclick = () => navigator.share({ title: document.title, url: to }).catch(() => {}); // not sent: nothing to say
  showDialog("sharing");
}

const actions = {
  mute: () => media.setMuted(!media.muted),
  camera: () => media.setCameraOff(!media.cameraOff),
  share: toggleShare,
  hand: () => visit?.meeting.update({ hand: !visit.meeting.self.hand }),
  people: () => togglePanel("people"),
  chat: () => togglePanel("chat"),
  fullscreen: toggleFullscreen,
  advanced: () => { showMore(false); togglePanel("advanced"); },
  help: () => showDialog("help"),
};

function setUpControls() {
  view.mute.onclick = actions.mute;
  view.camera.onclick = actions.camera;
  view.share.onclick = actions.share;
  view.hand.onclick = actions.hand;
  element("show-people").onclick = actions.people;
  element("show-chat").onclick = actions.chat;
  element("show-more").onclick = () => showMore(Boolean(view.more.hidden));
  element("fullscreen").onclick = actions.fullscreen;
  element("show-advanced").onclick = actions.advanced;
  element("show-help").onclick = actions.help;
  element("show-devices").onclick = () => showDialog("devices");
  element("show-link").onclick = element("link").onclick = showLink;
  element("pip").onclick = togglePip;
  view.record.onclick = toggleRecording;
  view.accept.onclick = () => visit?.answer(true);
  view.decline.onclick = () => visit?.answer(false);
  view.room.oninput = forgetPasscode;
  view.meet.onclick = () => { visit?.room.meet(); refresh(); };
  view.remoteId.oninput = refresh;
  element("leave").onclick = () => {
    history.replaceState(null, "", location.pathname + location.search);
    leave();
  };
  for (const button of document.querySelectorAll("[data-close]")) {
    /** @type {HTMLElement} */ (button).onclick = () => showPanel("");
  }
  for (const button of document.querySelectorAll("[data-dismiss]")) {
    /** @type {HTMLElement} */ (button).onclick = () => button.closest("dialog")?.close();
  }
  addEventListener("click", (event) => {
    if (!view.more.hidden && !(event.target instanceof Node && view.more.parentElement?.contains(event.target))) showMore(false);
  });
  view.copy.onclick = async () => {
    if (!visit) return;
    const to = address(visit.room.name);
    try {
      await navigator.clipboard.writeText(to);
      view.copy.textContent = t("room.copied");
      setTimeout(() => { view.copy.textContent = t("room.copy"); }, 2000);
    } catch {
      showError(t("room.notCopied", { link: to }));
    }
  };
  element("call-form").onsubmit = (event) => {
    event.preventDefault();
    showError("");
    const id = view.remoteId.value.trim();
    if (id === visit?.room.id) showError(t("call.own"));
    else if (visit && (visit.room.meeting || !visit.room.peers.size)) visit.room.call(id);
  };
  view.join.onsubmit = (event) => {
    event.preventDefault();
    const room = view.room.value.trim();
    if (room) enter(room);
  };
}

/** Hides what this browser does not have. */
function hideUnsupported() {
  view.share.hidden = /** @type {HTMLElement} */ (element("replace").parentElement).hidden = !navigator.mediaDevices?.getDisplayMedia;
  view.record.hidden = !("MediaRecorder" in window && "captureStream" in HTMLCanvasElement.prototype);
  element("fullscreen").hidden = !document.fullscreenEnabled;
  element("pip").hidden = !document.pictureInPictureEnabled;
}

/** Shows the lobby of the room in the link. */
function followLink() {
  if (visit) {
    if (link().room === visit.room.name) return;
    leave();
  }
  view.room.value = link().room;
  forgetPasscode();
  (view.room.value ? view.nickname : view.room).focus();
}

view.language.value = language();
view.language.onchange = async () => {
  await setLanguage(view.language.value);
  document.title = visit ? `${visit.room.name} – parley` : "parley";
  drawLobby(media);
  visit?.draw();
  refresh();
};
translate();
drawIcons();
setUpLobby(media);
setUpControls();
hideUnsupported();
setUpKeys(actions, () => visit !== undefined, () => showMore(false));
media.on("change", () => {
  stage.speaker(media.choices.audiooutput ?? "");
  visit?.draw();
});
addEventListener("hashchange", followLink);
addEventListener("pagehide", () => visit?.leave());
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
view.nickname.value = localStorage.getItem(NAME_KEY) ?? "";
refresh();
followLink();
media.open();
