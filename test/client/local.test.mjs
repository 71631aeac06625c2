// Tests of what we send, with devices that the test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Local } from "../../web/client/local.js";
import { Room } from "../../web/client/room.js";
import { Connection, devices, serve, settle, Track } from "./played.mjs";

const both = { audio: true, video: true };
const states = (tracks) => tracks.map(({ kind, readyState }) => `${kind} ${readyState}`);
const given = () => new MediaStream([new Track("audio"), new Track("video")]);

/** A room with ann in it, and bob. */
function enter(t, options) {
  const { WebSocket, sockets } = serve();
  const room = new Room("ws://server/ws", "r", { WebSocket, RTCPeerConnection: Connection, ...options });
  t.after(() => room.leave());
  room.open();
  sockets[0].join();
  return room;
}

test("a stream that is published twice stays as it is", async (t) => {
  devices(t);
  const local = new Local(), stream = given(), tracks = stream.getTracks();
  await local.publish(stream);
  await local.publish(stream);
  assert.deepEqual([stream.getTracks(), local.state.stream.getTracks()], [tracks, tracks]);
  await local.publish(new MediaStream([tracks[1]]));
  assert.deepEqual([stream.getTracks(), local.state.stream.getTracks()], [tracks, [tracks[1]]]);
});

test("devices that were opened are closed when a given stream takes their place", async (t) => {
  const { opened } = devices(t), local = new Local(), stream = given();
  await local.publish(both);
  await local.publish(stream);
  assert.deepEqual(states(opened), ["audio ended", "video ended"]);
  local.close();
  assert.deepEqual(states(stream.getTracks()), ["audio live", "video live"], "but not what was given");
});

test("the tracks of a given stream are never stopped", async (t) => {
  const { opened } = devices(t), local = new Local(), stream = given();
  await local.publish(stream);
  await local.publish(both);
  assert.deepEqual(states(stream.getTracks()), ["audio live", "video live"]);
  await local.publish(stream);
  await local.switchDevice("video", "front");
  local.close();
  assert.deepEqual(states(stream.getTracks()), ["audio live", "video live"]);
  assert.deepEqual(states(opened), ["audio ended", "video ended", "video ended"]);
});

test("what waits to be opened when all is closed is not asked for", async (t) => {
  const { opened } = devices(t), local = new Local();
  await local.publish(both);
  const waiting = [local.switchDevice("video", "front"), local.switchDevice("audio", "front")];
  local.close();
  for (const done of waiting) await assert.rejects(done, { code: "closed" });
  await assert.rejects(local.publish(both), { code: "closed" });
  assert.deepEqual(states(opened), ["audio ended", "video ended"]);
});

test("what can't be had leaves what is sent as it was", async (t) => {
  const all = devices(t), local = new Local(), stream = given();
  await local.publish(stream);
  const sent = local.state.stream.getTracks();
  all.refused = () => true;
  await assert.rejects(local.publish(both));
  await assert.rejects(local.switchDevice("video", "front"));
  assert.deepEqual(local.state.stream.getTracks(), sent);
  await local.mute("video", true); // not ours to close
  assert.deepEqual(local.state.stream.getTracks(), sent);
  local.close();
  assert.deepEqual(states(sent), ["audio live", "video live"]);
});

test("a Local that has gone to the next room goes on there when the former one is left", async (t) => {
  devices(t);
  const local = new Local();
  await local.publish(both);
  const former = enter(t, { local }), next = enter(t, { local });
  const { connection } = next.call("bob");
  former.leave();
  await next.mute("video", true);
  await next.mute("video", false);
  const [camera] = local.state.stream.getVideoTracks();
  assert.ok(connection.getTransceivers().some(({ sender }) => sender.track === camera));
});

test("a camera that is off, published again and turned on sends on the same line", async (t) => {
  devices(t);
  const room = enter(t), { connection } = room.call("bob");
  await room.publish();
  for (let i = 0; i < 5; i++) {
    await room.mute("video", true);
    await room.publish();
    await room.mute("video", false);
  }
  await settle();
  const lines = connection.getTransceivers().filter(({ receiver }) => receiver.track.kind === "video");
  assert.deepEqual(lines.map(({ sender }) => sender.track), room.local.stream.getVideoTracks());
});

test("a peer that ends does not hold up what is sent", async (t) => {
  devices(t);
  const room = enter(t), peer = room.call("bob");
  await room.publish();
  for (const { sender } of peer.connection.getTransceivers()) sender.replaceTrack = () => new Promise(() => {}); // as those of a closed connection
  const switched = room.switchDevice("video", "front");
  await settle();
  peer.close();
  await switched;
});
