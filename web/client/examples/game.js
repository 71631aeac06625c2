// A game: everybody moves a dot, and sees the dots of the others. Moves go through a data
// channel that may lose a message but never waits for one.
import { join } from "../client/parley.js"; // from npm: "parley-client"

const field = document.querySelector("#field");
const room = await join(new URL("../ws", location.href.replace(/^http/, "ws")), "game");
room.channel("moves", { id: 1, ordered: false, maxRetransmits: 0 }); // every peer has one

const dotOf = (id) => document.getElementById(`dot-${id}`); // members choose their ids: "field" is one too

function move(id, { x, y }) {
  let dot = dotOf(id);
  if (!dot) field.append(dot = Object.assign(document.createElement("div"), { id: `dot-${id}`, className: "dot" }));
  dot.style.translate = `${x}px ${y}px`;
}

room.on("peer", (peer) => {
  peer.channels.get("moves").onmessage = ({ data }) => move(peer.id, JSON.parse(data));
});
room.on("gone", ({ peer }) => dotOf(peer.id)?.remove());
field.onpointermove = ({ offsetX: x, offsetY: y }) => {
  move(room.id, { x, y });
  for (const { channels } of room.peers.values()) {
    if (channels.get("moves")?.readyState === "open") channels.get("moves").send(JSON.stringify({ x, y }));
  }
};
room.meet();
