// A video call with everybody who opens the page, in thirty lines.
import { join } from "parley-client";

const room = await join(new URL("/ws", location.href.replace(/^http/, "ws")), "example");
const pictures = document.querySelector("#pictures");

function show(id, stream) {
  const video = document.getElementById(id) ?? document.createElement("video");
  pictures.append(Object.assign(video, { id, srcObject: stream, autoplay: true, playsInline: true, muted: id === "me" }));
}

room.on("peer", (peer) => {
  peer.on("track", ({ streams: [stream] }) => show(peer.id, stream));
});
room.on("gone", ({ peer }) => document.getElementById(peer.id)?.remove());
room.on("state", (state) => { document.querySelector("#status").textContent = state; });

try {
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  show("me", media);
  for (const track of media.getTracks()) room.addTrack(track, media);
} catch (error) {
  document.querySelector("#status").textContent = `No camera: ${error.message}`;
}

room.meet(); // with all others who do
document.querySelector("#leave").onclick = () => room.leave();
