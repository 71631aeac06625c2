// @ts-check
// The page for operators: figures, rooms, members, and what can be done about them.

import { Calls } from "./calls.js";
import { Figures } from "./figures.js";
import { age, button, element, fill, row } from "./table.js";

/**
 * @typedef {{name: string, members: number, locked: boolean, opened: string}} Room
 * @typedef {{room: string, id: string, name?: string, conn?: number, remote?: string, joined: string, rights: string[], backlog: number}} Member
 * @typedef {{conn: number, remote: string, room?: string, id?: string, backlog: number}} Connection
 */

const INTERVAL = 2_000; // ms between two looks
const TOKEN_KEY = "parleyd.admin-token";

const view = {
  state: element("state"), error: element("error"), signIn: element("sign-in", HTMLFormElement), token: element("token", HTMLInputElement),
  rooms: element("rooms"), more: element("rooms-more"), contains: element("contains", HTMLInputElement), sort: element("sort", HTMLSelectElement),
  detail: element("detail"), title: element("detail-title"), members: element("members"), lock: element("lock"),
  words: element("words", HTMLInputElement), slow: element("slow"), confirm: element("confirm", HTMLDialogElement), question: element("question"),
};
const figures = new Figures(element("figures"));
const calls = new Calls(look);
let shown = ""; // the room in detail
let locked = false;

class Unauthorized extends Error {}

/**
 * @param {string} path
 * @param {object} [order] makes it a POST
 */
async function ask(path, order) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const answer = await fetch(`api/v1/${path}`, {
    ...(order && { method: "POST", body: JSON.stringify(order) }),
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
  });
  const body = await answer.json();
  if (answer.status === 401) throw new Unauthorized(body.error);
  if (!answer.ok) throw new Error(body.error);
  return body;
}

/** @param {string} words */
function showError(words) {
  view.error.textContent = words;
  view.error.hidden = !words;
}

/**
 * @param {string} words
 * @returns {Promise<boolean>}
 */
function sure(words) {
  view.question.textContent = words;
  view.confirm.returnValue = "";
  view.confirm.showModal();
  return new Promise((resolve) => {
    view.confirm.addEventListener("close", () => resolve(view.confirm.returnValue === "yes"), { once: true });
  });
}

/**
 * Gives an order, and shows what has come of it.
 * @param {string} path
 * @param {object} order
 */
async function give(path, order) {
  try {
    await ask(path, order);
    showError("");
  } catch (error) {
    showError(String(error instanceof Error ? error.message : error));
  }
  await look();
}

/** @param {Room[]} rooms */
function drawRooms(rooms) {
  fill(view.rooms, rooms.map((r) => row([
    button(r.name, "name", () => open(r.name)), r.members, r.locked ? "yes" : "", age(r.opened),
  ], [1, 3])));
}

/** @param {string} room */
function open(room) {
  shown = room;
  look();
}

/** @param {(Room & {member_list: Member[]})|undefined} room */
function drawDetail(room) {
  view.detail.hidden = !room;
  if (!room) return;
  locked = room.locked;
  view.title.textContent = `${room.name} – ${room.members} ${room.members === 1 ? "member" : "members"}`;
  view.lock.textContent = locked ? "Unlock" : "Lock";
  fill(view.members, room.member_list.map((m) => row([
    m.id, m.name ?? "", m.conn ? `${m.remote} (${m.conn})` : "lost", m.rights.join(", "), m.backlog, age(m.joined),
    button("Kick…", "danger", () => kick(m), `Kick ${m.id}`),
  ], [4, 5])));
}

/** @param {Member} m */
async function kick(m) {
  if (await sure(`Remove ${m.name ?? m.id} from ${m.room}?`)) give("kick", { room: m.room, id: m.id });
}

/** @param {Connection[]} slow */
function drawSlow(slow) {
  fill(view.slow, slow.map((c) => row([c.conn, c.remote, c.room ?? "", c.id ?? "", c.backlog], [0, 4])));
}

async function detail() {
  if (!shown) return undefined;
  try {
    return await ask(`room?name=${encodeURIComponent(shown)}`);
  } catch (error) {
    if (error instanceof Unauthorized) throw error;
    shown = "";
    return undefined;
  }
}

/** @param {string} id of a call; empty: none */
async function storyOf(id) {
  if (!id) return undefined;
  try {
    return await ask(`call?id=${encodeURIComponent(id)}`);
  } catch (error) {
    if (error instanceof Unauthorized) throw error;
    return undefined;
  }
}

async function look() {
  try {
    const query = new URLSearchParams({ limit: "100", sort: view.sort.value, contains: view.contains.value });
    const [status, rooms, room, slow, recent, story] = await Promise.all([
      ask("status"), ask(`rooms?${query}`), detail(), ask("connections?sort=backlog&limit=5"),
      ask(`calls?${calls.query()}`), storyOf(calls.shown),
    ]);
    figures.add(status);
    view.state.textContent = `${status.version}, up for ${age(status.started)}`;
    view.signIn.hidden = true;
    drawRooms(rooms.items);
    const more = rooms.total - rooms.items.length;
    view.more.textContent = rooms.total === 0 ? "No rooms." : more > 0 ? `and ${more.toLocaleString("en")} more` : "";
    drawDetail(room);
    drawSlow(slow.items);
    calls.draw(recent, story);
    if (view.error.dataset.kind === "lost") showError("");
    view.error.dataset.kind = "";
  } catch (error) {
    if (error instanceof Unauthorized) {
      view.signIn.hidden = false;
      view.state.textContent = "signed out";
      if (sessionStorage.getItem(TOKEN_KEY)) showError("The token is wrong.");
      sessionStorage.removeItem(TOKEN_KEY);
      return;
    }
    view.state.textContent = "no answer";
    view.error.dataset.kind = "lost";
    showError("The server does not answer. It is asked again.");
  }
}

view.signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, view.token.value.trim());
  view.token.value = "";
  showError("");
  look();
});
view.contains.addEventListener("input", look);
view.sort.addEventListener("change", look);
view.lock.addEventListener("click", () => give(locked ? "unlock" : "lock", { room: shown }));
element("dismiss").addEventListener("click", () => open(""));
element("close").addEventListener("click", async () => {
  if (await sure(`Remove all members of ${shown}?`)) give("close", { room: shown });
});
element("message").addEventListener("submit", (event) => {
  event.preventDefault();
  give("message", { room: shown, data: { text: view.words.value } });
  view.words.value = "";
});
element("drain").addEventListener("click", async () => {
  if (await sure("Close all connections and end the server? Clients that can resume go on elsewhere, or when it is back.")) give("drain", {});
});

look();
setInterval(() => {
  if (document.visibilityState === "visible" && view.signIn.hidden) look();
}, INTERVAL);
