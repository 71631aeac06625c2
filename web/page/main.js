// @ts-check
// Puts the parts together: what is pressed goes to the phone, what befalls it is
// drawn.

import { openMedia } from "./media.js";
import { Phone } from "./phone.js";
import { Signaling } from "./signaling.js";
import * as draw from "./view.js";

const { view } = draw;
const NAME_KEY = "parley.nickname";
const CHOOSE = "Choose somebody and press Call";

/** @type {{signaling: Signaling, phone: Phone}|undefined} */
let visit;
/** @type {MediaStream|undefined} */
let media;
/** @type {MediaStream|undefined} */
let remoteStream;
let hint = CHOOSE;
/** @type {string|undefined} the id of who is calling */
let caller;

/** @param {string} room */
async function enter(room) {
  draw.showError("");
  draw.showRoom(room);
  draw.showLocal(undefined);
  draw.showRemote(undefined, "", hint);
  const name = view.nickname.value.trim();
  localStorage.setItem(NAME_KEY, name);
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  const signaling = new Signaling(url.href, room, name);
  const phone = new Phone(signaling, {
    incoming: (from) => {
      caller = from;
      draw.showIncoming(from && signaling.nameOf(from));
      refresh();
    },
    stream: (stream) => {
      remoteStream = stream;
      refresh();
    },
    changed: () => refresh(),
    ended: (reason) => {
      hint = `Call over: ${reason}`;
      refresh();
    },
  });
  visit = { signaling, phone };
  signaling.on("state", refresh);
  signaling.on("joined", refresh);
  signaling.on("members", () => {
    draw.showMembers(signaling.members, signaling.names, signaling.id, choose);
    refresh();
  });
  signaling.on("error", (message) => {
    if (message.final) leave();
    if (message.re !== "candidate" && message.re !== "hangup") draw.showError(sentence(message.error ?? ""));
  });
  if (!media) {
    const opened = await openMedia();
    media = opened.stream;
    if (opened.problem) draw.showError(opened.problem);
  }
  phone.media = media;
  draw.showLocal(media);
  if (visit?.signaling === signaling) signaling.open();
}

function leave() {
  visit?.phone.close();
  visit?.signaling.close();
  visit = undefined;
  for (const track of media?.getTracks() ?? []) track.stop();
  media = undefined;
  hint = CHOOSE;
  caller = undefined;
  draw.showIncoming(undefined);
  draw.showMembers([], {}, "", choose);
  draw.showRoom(undefined);
  draw.showToggle(view.mute, false, "Mute");
  draw.showToggle(view.camera, false, "Camera off");
  refresh();
}

/** @param {string} id */
function choose(id) {
  view.remoteId.value = id;
  draw.markChosen(id);
  view.call.focus();
}

/** @param {string} words */
function sentence(words) {
  return words && words[0].toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");
}

/** Draws what the state of the room and the call is. */
function refresh() {
  const call = visit?.phone.call;
  if (!call) remoteStream = undefined;
  const name = call && visit ? visit.signaling.nameOf(call.remote) : "";
  const calling = {
    ringing: `Calling ${name}…`,
    connecting: `Connecting with ${name}…`,
    connected: `In a call with ${name}`,
    interrupted: `The call with ${name} is interrupted…`,
    failed: `The call with ${name} is cut off; trying again…`,
  };
  draw.showCallRunning(call !== undefined);
  draw.showRemote(remoteStream, name, call ? calling[call.state] : hint);
  if (call && visit?.signaling.state === "joined") {
    draw.showState(call.state === "connected" ? "call" : "waiting", calling[call.state]);
    return;
  }
  if (caller && visit?.signaling.state === "joined") {
    draw.showState("waiting", `${visit.signaling.nameOf(caller)} is calling`);
    return;
  }
  const server = {
    connecting: "Connecting to the server…",
    joined: "In the room",
    waiting: call ? "The call goes on; the server is away, trying again…" : "No connection to the server; trying again…",
    closed: "Not connected",
  };
  const state = visit?.signaling.state ?? "closed";
  draw.showState(state === "joined" ? "joined" : state === "closed" ? "offline" : "waiting", server[state]);
}

/**
 * @param {"audio"|"video"} kind
 * @param {HTMLButtonElement} button
 * @param {[on: string, off: string]} words on the button while the track is on, and off
 */
function toggle(kind, button, words) {
  const tracks = media?.getTracks().filter((track) => track.kind === kind) ?? [];
  const on = !tracks.some((track) => track.enabled);
  for (const track of tracks) track.enabled = on;
  draw.showToggle(button, !on, words[on ? 0 : 1]);
  draw.showLocal(media);
}

view.join.onsubmit = (event) => {
  event.preventDefault();
  const room = view.room.value.trim();
  if (!room) return;
  const hash = `#${encodeURIComponent(room)}`;
  if (location.hash === hash) enter(room);
  else location.hash = hash; // and hashchange enters
};
view.callForm.onsubmit = (event) => {
  event.preventDefault();
  draw.showError("");
  const id = view.remoteId.value.trim();
  if (id === visit?.signaling.id) draw.showError("This is your own ID. Choose somebody else.");
  else visit?.phone.dial(id);
};
view.remoteId.oninput = () => draw.markChosen(view.remoteId.value);
view.accept.onclick = () => visit?.phone.accept();
view.decline.onclick = () => visit?.phone.decline();
view.hangup.onclick = () => visit?.phone.hangUp();
view.mute.onclick = () => toggle("audio", view.mute, ["Mute", "Unmute"]);
view.camera.onclick = () => toggle("video", view.camera, ["Camera off", "Camera on"]);
view.leave.onclick = () => {
  history.replaceState(null, "", location.pathname + location.search);
  leave();
};
view.copy.onclick = async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    view.copy.textContent = "Copied";
    setTimeout(() => { view.copy.textContent = "Copy link"; }, 2000);
  } catch {
    draw.showError(`The browser did not copy the link. It is ${location.href}`);
  }
};

function roomOfLink() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return location.hash.slice(1);
  }
}

function followLink() {
  const room = roomOfLink();
  if (visit) leave();
  view.room.value = room;
  if (room) enter(room);
}

addEventListener("hashchange", followLink);
addEventListener("online", () => visit?.signaling.retryNow());
addEventListener("pagehide", () => {
  visit?.phone.close();
  visit?.signaling.close();
});
addEventListener("pageshow", (event) => {
  if (event.persisted) followLink();
});
view.nickname.value = localStorage.getItem(NAME_KEY) ?? "";
followLink();
