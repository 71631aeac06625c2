// A strict consumer of the package's types. TestPackage compiles it.
import { connect, join, ParleyError, type ErrorCode, type Incoming, type Peer, type PeerState, type Room, type Snapshot, type Statistics, type Verification } from "parley-client";
import { Signaling } from "parley-client/signaling.js";

type Chat = { text: string };
type Profile = { color: string };

const room: Room<Chat, Profile> = await join<Chat, Profile>("ws://x/ws", "r", {
  name: "n", getToken: async () => "token", signal: AbortSignal.timeout(1000), timeout: 500, wait: true, reports: false,
});
room.on("message", ({ from, data }) => { const text: string = data.text; void [from.length, text]; });
room.on("error", ({ code, final }) => { const known: ErrorCode = code; void [known, final === true]; });
room.on("gone", ({ reason }) => { if (reason === "renewed") return; });
room.on("call", (call: Incoming) => { const peer: Peer | undefined = call.accept(); void peer; });
const sent: Promise<void> = room.send({ text: "x" });
await room.send(new Uint8Array(1));
await sent;
await room.update({ color: "red" });
const color: string | undefined = room.metaOf("ann")?.color;
const snapshot: Snapshot<Profile> = room.getSnapshot();
const profile: Profile | undefined = snapshot.members[0]?.meta;
const off: () => void = room.subscribe(() => {});
off();
const stream: MediaStream = await room.publish({ audio: true });
const { stop } = await room.shareScreen();
stop();

for (const peer of room.peers.values()) {
  const state: PeerState = peer.state;
  peer.on("track", ({ track, streams }) => { track.stop(); void streams[0]; });
  const code: Verification = await peer.verification();
  const statistics: Statistics = await peer.stats();
  const pc: RTCPeerConnection = peer.connection;
  void [state, code.words.join(), statistics.roundTrip, pc, peer.bufferedAmount];
}

try {
  await connect("ws://x/ws", { name: "n" }).join<Chat>("r");
} catch (error) {
  if (error instanceof ParleyError) {
    switch (error.code) {
      case "room_full": case "unreachable": case "too_large": break;
      // @ts-expect-error there is no such code
      case "nonsense": break;
    }
  }
}

// @ts-expect-error there is no such event
room.on("nothing", () => {});
// @ts-expect-error that is not what members say
room.send({ words: 1 });
// @ts-expect-error that is no profile
room.update({ color: 7 });
// @ts-expect-error only the module tells events
room.emit("uncall", "x");
// @ts-expect-error snapshots stay as they are
snapshot.members.push(snapshot.members[0]);
void [color, profile, stream, Signaling];
