// @ts-check
// The page before and after a room: the preview, the name, and one thing to do.

import { element, list, makeButton, press, save, size, write } from "./elements.js";
import { followInvitation, newRoom } from "./link.js";
import { again, cancel, enter, media, ownName, toLobby } from "./session.js";
import { change, drawn, go, set, state } from "./state.js";
import { t } from "./words.js";

const METER_EVERY = 100; // ms

const lobby = element("lobby"), left = element("left");
const form = element("join", HTMLFormElement), fields = element("fields", HTMLFieldSetElement);
const room = element("room", HTMLInputElement), nickname = element("nickname", HTMLInputElement), passcode = element("passcode", HTMLInputElement);
const quiet = element("quiet", HTMLInputElement);
const preview = element("preview", HTMLVideoElement), level = element("level", HTMLMeterElement);
let focused = "";

export function setUpLobby() {
  nickname.value = ownName();
  element("preview-mute").onclick = () => media.toggle("audio");
  element("preview-camera").onclick = () => media.toggle("video");
  element("retry").onclick = () => media.retry();
  element("cancel").onclick = () => cancel();
  element("again").onclick = () => again();
  element("anew").onclick = () => toLobby();
  element("new").onclick = () => {
    if (go("lobby", { room: newRoom() })) join();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!state.room) {
      if (!room.value.trim()) {
        if (document.activeElement === nickname) element("new").click();
        else room.focus();
        return;
      }
      const named = followInvitation(room.value);
      if (!named) return; // it leads to another server
      change({ room: named });
      room.value = "";
    }
    join();
  };
  setInterval(() => { if (!lobby.hidden) level.value = media.muted ? 0 : media.level; }, METER_EVERY);
  drawn(draw);
}

function join() {
  // Whoever waits to be called may look at something else meanwhile.
  if (quiet.checked && globalThis.Notification?.permission === "default") Notification.requestPermission()?.then((answer) => { if (answer === "granted") set({ notify: true }); });
  enter({ name: nickname.value.trim(), passcode: state.needsPasscode ? passcode.value : "", meet: !quiet.checked });
}

/** @param {import("./state.js").State} now */
function draw({ phase, room: named, why, needsPasscode, kept }) {
  lobby.hidden = phase === "meeting" || phase === "left";
  left.hidden = phase !== "left";
  write(element("left-title"), why || t("left.title"));
  element("kept").hidden = !kept.length;
  list(element("kept-files"), kept.map(({ name, size: bytes }, i) => ({ i, words: `${t("file.save")}: ${name} (${size(bytes)})` })), ({ i, words }) => makeButton(words, () => save(kept[i].blob, kept[i].name)));
  if (lobby.hidden) {
    preview.srcObject = null;
    focused = "";
    return;
  }
  const busy = phase === "joining" || phase === "waiting";
  fields.disabled = busy;
  write(element("lobby-title"), named || t("lobby.title"));
  for (const e of document.querySelectorAll(".without")) /** @type {HTMLElement} */ (e).hidden = named !== "";
  for (const e of document.querySelectorAll(".with")) /** @type {HTMLElement} */ (e).hidden = named === "";
  element("passcode-field").hidden = !needsPasscode;
  passcode.required = needsPasscode;
  if (!needsPasscode) passcode.value = "";
  element("progress").hidden = !busy;
  write(element("progress-text"), phase === "joining" ? t("state.joining") : why);
  write(element("error"), phase === "refused" ? why : "");
  element("error").hidden = phase !== "refused";
  element("join-button").hidden = busy || !named;
  drawPreview();
  focus(phase, needsPasscode, named);
}

/**
 * Puts the cursor where something is to be typed, once for each need.
 * @param {string} phase
 * @param {boolean} needsPasscode
 * @param {string} named
 */
function focus(phase, needsPasscode, named) {
  const wanted = phase === "joining" || phase === "waiting" ? "progress" : needsPasscode ? "passcode" : named ? "nickname" : "new";
  if (wanted === focused || document.querySelector("dialog[open]")) return;
  focused = wanted;
  element(wanted).focus();
  if (wanted === "passcode") passcode.select();
}

function drawPreview() {
  const picture = media.track("video");
  // One without tracks would keep the page loading for ever.
  const source = picture && media.stream ? media.stream : null;
  if (preview.srcObject !== source) preview.srcObject = source;
  preview.hidden = !picture;
  write(element("preview-hint"), picture ? "" : t(media.opening ? "media.opening" : media.cameraOff ? "media.cameraOff" : "media.noCamera"));
  const { problem } = media;
  element("problem").hidden = !problem;
  write(/** @type {HTMLElement} */ (element("problem").firstElementChild), problem);
  drawDevices("preview-mute", "preview-camera");
}

/**
 * Draws a pair of buttons for microphone and camera.
 * @param {string} microphone
 * @param {string} camera
 */
export function drawDevices(microphone, camera) {
  const muted = media.off("audio"), off = media.off("video");
  press(element(microphone), muted, t(muted ? "control.unmute" : "control.mute"));
  press(element(camera), off, t(off ? "control.cameraOn" : "control.cameraOff"));
  element(microphone).classList.toggle("broken", media.broken("audio"));
  element(camera).classList.toggle("broken", media.broken("video"));
}
