// A video call in React: `useSyncExternalStore` draws the room's snapshots.
import { join } from "parley-client";
import { useEffect, useState, useSyncExternalStore } from "react";

function Video({ stream, muted = false }) {
  return <video ref={(element) => { if (element && element.srcObject !== stream) element.srcObject = stream; }} autoPlay playsInline muted={muted} />;
}

function Call({ room }) {
  const { peers, local, members } = useSyncExternalStore(room.subscribe, room.getSnapshot);
  return <>
    <p>{members.map(({ name }) => name).join(", ")}</p>
    {local.stream && <Video stream={local.stream} muted />}
    {peers.flatMap((peer) => peer.streams.map((stream) => <Video key={stream.id} stream={stream} />))}
    <button onClick={() => room.mute("audio", !local.muted.audio)}>{local.muted.audio ? "Unmute" : "Mute"}</button>
  </>;
}

export function App({ url, name }) {
  const [room, setRoom] = useState(), [problem, setProblem] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    const joined = join(url, "react", { name, signal: stop.signal }).then(async (room) => {
      stop.signal.addEventListener("abort", () => room.leave());
      setRoom(room);
      await room.publish().catch(() => {}); // without a camera we still see the others
      room.meet();
    });
    joined.catch((error) => { if (!stop.signal.aborted) setProblem(error.message); });
    return () => stop.abort();
  }, [url, name]);
  return room ? <Call room={room} /> : <p>{problem || "Joining…"}</p>;
}
