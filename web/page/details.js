// @ts-check
// The panel for those who want to know how WebRTC does it: connections, the paths
// that they took, and what went through the server.

import { element, make, save } from "./elements.js";
import { t } from "./words.js";

/** @typedef {import("./client/index.js").Room} Room */
/** @typedef {import("./client/stats.js").Candidate} Candidate */
/** @typedef {import("./meeting.js").Meeting} Meeting */

const KEPT = 500; // messages of the log

const panel = element("advanced");
const connections = element("connections");
const list = element("log");

export class Details {
  /** @type {{at: number, out: boolean, message: any}[]} */
  #log = [];
  #room;
  #meeting;

  /**
   * @param {Room} room
   * @param {Meeting} meeting
   */
  constructor(room, meeting) {
    this.#room = room;
    this.#meeting = meeting;
    list.replaceChildren();
    room.on("log", (entry) => {
      this.#log.push(entry);
      if (this.#log.length > KEPT) this.#log.shift();
      this.#append(entry);
    });
    meeting.on("change", () => { if (!panel.hidden) this.draw(); });
    element("export").onclick = () => this.#export();
  }

  /** @param {{at: number, out: boolean, message: any}} entry */
  #append({ at, out, message }) {
    const who = message.from && !out ? `${this.#room.nameOf(message.from)} ` : message.to ? `→ ${this.#room.nameOf(message.to)} ` : "";
    const text = `${new Date(at).toISOString().slice(11, 23)} ${out ? "↑" : "↓"} ${message.type} ${who}${summary(message)}`;
    list.append(make("li", { text }));
    while (list.childElementCount > KEPT) list.firstElementChild?.remove();
  }

  draw() {
    const tables = [...this.#room.peers.values()].map((peer) => {
      const s = this.#meeting.others.get(peer.id)?.statistics;
      const rows = [
        [t("advanced.state"), `${peer.state} (${peer.connection.iceConnectionState}, ${peer.connection.signalingState})`],
        [t("advanced.role"), peer.role],
      ];
      if (s) {
        rows.push([t("advanced.path"), `${candidate(s.local)} ↔ ${candidate(s.remote)}${s.relayed ? ` (${t("advanced.relayed")})` : ""}`]);
        if (s.roundTrip !== undefined) rows.push([t("advanced.roundTrip"), `${Math.round(s.roundTrip)} ms`]);
        rows.push([t("advanced.sending"), rate(s.sending)], [t("advanced.receiving"), rate(s.receiving)], [t("advanced.lost"), `${(100 * s.lost).toFixed(1)} %`]);
        if (s.width) rows.push([t("advanced.picture"), `${s.width} × ${s.height}, ${Math.round(s.frames ?? 0)}/s`]);
      }
      const body = make("tbody", {}, ...rows.map(([name, value]) => {
        const head = make("th", { text: name });
        head.scope = "row";
        return make("tr", {}, head, make("td", { text: value }));
      }));
      return make("table", {}, make("caption", { text: this.#room.nameOf(peer.id) }), body);
    });
    connections.replaceChildren(...(tables.length ? tables : [make("p", { className: "hint", text: t("advanced.nobody") })]));
  }

  async #export() {
    const peers = await Promise.all([...this.#room.peers.values()].map(async (peer) => ({
      id: peer.id, state: peer.state, role: peer.role, statistics: [...new Map(/** @type {any} */ (await peer.connection.getStats())).values()],
    })));
    const log = this.#log.map(({ at, out, message }) => ({ at: new Date(at).toISOString(), out, message: withoutSecrets(message) }));
    save(new Blob([JSON.stringify({ room: this.#room.name, id: this.#room.id, browser: navigator.userAgent, peers, log }, null, 1)], { type: "application/json" }), "parley.json");
  }
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
