// @ts-check
// Who is in the room, and what moderators can do about it.

import { element, make, press } from "./elements.js";
import { language, t } from "./words.js";

/** @typedef {import("./client/room.js").Room} Room */

const members = element("members"), lock = element("lock"), locked = element("locked");
const kicking = element("kicking", HTMLDialogElement);

/** The panel with the members. */
export class People {
  /** What was drawn last. */
  #kept = "";
  #choose;
  #chosen;

  /**
   * @param {(id: string) => void} choose called with the member that is pressed
   * @param {() => string} chosen the member that is to be called
   */
  constructor(choose, chosen) {
    this.#choose = choose;
    this.#chosen = chosen;
  }

  /** Draws everything the next time. */
  forget() { this.#kept = ""; }

  /** @param {Room} room */
  draw(room) {
    const moderates = room.rights.includes("moderate");
    lock.hidden = !moderates;
    lock.onclick = () => room.lock(!room.locked);
    press(lock, room.locked, t(room.locked ? "room.unlock" : "room.lock"));
    locked.hidden = !room.locked;

    const now = JSON.stringify([room.members, room.names, room.id, this.#chosen(), language(), moderates]);
    if (now === this.#kept) return;
    this.#kept = now;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.id : undefined;
    members.replaceChildren(...room.members.map((id) => this.#line(room, id, moderates)));
    if (focused) /** @type {HTMLElement|null} */ (members.querySelector(`[data-id="${CSS.escape(focused)}"]`))?.focus();
  }

  /**
   * @param {Room} room
   * @param {string} id
   * @param {boolean} moderates
   */
  #line(room, id, moderates) {
    const name = room.nameOf(id);
    const lines = [make("bdi", { text: name }), make("small", { text: id === room.id ? `${t("people.you")} · ${id}` : id })];
    if (id === room.id) return make("li", {}, make("div", { className: "self" }, ...lines));
    const button = make("button", {}, ...lines);
    button.type = "button";
    button.dataset.id = id;
    button.ariaPressed = String(id === this.#chosen());
    button.onclick = () => this.#choose(id);
    if (!moderates) return make("li", {}, button);
    const kick = make("button", { className: "quiet", text: t("people.kick") });
    kick.type = "button";
    kick.ariaLabel = t("people.kickName", { name });
    kick.onclick = () => this.#askKick(room, id);
    return make("li", {}, button, kick);
  }

  /**
   * @param {Room} room
   * @param {string} id
   */
  #askKick(room, id) {
    element("kick-question").textContent = t("people.kickQuestion", { name: room.nameOf(id) });
    element("kick").onclick = () => {
      room.kick(id);
      kicking.close();
    };
    kicking.showModal();
  }
}
