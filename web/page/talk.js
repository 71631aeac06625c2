// @ts-check
// The panel with the chat, and the files that are offered in it.

import { element, fill, list, make, makeButton, save, size, write } from "./elements.js";
import { openChat, state } from "./state.js";
import { language, t } from "./words.js";

/** @typedef {import("./visit.js").Visit} Visit */
/** @typedef {import("./files.js").Transfer} Transfer */

const lines = element("lines"), words = element("words", HTMLInputElement), file = element("file", HTMLInputElement);
const meeting = element("meeting");
/** What was drawn last. @type {{said?: readonly import("./chat.js").Line[], files?: number, language?: string}} */
let drawn = {};

export function setUpTalk() {
  element("chat-form").onsubmit = (event) => {
    event.preventDefault();
    const text = words.value.trim();
    if (!text || !state.visit) return;
    state.visit.chat.say(text);
    words.value = "";
    lines.scrollTop = lines.scrollHeight;
  };
  element("attach").onclick = () => file.click();
  file.onchange = () => {
    offer(file.files);
    file.value = "";
  };
  words.onpaste = (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    offer(event.clipboardData.files);
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && state.panel === "chat") openChat(); });
  meeting.ondragover = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    meeting.dataset.drop = "";
  };
  meeting.ondragleave = (event) => { if (event.relatedTarget === null || event.target === meeting) delete meeting.dataset.drop; };
  meeting.ondrop = (event) => {
    delete meeting.dataset.drop;
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    offer(event.dataTransfer.files);
  };
}

/** @param {FileList|null} files */
function offer(files) {
  if (!files?.length) return;
  openChat();
  state.visit?.offer([...files]);
}

/** @param {Visit} visit */
export function drawTalk(visit) {
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 60;
  // Much is drawn often, and this is long: it is looked at when there is more of it.
  const now = { said: visit.chat.lines, files: visit.transfers.length, language: language() };
  if (now.said !== drawn.said || now.files !== drawn.files || now.language !== drawn.language) drawAll(visit);
  drawn = now;
  for (const transfer of visit.transfers) drawProgress(visit, transfer);
  if (atEnd) lines.scrollTop = lines.scrollHeight;
}

/** @param {Visit} visit */
function drawAll(visit) {
  const all = [...visit.chat.lines.map((line) => ({ at: line.at, line })), ...visit.transfers.map((transfer) => ({ at: transfer.at, transfer }))]
    .sort((a, b) => a.at - b.at);
  const things = all.map((e) => "line" in e ? { ...e.line, language: language() } : { transfer: e.transfer.id, language: language() });
  element("no-lines").hidden = things.length > 0;
  list(lines, things, (thing) => "text" in thing ? drawLine(thing) : drawTransfer(thing.transfer));
}

/** @param {import("./chat.js").Line} line */
function drawLine({ name, text, at, own, failed }) {
  const time = new Date(at).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit" });
  const p = make("p", { className: own ? "said own" : "said" }, make("bdi", { className: "who", text: own ? t("tile.you") : name }), " ",
    make("time", { text: time }), make("bdi", { className: "what" }, ...links(text)));
  if (failed) p.append(make("small", { className: "failed", text: t("chat.failed") }));
  return p;
}

/**
 * Makes addresses in a text links. Nothing else of it becomes an element.
 * @param {string} text
 * @returns {(Node|string)[]}
 */
function links(text) {
  return text.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,:;!?)\]}])/).map((part, i) => {
    if (i % 2 === 0) return part;
    const a = make("a", { text: part });
    a.href = part;
    a.target = "_blank";
    a.rel = "noopener noreferrer";
    return a;
  });
}

/** @param {string} id */
function drawTransfer(id) {
  const card = make("div", { className: "transfer" }, make("p"), make("progress"), make("p", { className: "hint" }), make("div", { className: "row" }));
  card.dataset.id = id;
  return card;
}

/**
 * Shows how far a file is, and what can be done about it.
 * @param {Visit} visit
 * @param {Transfer} it
 */
function drawProgress(visit, it) {
  const card = lines.querySelector(`[data-id="${it.id}"]`);
  if (!card) return;
  const [title, bar, note, buttons] = /** @type {[HTMLElement, HTMLProgressElement, HTMLElement, HTMLElement]} */ ([...card.children]);
  const parts = [...it.parts.entries()], names = parts.map(([id]) => visit.nameOf(id)).join(", ");
  const with_ = (/** @type {string} */ state) => parts.filter(([, p]) => p.state === state).map(([id]) => visit.nameOf(id)).join(", ");
  const about = { name: names, file: it.name, size: size(it.size) };
  const moving = parts.some(([, p]) => p.state === "moving"), offered = parts.some(([, p]) => p.state === "offered");
  write(title, t(it.incoming ? "file.from" : "file.to", about));
  const share = it.size ? Math.max(...parts.filter(([, p]) => p.state === "moving").map(([, p]) => p.moved / it.size), 0) : 1;
  bar.hidden = !moving;
  if (moving) {
    bar.value = share;
    bar.ariaLabel = title.textContent;
  }
  const states = [];
  if (moving) states.push(`${Math.floor(100 * share)} % · ${size(it.rate)}/s`);
  if (with_("offered") && !it.incoming) states.push(t("file.waiting", { name: with_("offered") }));
  if (with_("done")) states.push(it.incoming ? t("file.received") : t("file.sent", { name: with_("done") }));
  if (with_("refused")) states.push(it.incoming ? t("file.declined") : t("file.refused", { name: with_("refused") }));
  if (with_("large")) states.push(t("file.tooLarge", { name: with_("large") }));
  if (with_("failed")) states.push(t("file.failed", { name: with_("failed") }));
  if (with_("canceled")) states.push(t("file.canceled"));
  write(note, states.join(" · "));
  fill(buttons, [moving, offered, it.blob !== undefined, language()], () => {
    if (it.incoming && offered) return [makeButton(t("file.accept"), it.accept, "primary"), makeButton(t("file.refuse"), it.refuse)];
    if (moving || offered) return [makeButton(t("control.cancel"), it.cancel)];
    return it.blob ? [makeButton(t("file.save", about), () => save(/** @type {Blob} */ (it.blob), it.name), "primary")] : [];
  });
}
