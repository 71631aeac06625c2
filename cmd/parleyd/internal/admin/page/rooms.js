// @ts-check
// The list of rooms, and beside it the one that the address names: #room=NAME.

import { age, button, element, fill, row } from "./table.js";

/**
 * @typedef {{name: string, members: number, locked: boolean, opened: string}} Room
 * @typedef {{room: string, id: string, name?: string, conn?: number, remote?: string, joined: string, rights: string[], backlog: number}} Member
 * @typedef {(path: string, order: object, done: string) => Promise<boolean>} Give
 * @typedef {(words: string, act: string, name?: string) => Promise<boolean>} Sure
 */

const PAGE = 100; // rooms

export class Rooms {
  /** The room in detail; "": none. */
  shown = named();
  #look;
  #give;
  #sure;
  #contains = element("contains", HTMLInputElement);
  #sort = element("sort", HTMLSelectElement);
  #words = element("words", HTMLInputElement);
  /** The cursors of the pages up to this one. */
  #cursors = [""];
  #next = "";
  #locked = false;

  /**
   * @param {() => Promise<void>} look asks anew
   * @param {Give} give
   * @param {Sure} sure
   */
  constructor(look, give, sure) {
    this.#look = look;
    this.#give = give;
    this.#sure = sure;
    const first = () => {
      this.#cursors = [""];
      look();
    };
    this.#contains.addEventListener("input", first);
    this.#sort.addEventListener("change", first);
    element("previous").onclick = () => {
      this.#cursors.pop();
      look();
    };
    element("next").onclick = () => {
      this.#cursors.push(this.#next);
      look();
    };
    element("dismiss").onclick = () => this.open("");
    element("lock").onclick = () => {
      const room = this.shown;
      give(this.#locked ? "unlock" : "lock", { room }, `${room} is ${this.#locked ? "unlocked" : "locked"}.`);
    };
    element("close").onclick = async () => {
      const room = this.shown;
      if (await sure(`Remove all members of ${room}?`, "Close the room")) give("close", { room }, `${room} is closed.`);
    };
    element("message").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    addEventListener("hashchange", () => {
      this.shown = named();
      look();
    });
  }

  async #say() {
    const room = this.shown, text = this.#words.value;
    if (await this.#give("message", { room, data: { text } }, `All members of ${room} were told.`) && this.#words.value === text) this.#words.value = "";
  }

  query() {
    const cursor = this.#cursors[this.#cursors.length - 1];
    return new URLSearchParams({ limit: String(PAGE), sort: this.#sort.value, contains: this.#contains.value, ...(cursor && { cursor }) });
  }

  /** @param {string} room to show beside the list; "": none */
  open(room) {
    const before = this.shown;
    if (room !== before) this.#words.value = "";
    location.hash = room && `room=${encodeURIComponent(room)}`;
    this.shown = room;
    if (room !== before) this.#drawDetail(undefined);
    if (room) {
      if (room !== before) element("detail-title").textContent = room; // who is there comes with the next answer
      element("detail").focus();
    } else {
      const named = [...document.querySelectorAll("#rooms button")].find((b) => b.textContent === before);
      /** @type {HTMLElement} */ (named ?? this.#contains).focus();
    }
  }

  /**
   * @param {{items: Room[], total: number, next?: string}} list
   * @param {(Room & {member_list: Member[]})|undefined} room
   */
  draw({ items, total, next = "" }, room) {
    this.#next = next;
    if (!items.length && this.#cursors.length > 1) { // there are fewer rooms than there were
      this.#cursors.pop();
      this.#look();
      return;
    }
    fill(element("rooms"), items.map((r) => {
      const line = row([button(r.name, "name", () => this.open(r.name)), r.members, r.locked ? "yes" : "", age(r.opened)], [1, 3]);
      if (r.name === this.shown) line.ariaCurrent = "true";
      return line;
    }));
    const from = PAGE * (this.#cursors.length - 1);
    element("rooms-more").textContent = total === 0 ? "No rooms." : `${items.length ? from + 1 : from}–${from + items.length} of ${total.toLocaleString("en")}`;
    element("previous").hidden = this.#cursors.length < 2;
    element("next").hidden = !next;
    this.#drawDetail(room);
  }

  /** @param {(Room & {member_list: Member[]})|undefined} room */
  #drawDetail(room) {
    element("detail").hidden = !this.shown;
    element("columns").classList.toggle("two", this.shown !== "");
    if (!this.shown) return;
    const there = room?.name === this.shown || room !== undefined;
    for (const e of document.querySelectorAll("#detail .open")) /** @type {HTMLElement} */ (e).hidden = !there;
    element("detail-title").textContent = room ? `${room.name} – ${room.members} ${room.members === 1 ? "member" : "members"}` : `${this.shown} – nobody is there`;
    if (!room) return;
    this.#locked = room.locked;
    element("lock").textContent = room.locked ? "Unlock" : "Lock";
    fill(element("members"), room.member_list.map((m) => {
      const kick = button("Kick…", "danger", () => this.#kick(m), `Kick ${m.id}`);
      kick.dataset.key = JSON.stringify([m.room, m.id, m.name]);
      return row([m.name ?? "", m.id, m.conn ? `${m.remote} (${m.conn})` : "lost", m.rights.join(", "), m.backlog, age(m.joined), kick], [4, 5]);
    }));
  }

  /** @param {Member} m */
  async #kick(m) {
    const name = m.name ?? m.id;
    if (await this.#sure(`Remove ${name} from ${m.room}?`, `Remove ${name}`)) this.#give("kick", { room: m.room, id: m.id }, `${name} was removed from ${m.room}.`);
  }
}

/** @returns {string} the room in the address */
function named() {
  return new URLSearchParams(location.hash.slice(1)).get("room") ?? "";
}
