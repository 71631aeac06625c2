// @ts-check
// What stands before a room: the form, the preview, and the choice of devices.

import { element, press } from "./elements.js";
import { t } from "./words.js";

/** @typedef {import("./media.js").Media} Media */
/** @typedef {import("./media.js").DeviceKind} DeviceKind */

const METER_EVERY = 100; // ms

const form = element("join", HTMLFormElement);
const preview = element("preview", HTMLVideoElement);
const hint = element("preview-hint");
const problem = element("problem");
const level = element("level", HTMLMeterElement);
const mute = element("preview-mute"), camera = element("preview-camera");

/** @param {Media} media */
export function setUpLobby(media) {
  mute.onclick = () => media.setMuted(!media.muted);
  camera.onclick = () => media.setCameraOff(!media.cameraOff);
  element("retry").onclick = () => media.open();
  for (const select of deviceLists()) {
    select.onchange = () => media.choose(/** @type {DeviceKind} */ (select.dataset.device), select.value);
  }
  media.on("change", () => drawLobby(media));
  navigator.mediaDevices?.addEventListener("devicechange", () => drawDevices(media));
  setInterval(() => { if (!form.hidden) level.value = media.level(); }, METER_EVERY);
}

/** @returns {HTMLSelectElement[]} */
function deviceLists() { return [...document.querySelectorAll("select")].filter((select) => select.dataset.device); }

/** @param {Media} media */
export function drawLobby(media) {
  const picture = media.track("video") && !media.cameraOff;
  // One without tracks would keep the page loading for ever.
  preview.srcObject = picture ? media.stream : null;
  preview.hidden = !picture;
  hint.textContent = picture ? "" : t(media.track("video") ? "media.cameraOff" : "media.noCamera");
  problem.hidden = !media.problem;
  /** @type {HTMLElement} */ (problem.firstElementChild).textContent = media.problem;
  press(mute, media.muted, t(media.muted ? "control.unmute" : "control.mute"));
  press(camera, media.cameraOff, t(media.cameraOff ? "control.cameraOn" : "control.cameraOff"));
  drawDevices(media);
}

/** @param {Media} media */
async function drawDevices(media) {
  const found = await media.devices();
  for (const select of deviceLists()) {
    const kind = /** @type {DeviceKind} */ (select.dataset.device);
    const options = found[kind].map(({ id, label }) => new Option(label, id));
    if (kind !== "audiooutput") options.push(new Option(t("device.none"), ""));
    else if (!options.length) options.push(new Option(t("device.default"), "default"));
    select.replaceChildren(...options);
    const chosen = media.choices[kind];
    const inUse = kind === "audiooutput" ? undefined : media.track(kind === "audioinput" ? "audio" : "video")?.getSettings().deviceId;
    select.value = chosen === "" ? "" : inUse ?? chosen ?? options[0].value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }
}
