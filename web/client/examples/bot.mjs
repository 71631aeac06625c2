// A bot for Node: it echoes what comes on data channels, and sends a picture that it draws.
//   npm install ./parley-client-0.2.0.tgz @roamhq/wrtc ws    (what `npm pack` has made)
//   node bot.mjs wss://signal.example.org/ws garden
import { join } from "parley-client";
import wrtc from "@roamhq/wrtc";

const WebSocket = globalThis.WebSocket ?? (await import("ws")).default; // Node 22 has one
globalThis.MediaStream = wrtc.MediaStream;
const [url, name] = process.argv.slice(2);
const room = await join(url, name, { name: "Bot", WebSocket, RTCPeerConnection: wrtc.RTCPeerConnection });

const source = new wrtc.nonstandard.RTCVideoSource(), track = source.createTrack();
room.addTrack(track, new wrtc.MediaStream([track]));
const frame = { width: 320, height: 240, data: new Uint8ClampedArray(320 * 240 * 1.5) };
setInterval(() => source.onFrame({ ...frame, data: frame.data.fill(Date.now() / 20 % 256) }), 100);

room.on("peer", (peer) => {
  peer.on("data", (data) => peer.send(data).catch(() => {})); // it waits while the other side is slow
  peer.on("channel", (channel) => { channel.onmessage = ({ data }) => channel.send(data); });
});
room.on("error", ({ code, message }) => console.error(code, message));
room.meet();
