// @ts-check
// The dialog with devices and settings, which the lobby has too.

import { element, fill } from "./elements.js";
import { media } from "./session.js";
import { drawn, set, state } from "./state.js";
import { language, t } from "./words.js";

/** @typedef {import("./media.js").DeviceKind} DeviceKind */

const lists = /** @type {NodeListOf<HTMLSelectElement>} */ (document.querySelectorAll("select[data-device]"));

export function setUpSettings() {
  element("lobby-devices").onclick = () => element("devices", HTMLDialogElement).showModal();
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-dismiss]"))) button.onclick = () => button.closest("dialog")?.close();
  for (const name of /** @type {const} */ (["sounds", "notify"])) {
    const box = element(name, HTMLInputElement);
    drawn(() => { box.checked = state.settings[name]; });
    box.onchange = async () => {
      if (name === "notify" && box.checked && await globalThis.Notification?.requestPermission() !== "granted") box.checked = false;
      set({ [name]: box.checked });
    };
  }
  /** @type {HTMLElement} */ (element("notify").parentElement).hidden = !("Notification" in window);
  const blur = element("blur", HTMLInputElement);
  blur.onchange = () => media.blur(blur.checked);
  drawn(() => {
    blur.checked = media.choices.blur ?? false;
    /** @type {HTMLElement} */ (blur.parentElement).hidden = !media.blurs;
  });
  for (const list of lists) list.onchange = () => media.choose(/** @type {DeviceKind} */ (list.dataset.device), list.value);
  drawn(draw);
}

function draw() {
  for (const select of lists) {
    const kind = /** @type {DeviceKind} */ (select.dataset.device), list = media.devices[kind];
    fill(select, [list, language()], () => list.length ? list.map(({ id, label }) => new Option(label, id)) : [new Option(t("device.default"), "")]);
    const now = deviceInUse(kind);
    if (select.value !== now && list.some(({ id }) => id === now)) select.value = now;
  }
}

/**
 * @param {DeviceKind} kind
 * @returns {string} the id of the device in use, or of the one that would be
 */
export function deviceInUse(kind) {
  const track = kind === "audiooutput" ? undefined : media.track(kind === "audioinput" ? "audio" : "video");
  return track?.getSettings().deviceId ?? media.choices[kind] ?? media.devices[kind][0]?.id ?? "";
}
