// @ts-check
// The panel for those who want to know how WebRTC does it: connections, the paths
// that they took, and what went through the server.

import { element, fill, make, save } from "./elements.js";
import { state } from "./state.js";
import { language, t } from "./words.js";

/** @typedef {import("./visit.js").Visit} Visit */
/** @typedef {import("./client/parley.js").Candidate} Candidate */

const panel = element("advanced"), connections = element("connections"), list = element("log");
let drawnUpTo = /** @type {any} */ (undefined);

/** @param {Visit} visit */
export function drawDetails(visit) {
  element("export").onclick = () => saveDetails(visit);
  const selection = getSelection();
  if (selection?.type === "Range" && panel.contains(selection.anchorNode)) return; // it is being copied
  const tables = [...visit.room.peers.values()].map((peer) => {
    const s = visit.meeting.others.get(peer.id)?.statistics;
    const rows = [
      [t("advanced.id"), peer.id],
      [t("advanced.state"), `${peer.state} (${peer.connection.iceConnectionState}, ${peer.connection.signalingState})`],
      [t("advanced.role"), peer.role],
    ];
    if (s) {
      rows.push([t("advanced.path"), `${candidate(s.local)} ↔ ${candidate(s.remote)}${s.relayed ? ` (${t("advanced.relayed")})` : ""}`]);
      if (s.roundTrip !== undefined) rows.push([t("advanced.roundTrip"), `${Math.round(s.roundTrip)} ms`]);
      rows.push([t("advanced.sending"), rate(s.sending)], [t("advanced.receiving"), rate(s.receiving)], [t("advanced.lost"), `${(100 * s.lost).toFixed(1)} %`]);
      if (s.width) rows.push([t("advanced.picture"), `${s.width} × ${s.height}, ${Math.round(s.frames ?? 0)}/s`]);
    }
    return { name: visit.nameOf(peer.id), rows };
  });
  fill(connections, [tables, language()], () => tables.length ? tables.map(({ name, rows }) => {
    const body = make("tbody", {}, ...rows.map(([head, value]) => {
      const th = make("th", { text: head });
      th.scope = "row";
      return make("tr", {}, th, make("td", { text: value }));
    }));
    return make("table", {}, make("caption", { text: name }), body);
  }) : [make("p", { className: "hint", text: t("advanced.nobody") })]);
  drawLog(visit);
}

/** @param {Visit} visit */
function drawLog(visit) {
  const from = visit.log.indexOf(drawnUpTo) + 1;
  if (!from) list.replaceChildren();
  list.append(...visit.log.slice(from).map(({ at, out, message }) => {
    const who = message.from && !out ? `${visit.nameOf(message.from)} ` : message.to ? `→ ${visit.nameOf(message.to)} ` : "";
    return make("li", { text: `${new Date(at).toISOString().slice(11, 23)} ${out ? "↑" : "↓"} ${message.type} ${who}${summary(message)}` });
  }));
  while (list.childElementCount > visit.log.length) list.firstElementChild?.remove();
  drawnUpTo = visit.log.at(-1);
}

/** @param {Visit} visit */
async function saveDetails({ room, log }) {
  const peers = await Promise.all([...room.peers.values()].map(async (peer) => ({
    id: peer.id, state: peer.state, role: peer.role, statistics: [...new Map(/** @type {any} */ (await peer.connection.getStats())).values()],
  })));
  const messages = log.map(({ at, out, message }) => ({ at: new Date(at).toISOString(), out, message: withoutSecrets(message) }));
  save(new Blob([JSON.stringify({ room: room.name, id: room.id, browser: navigator.userAgent, settings: state.settings, peers, log: messages }, null, 1)], { type: "application/json" }), "parley.json");
}

/** @param {any} message */
function withoutSecrets(message) {
  const { session, token, passcode, ice_servers, ...rest } = message;
  return { ...rest, ...(ice_servers && { ice_servers: ice_servers.map((/** @type {any} */ s) => s.urls) }) };
}

/** @param {any} message */
function summary(message) {
  switch (message.type) {
    case "candidate": return message.candidate?.candidate ?? "–";
    case "offer": case "answer": return `${String(message.sdp?.sdp ?? message.sdp).length} B`;
    case "room_members": return message.members.length;
    case "room_changes": return message.count;
    case "error": return `${message.code}: ${message.error}`;
    case "message": return JSON.stringify(message.data).slice(0, 80);
  }
  return "";
}

/** @param {Candidate|undefined} c */
function candidate(c) {
  return c ? `${c.type} ${c.protocol} ${c.address ? `${c.address}:${c.port}` : ""}`.trim() : "?";
}

/** @param {number} bits a second */
function rate(bits) {
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`;
}
