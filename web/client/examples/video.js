// A video call with everybody who opens the page.
import { join } from "../client/parley.js"; // from npm: "parley-client"

const pictures = document.querySelector("#pictures"), status = document.querySelector("#status");

const room = await join(new URL("../ws", location.href.replace(/^http/, "ws")), "example");
room.subscribe(draw);
await room.publish().catch((error) => { status.textContent = `No camera: ${error.message}`; });
room.meet(); // with all others who do
draw();

function draw() {
  const { peers, local, state } = room.getSnapshot();
  const streams = [local.stream, ...peers.flatMap((peer) => peer.streams)].filter(Boolean);
  for (const video of pictures.querySelectorAll("video")) if (!streams.includes(video.srcObject)) video.remove();
  for (const stream of streams) {
    if ([...pictures.children].some((video) => video.srcObject === stream)) continue;
    pictures.append(Object.assign(document.createElement("video"), {
      srcObject: stream, autoplay: true, playsInline: true, muted: stream === local.stream,
    }));
  }
  if (state !== "joined") status.textContent = state;
}

document.querySelector("#mute").onclick = () => room.mute("audio", !room.local.muted.audio);
document.querySelector("#share").onclick = () => room.shareScreen();
document.querySelector("#leave").onclick = () => room.leave();
