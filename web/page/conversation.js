// @ts-check
// The chat, and the files that are offered in it.

import { element, make, save, size } from "./elements.js";
import { offerFile } from "./files.js";
import { t } from "./words.js";

/** @typedef {import("./client/index.js").Room} Room */
/** @typedef {import("./files.js").Transfer} Transfer */
/** @typedef {import("./meeting.js").Meeting} Meeting */

const lines = element("lines");
const words = element("words", HTMLInputElement);
const file = element("file", HTMLInputElement);

export class Conversation {
  #room;
  #meeting;
  #notice;

  /**
   * @param {Room} room
   * @param {Meeting} meeting
   * @param {(text: string) => void} notice tells of what is new
   */
  constructor(room, meeting, notice) {
    this.#room = room;
    this.#meeting = meeting;
    this.#notice = notice;
    lines.replaceChildren(make("p", { className: "hint", text: t("chat.empty") }));
    meeting.on("chat", ({ from, text }) => {
      this.#say(room.nameOf(from), text);
      notice(t("chat.new", { name: room.nameOf(from), text }));
    });
    meeting.on("file", (transfer) => this.#offered(transfer));
    element("chat-form").onsubmit = (event) => {
      event.preventDefault();
      const text = words.value.trim();
      if (!text) return;
      meeting.chat(text);
      this.#say(t("tile.you"), text, true);
      words.value = "";
    };
    file.onchange = () => {
      for (const chosen of file.files ?? []) this.#offer(chosen);
      file.value = "";
    };
  }

  /** @param {Node} line */
  #add(line) {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    lines.append(line);
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {boolean} [own]
   */
  #say(name, text, own) {
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    this.#add(make("p", { className: own ? "said own" : "said" }, make("bdi", { className: "who", text: name }),
      make("time", { text: time }), make("bdi", { className: "what", text })));
  }

  /** @param {File} chosen */
  #offer(chosen) {
    const peers = [...this.#room.peers.values()].filter((peer) => peer.state === "connected");
    if (!peers.length) this.#notice(t("file.nobody"));
    for (const peer of peers) this.#draw(offerFile(peer, chosen));
  }

  /** @param {Transfer} transfer */
  #offered(transfer) {
    this.#draw(transfer);
    this.#notice(t("file.offer", this.#about(transfer)));
  }

  /** @param {Transfer} transfer */
  #about(transfer) {
    return { name: this.#room.nameOf(transfer.peer), file: transfer.name, size: size(transfer.size) };
  }

  /**
   * Shows a file on its way, and what can be done about it.
   * @param {Transfer} it
   */
  #draw(it) {
    const about = this.#about(it);
    const text = make("p"), bar = make("progress"), buttons = make("div", { className: "row" });
    const button = (/** @type {import("./words.js").Key} */ key, /** @type {() => void} */ act) => {
      const b = make("button", { text: t(key, about) });
      b.type = "button";
      b.onclick = act;
      return b;
    };
    it.changed = () => {
      const key = {
        offered: it.incoming ? "file.offer" : "file.waiting", moving: it.incoming ? "file.receiving" : "file.sending",
        done: it.incoming ? "file.receiving" : "file.sent", refused: "file.refused", failed: "file.failed",
      }[it.state];
      const words = t(/** @type {import("./words.js").Key} */ (key), about);
      if (text.textContent !== words) text.textContent = words;
      bar.hidden = it.state !== "moving";
      bar.value = it.progress;
      bar.ariaLabel = words;
      if (buttons.dataset.state === it.state) return;
      buttons.dataset.state = it.state;
      buttons.replaceChildren(...(it.state === "offered" && it.incoming ? [button("file.accept", it.accept), button("file.refuse", it.refuse)]
        : it.state === "done" && it.blob ? [button("file.save", () => save(/** @type {Blob} */ (it.blob), it.name))] : []));
    };
    it.changed();
    this.#add(make("div", { className: "transfer" }, text, bar, buttons));
  }
}
