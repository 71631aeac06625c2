// @ts-check
// The page for operators: figures, rooms, members, and what can be done about them.

import { ask, hasToken, keepToken, Missing, Unauthorized } from "./api.js";
import { Calls } from "./calls.js";
import { Figures } from "./figures.js";
import { Members } from "./members.js";
import { Rooms } from "./rooms.js";
import { age, element, fill, row } from "./table.js";

/**
 * @typedef {{conn: number, remote: string, room?: string, id?: string, backlog: number}} Connection
 * @typedef {{name: string, state: string, self: boolean, partitions: number, rooms: number, members: number, connections: number}} Node
 */

const INTERVAL = 2_000; // ms between two looks

const view = {
  state: element("state"), error: element("error"), signIn: element("sign-in", HTMLFormElement), token: element("token", HTMLInputElement),
  slow: element("slow"), nodes: element("nodes"), server: element("server", HTMLDetailsElement),
  confirm: element("confirm", HTMLDialogElement), question: element("question"), named: element("named", HTMLInputElement), yes: element("yes", HTMLButtonElement),
};
const figures = new Figures(element("figures"), element("more-figures"));
const calls = new Calls(look);
const rooms = new Rooms(look, give, sure);
const members = new Members(look, (name) => rooms.open(name));
/** The look that is under way: a newer one puts it aside. @type {AbortController|undefined} */
let looking;

/**
 * @param {string} words
 * @param {"error"|"lost"|"done"} [kind]
 */
function tell(words, kind = "error") {
  view.error.textContent = words;
  view.error.hidden = !words;
  view.error.dataset.kind = kind;
}

/**
 * Asks whether something is to be done.
 * @param {string} words
 * @param {string} act what the button says
 * @param {string} [name] that has to be typed
 * @returns {Promise<boolean>}
 */
function sure(words, act, name = "") {
  view.question.textContent = words;
  view.yes.textContent = act;
  view.named.value = "";
  const field = /** @type {HTMLElement} */ (view.named.parentElement);
  field.hidden = !name;
  /** @type {HTMLElement} */ (field.firstElementChild).textContent = `Type ${name} to confirm`;
  view.named.oninput = () => { view.yes.disabled = view.named.value.trim() !== name; };
  view.yes.disabled = name !== "";
  view.confirm.returnValue = "";
  view.confirm.showModal();
  return new Promise((resolve) => {
    view.confirm.addEventListener("close", () => resolve(view.confirm.returnValue === "yes" && (!name || view.named.value.trim() === name)), { once: true });
  });
}

/**
 * Gives an order, and tells what has come of it.
 * @param {string} path
 * @param {object} order
 * @param {string} done in words
 * @returns {Promise<boolean>}
 */
async function give(path, order, done) {
  try {
    await ask(path, { order });
    tell(done, "done");
    await look();
    return true;
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    tell(name === "TimeoutError" || error instanceof TypeError ? "The server does not answer. Whether it has taken the order is not known." : message);
    return false;
  }
}

/**
 * @template T
 * @param {Promise<T>} answer
 * @returns {Promise<T|undefined>} undefined: it is not there, or not any more
 */
async function ifThere(answer) {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Missing) return undefined;
    throw error;
  }
}

async function look() {
  looking?.abort();
  const mine = looking = new AbortController(), { signal } = mine;
  try {
    const [status, list, room, slow, recent, story, found, nodes] = await Promise.all([
      ask("status", { signal }), ask(`rooms?${rooms.query()}`, { signal }),
      rooms.shown ? ifThere(ask(`room?name=${encodeURIComponent(rooms.shown)}`, { signal })) : undefined,
      ask("connections?sort=backlog&limit=5", { signal }), ask(`calls?${calls.query()}`, { signal }),
      calls.shown ? ifThere(ask(`call?id=${encodeURIComponent(calls.shown)}`, { signal })) : undefined,
      members.sought ? ask(`members?${members.query()}`, { signal }) : undefined, ask("nodes", { signal }),
    ]);
    if (mine !== looking) return;
    figures.add(status);
    view.state.textContent = `${status.version}, up for ${age(status.started)}`;
    view.signIn.hidden = true;
    view.server.hidden = false;
    rooms.draw(list, room);
    members.draw(found);
    drawSlow(slow.items);
    drawNodes(nodes.items);
    calls.draw(recent, story);
    if (view.error.dataset.kind === "lost") tell("");
  } catch (error) {
    if (mine === looking && !signal.aborted) failed(error);
  } finally {
    if (mine === looking) looking = undefined;
  }
}

/** @param {unknown} error */
function failed(error) {
  if (error instanceof Unauthorized) {
    view.signIn.hidden = false;
    view.server.hidden = true;
    view.state.textContent = "signed out";
    if (hasToken()) tell("The token is wrong.");
    keepToken(null);
    return;
  }
  // The page keeps showing the last answer, so no half-typed text is lost.
  view.state.textContent = "no answer";
  tell("The server does not answer. It is asked again.", "lost");
}

/** @param {Connection[]} slow */
function drawSlow(slow) {
  const waiting = slow.filter((c) => c.backlog > 0);
  element("slow-none").hidden = waiting.length > 0;
  element("slow-list").hidden = waiting.length === 0;
  fill(view.slow, waiting.map((c) => row([c.conn, c.remote, c.room ?? "", c.id ?? "", c.backlog], [0, 4])));
}

/** @param {Node[]} nodes of the cluster; none: it is a server alone */
function drawNodes(nodes) {
  element("cluster").hidden = nodes.length === 0;
  fill(view.nodes, nodes.map((n) => {
    const line = row([n.self ? `${n.name} (this one)` : n.name, n.state, n.partitions, n.rooms, n.members, n.connections], [2, 3, 4, 5]);
    line.classList.toggle("bad", n.state !== "ready");
    return line;
  }));
}

view.signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(view.token.value.trim());
  view.token.value = "";
  tell("");
  look();
});
element("drain").addEventListener("click", async () => {
  view.server.open = false;
  const words = "This closes all connections and ends the server. Clients that can resume go on elsewhere, or when it is back.";
  if (await sure(words, "Drain and end the server", location.hostname)) give("drain", {}, "The server drains, and ends.");
});

look();
setInterval(() => {
  if (document.visibilityState === "visible" && view.signIn.hidden && !looking) look();
}, INTERVAL);
