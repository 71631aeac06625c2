// @ts-check
// Finds members in all rooms.

import { age, button, element, fill, row } from "./table.js";

export class Members {
  #contains = element("member", HTMLInputElement);
  #open;

  /**
   * @param {() => Promise<void>} look asks anew
   * @param {(room: string) => void} open shows a room
   */
  constructor(look, open) {
    this.#open = open;
    this.#contains.addEventListener("input", look);
  }

  get sought() { return this.#contains.value.trim(); }
  query() { return new URLSearchParams({ limit: "50", contains: this.sought }); }

  /** @param {{items: import("./rooms.js").Member[], next?: string}|undefined} list */
  draw(list) {
    element("found").hidden = !list;
    if (!list) return;
    fill(element("found-members"), list.items.map((m) => row([m.name ?? "", m.id, button(m.room, "name", () => this.#open(m.room), `${m.room}, room of ${m.id}`), m.remote ?? "lost", age(m.joined)], [4])));
    element("found-more").textContent = list.items.length === 0 ? "Nobody." : list.next ? "There are more: write more of the name." : "";
  }
}
