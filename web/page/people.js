// @ts-check
// The list of people in the room, with the actions for each.

import { avatar, element, list, make, makeButton, press, write } from "./elements.js";
import { icon } from "./icons.js";
import { showPerson } from "./person.js";
import { change } from "./state.js";
import { language, t } from "./words.js";

const members = element("members"), lock = element("lock"), locked = element("locked");

/** @param {import("./visit.js").Visit} visit */
export function drawPeople(visit) {
  const { room, meeting } = visit, moderates = room.rights.includes("moderate");
  write(element("people-title"), t("people.title", { n: room.members.length }));
  lock.hidden = !moderates;
  lock.onclick = () => room.lock(!room.locked);
  press(lock, room.locked, t(room.locked ? "room.unlock" : "room.lock"));
  locked.hidden = !room.locked;
  element("meet").hidden = room.meeting;
  const { hands } = meeting, order = [...hands, ...room.members.filter((id) => !hands.includes(id))].filter((id) => room.members.includes(id));
  const lines = order.map((id) => {
    const other = meeting.others.get(id);
    return {
      id, name: visit.nameOf(id), self: id === room.id, hand: hands.indexOf(id) + 1, role: other?.peer.role,
      muted: id === room.id ? meeting.self.muted : other?.muted ?? false, may: room.meeting || !room.peers.size, state: other?.peer.state === "ringing" ? "ringing" : "", language: language(),
    };
  });
  list(members, lines, (line) => {
    const { id, name, self, hand, role, muted } = line;
    const label = make("span", { className: "who" }, make("bdi", { text: name }));
    label.title = id;
    const more = self ? t("people.you") : line.state ? t("tile.ringing") : "";
    if (more) label.append(make("small", { text: more }));
    const li = make("li", {}, avatar(id, name), label);
    if (hand) {
      const raised = make("span", { className: "raised" }, icon("hand"), String(hand));
      raised.title = t("tile.hand");
      li.append(raised);
    }
    if (muted && (self || role)) li.append(icon("micOff"));
    if (self) return li;
    if (role && role !== "mesh") li.append(button(id, "call", t("control.hangup"), () => visit.call(id), "danger"));
    else if (!role && line.may) li.append(button(id, "call", t("people.call"), () => call(visit, id), "primary"));
    const options = button(id, "options", "", () => showPerson(visit, id), "quiet");
    options.append(icon("more"));
    options.ariaLabel = options.title = t("tile.options", { name });
    li.append(options);
    return li;
  });
}

/**
 * Calls somebody. On a phone, where the list hides the call, it closes.
 * @param {import("./visit.js").Visit} visit
 * @param {string} id
 */
function call(visit, id) {
  visit.call(id);
  if (matchMedia("(max-width: 40rem)").matches) change({ panel: "" });
}

/**
 * @param {string} id
 * @param {string} kind
 * @param {string} text
 * @param {() => void} act
 * @param {string} className
 */
function button(id, kind, text, act, className) {
  const b = makeButton(text, act, `${kind} ${className}`);
  b.dataset.key = `${kind} ${id}`;
  return b;
}
