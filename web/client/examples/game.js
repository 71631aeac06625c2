// A game: everybody moves a dot with the mouse, and sees the dots of the others. Moves
// go through data channels that may lose a message but never wait for one.
import { join } from "parley-client";

const room = await join(new URL("/ws", location.href.replace(/^http/, "ws")), "game");
const field = document.querySelector("#field");
const channels = new Map();

function dot(id) {
  const have = document.getElementById(id);
  if (have) return have;
  const made = Object.assign(document.createElement("div"), { id, className: "dot" });
  field.append(made);
  return made;
}

function move(id, { x, y }) { dot(id).style.translate = `${x}px ${y}px`; }

room.on("peer", (peer) => {
  const channel = peer.connection.createDataChannel("moves", { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 });
  channels.set(peer.id, channel);
  channel.onmessage = ({ data }) => move(peer.id, JSON.parse(data));
});
room.on("gone", ({ peer }) => {
  channels.delete(peer.id);
  dot(peer.id).remove();
});
field.onpointermove = ({ offsetX: x, offsetY: y }) => {
  move(room.id, { x, y });
  for (const channel of channels.values()) if (channel.readyState === "open") channel.send(JSON.stringify({ x, y }));
};
room.meet();
