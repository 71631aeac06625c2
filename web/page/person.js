// @ts-check
// The dialog about one member: the code that proves the call, and the actions.

import { element, write } from "./elements.js";
import { change, drawn, notice, state } from "./state.js";
import { t } from "./words.js";

const dialog = element("person", HTMLDialogElement), kicking = element("kicking", HTMLDialogElement);
let shown = "";
/** @type {import("./client/parley.js").Peer|undefined} whose code is shown */
let verified;

/**
 * @param {import("./visit.js").Visit} visit
 * @param {string} id
 */
export function showPerson(visit, id) {
  shown = id;
  verified = undefined;
  draw();
  dialog.showModal();
  element("pin").onclick = () => {
    change({ pinned: state.pinned === id ? "" : id });
    dialog.close();
  };
  element("person-call").onclick = () => {
    visit.call(id);
    dialog.close();
  };
  element("person-kick").onclick = () => {
    dialog.close();
    write(element("kick-question"), t("people.kickQuestion", { name: visit.nameOf(id) }));
    element("kick").onclick = () => {
      visit.room.kick(id).catch(() => {}); // the room tells
      kicking.close();
    };
    kicking.showModal();
  };
  element("person-id").onclick = async () => {
    try {
      await navigator.clipboard.writeText(id);
      notice(t("people.idCopied"));
    } catch {
      notice(t("people.id", { id }), "error");
    }
    dialog.close();
  };
}

function draw() {
  const { visit } = state;
  if (!shown || !visit) return;
  const peer = visit.room.peers.get(shown), name = visit.nameOf(shown);
  if (!peer && !visit.room.members.includes(shown)) { // it has gone, and there is nothing to be done
    dialog.close();
    return;
  }
  write(element("person-title"), name);
  element("pin").hidden = !peer;
  write(element("pin"), t(state.pinned === shown ? "tile.unpin" : "tile.pin", { name }));
  element("person-call").hidden = peer ? peer.role === "mesh" : !visit.room.meeting && visit.room.peers.size > 0;
  write(element("person-call"), t(peer ? "control.hangup" : "people.call"));
  element("person-kick").hidden = !visit.room.rights.includes("moderate");
  element("verification").hidden = !peer;
  if (!peer || peer === verified) return;
  verified = peer;
  write(element("code"), t("verify.waiting"));
  write(element("code-words"), "");
  peer.verification().then(({ emoji, words }) => {
    if (verified !== peer) return;
    write(element("code"), emoji.join(" "));
    write(element("code-words"), words.join(" "));
  }, (error) => {
    if (verified === peer) write(element("code"), t(error.code === "verification_failed" ? "verify.failed" : "verify.none"));
  });
}

drawn(() => { if (dialog.open) draw(); });
