// @ts-check
// Puts the parts together.

import { element } from "./elements.js";
import { drawIcons } from "./icons.js";
import { setUpLobby } from "./lobby.js";
import { readLink } from "./link.js";
import { setUpNotices } from "./notices.js";
import { followLink, inside, media } from "./session.js";
import { setUpSettings } from "./settings.js";
import { change, drawn, notice, redraw, state } from "./state.js";
import { chosen, setLanguage, t, translate } from "./words.js";

/** @type {WakeLockSentinel|undefined} */
let awake;
let asking = false;

/** Keeps the screen on in a meeting, and not after it. */
async function keepAwake() {
  const wanted = state.phase === "meeting" && !document.hidden;
  if (!wanted) {
    awake?.release();
    awake = undefined;
  } else if (!asking && (!awake || awake.released)) {
    asking = true;
    awake = await navigator.wakeLock?.request("screen").catch(() => undefined); // the battery is low: it goes dark
    asking = false;
    if (state.phase !== "meeting") keepAwake();
  }
}

const language = element("language", HTMLSelectElement);
language.value = chosen();
language.onchange = async () => {
  await setLanguage(language.value).catch(() => notice(t("load.failed"), "error"));
  language.value = chosen();
  redraw();
};
translate();
drawIcons();
const invited = readLink();
change({ room: invited.room });
setUpLobby();
setUpSettings();
setUpNotices();
let phase = state.phase;
drawn(() => {
  if (phase !== state.phase) keepAwake();
  phase = state.phase;
});
document.addEventListener("visibilitychange", keepAwake);
addEventListener("hashchange", followLink);
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
// Whoever touches the page is about to join.
for (const event of ["pointerdown", "keydown"]) addEventListener(event, () => inside().catch(() => {}), { once: true }); // joining loads it again
media.open(invited.off);
