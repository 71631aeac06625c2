// @ts-check
// The link of a room: what stands behind the #. A token in it is taken out of the address bar at
// once, where it would be seen and copied, and is kept for a reload.

import { keep, recall } from "./storage.js";

const LETTERS = "abcdefghijkmnpqrstuvwxyz"; // 24 that are not mistaken for another

/**
 * Returns the room in the link, the token for it, and what the link wants turned off at first:
 * the microphone by `&muted`, the camera by `&camera-off`.
 * @returns {{room: string, token: string, off: Record<"audio"|"video", boolean>}}
 */
export function readLink() {
  const { room, token, off } = read(location.hash.slice(1));
  if (token) showRoom(room);
  return { room, off, token: token || recall(`parley.token ${room}`, "sessionStorage") || "" };
}

/**
 * Reads what stands behind the #, and keeps the token in it.
 * @param {string} hash
 */
function read(hash) {
  const [first, ...rest] = hash.split("&");
  let room = first;
  try {
    room = decodeURIComponent(first);
  } catch {
    // it is no encoding: taken as it stands
  }
  room = room.normalize("NFC").trim();
  const wishes = new URLSearchParams(rest.join("&")), token = wishes.get("token") ?? "";
  if (token) keep(`parley.token ${room}`, token, "sessionStorage");
  return { room, token, off: { audio: wishes.has("muted"), video: wishes.has("camera-off") } };
}

/** @param {string} room that the address bar names from now on; "": none */
export function showRoom(room) {
  history.replaceState(null, "", `${location.pathname}${location.search}${room && `#${encodeURIComponent(room)}`}`);
}

/** @param {string} room */
export function address(room) {
  return `${location.origin}${location.pathname}${location.search}#${encodeURIComponent(room)}`;
}

/**
 * The room that somebody has typed, or whose link has been pasted, with its token.
 * @param {string} text
 * @returns {string} "": the link is another server's, and the window goes there
 */
export function followInvitation(text) {
  const [, scheme = "", to, hash] = /^(https?:\/\/)?([^#]+)#(.+)/.exec(text.trim()) ?? [];
  if (to === location.host + location.pathname && (!scheme || scheme === `${location.protocol}//`)) return read(hash).room;
  if (!scheme) return text.normalize("NFC").trim();
  location.assign(text.trim());
  return "";
}

/** Makes the name of a room that nobody guesses: 55 bits. */
export function newRoom() {
  const letters = Array.from({ length: 12 }, letter).join("");
  return `${letters.slice(0, 4)}-${letters.slice(4, 8)}-${letters.slice(8)}`;
}

/** @returns {string} one of the letters, each as likely as another */
function letter() {
  for (;;) {
    const [n] = crypto.getRandomValues(new Uint8Array(1));
    if (n < 240) return LETTERS[n % 24];
  }
}
