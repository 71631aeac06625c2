// Tests of rooms against a server, members and connections that the test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "../../web/client/index.js";
import { Room } from "../../web/client/room.js";
import { Connection, devices, serve, settle } from "./played.mjs";

/** A room with ann in it, and bob; `socket` is the server. */
function enter(t, options) {
  const { WebSocket, sockets } = serve();
  const room = new Room("ws://server/ws", "r", { WebSocket, RTCPeerConnection: Connection, ...options });
  t.after(() => room.leave());
  room.open();
  const [socket] = sockets;
  socket.join();
  return { room, socket, says: (data, to = "ann") => socket.say({ type: "message", from: "bob", to, data }) };
}

test("bytes that are none come as they are", (t) => {
  const { room, says } = enter(t), heard = [];
  room.on("message", ({ data }) => heard.push(data));
  const peer = room.call("bob");
  peer.on("data", (data) => heard.push(data));
  const odd = { parley: "bytes", base64: "!" };
  says(odd);
  says({ parley: "peer", data: odd });
  assert.deepEqual(heard, [odd, odd]);
});

test("the server can neither speak as a verified peer nor hear what is said to it", async (t) => {
  const { room, socket, says } = enter(t), heard = [], other = new Connection();
  const peer = room.call("bob"), { connection } = peer;
  peer.on("data", (data) => heard.push(data));
  connection.localDescription = { sdp: connection.sdp };
  connection.remoteDescription = { sdp: other.sdp };
  const { Verifier } = await import("../../web/client/verification.js");
  const theirs = new Verifier({ localDescription: { sdp: other.sdp }, remoteDescription: connection.localDescription }, (frame) =>
    connection.channel.onmessage({ data: JSON.stringify({ parley: "verify", ...frame }) }));
  connection.channel.send = (text) => theirs.receive(JSON.parse(text));
  says({ parley: "peer", data: "before" });
  connection.channel.readyState = "open";
  await peer.verification();
  says({ parley: "peer", data: "forged" });
  connection.channel.readyState = "closed";
  says({ parley: "peer", data: "forged" });
  await assert.rejects(peer.send("secret"), { code: "closed" });
  assert.deepEqual(heard, ["before"]);
  assert.deepEqual(socket.of("message"), []);
});

test("what the caller sends while it rings is heard once the call is taken", async (t) => {
  const { room, socket, says } = enter(t);
  socket.say({ type: "offer", from: "bob", to: "ann", sdp: new Connection().sdp });
  says({ parley: "peer", data: "hello" });
  const { accept } = await room.once("call");
  const heard = [];
  const peer = accept();
  peer.on("data", (data) => heard.push(data));
  await settle();
  assert.deepEqual(heard.slice(0, 1), ["hello"]);
});

test("nobody has to look at what becomes of a message", async (t) => {
  const { room } = enter(t), peer = room.call("bob"), unhandled = [];
  const hear = (error) => unhandled.push(error);
  process.on("unhandledRejection", hear);
  t.after(() => process.off("unhandledRejection", hear));
  room.leave();
  room.send(1);
  peer.send(1);
  await new Promise(setImmediate);
  assert.deepEqual(unhandled, []);
});

test("those who subscribe hear of changes, whether anybody has read a snapshot or not", async (t) => {
  const { room, socket } = enter(t);
  let calls = 0;
  room.subscribe(() => calls++);
  await settle();
  calls = 0;
  for (let i = 0; i < 2; i++) {
    socket.say({ type: "room_changes", joined: [`m${i}`] });
    await settle();
    assert.equal(calls, i + 1);
  }
  socket.say({ type: "room_changes", joined: ["a"] });
  socket.say({ type: "room_changes", joined: ["b"] });
  await settle();
  assert.equal(calls, 3, "once for what happens at once");
});

test("who renews its connection all the time gets one a second, and the latest", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  const { room, says } = enter(t), before = Connection.all.length, made = () => Connection.all.length - before;
  room.meet();
  for (let i = 0; i < 100; i++) says({ parley: "meet", answer: true, instance: String(i) });
  assert.ok(made() < 10, `${made()} connections`);
  const some = made(), old = room.peers.get("bob");
  t.mock.timers.tick(1_000);
  assert.deepEqual([made(), room.peers.get("bob") === old], [some + 1, false], "the last one is not forgotten");
  t.mock.timers.tick(60_000);
  assert.equal(made(), some + 1);
  for (let i = 0; i < 100; i++) says({ parley: "renew" });
  t.mock.timers.tick(1_000);
  assert.ok(made() < 2 * some + 3, `${made()} connections`);
});

test("nobody can have all others renew their connections with one message", (t) => {
  const { room, says } = enter(t), peer = room.call("bob");
  says({ parley: "renew" }, null);
  assert.equal(room.peers.get("bob"), peer);
  says({ parley: "renew" });
  assert.notEqual(room.peers.get("bob"), peer);
});

test("a platform without connections is told so by meet itself", (t) => {
  const { room } = enter(t, { RTCPeerConnection: undefined });
  assert.throws(() => room.meet(), { code: "unsupported" });
  assert.equal(room.meeting, false);
});

test("an expired token ends no call that is interrupted for a moment", (t) => {
  const { room, socket } = enter(t), peer = room.call("bob");
  peer.connection.turns("connected");
  peer.connection.turns("disconnected");
  socket.end(4008);
  assert.deepEqual([room.state, room.peers.get("bob"), peer.state], ["closed", peer, "interrupted"]);
});

test("what JSON can't hold is refused to its sender, and to nobody else", async (t) => {
  const { room } = enter(t), errors = [];
  room.on("error", (error) => errors.push(error));
  await assert.rejects(room.send(1n), TypeError);
  assert.deepEqual(errors, []);
});

test("a timeout beyond what timers can hold is no short one", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  const { WebSocket, sockets } = serve();
  const joining = join("ws://server/ws", "r", { WebSocket, timeout: 2 ** 31 });
  t.mock.timers.tick(1_000);
  sockets[0].join();
  (await joining).leave();
});

test("a platform whose connections have no statistics has calls all the same", async (t) => {
  class Bare extends Connection { getStats = undefined; }
  const { room, socket } = enter(t, { RTCPeerConnection: Bare }), peer = room.call("bob");
  peer.connection.turns("connected");
  await new Promise(setImmediate);
  room.hangUp(peer);
  assert.deepEqual(socket.of("report").map(({ data }) => data.outcome), ["ended"]);
});

test("a connection whose channel has closed is not verified, and nobody waits for it", async (t) => {
  const { room } = enter(t), peer = room.call("bob");
  peer.connection.channel.readyState = "closed";
  await assert.rejects(peer.verification(), { code: "closed" });
});

test("what is sent to one who is called comes after the offer", async (t) => {
  const { room, socket } = enter(t);
  const peer = room.call("bob"), data = { said: "early" };
  peer.send(data);
  data.said = "changed since";
  await settle();
  assert.deepEqual(socket.of("message"), []);
  peer.connection.onnegotiationneeded();
  await settle();
  peer.send("at once");
  assert.deepEqual(socket.of("message").map((message) => message.data.data), [{ said: "early" }, "at once"]);
  assert.deepEqual(socket.sent.map(({ type }) => type).filter((type) => type === "offer" || type === "message"), ["offer", "message", "message"]);
});

test("what is sent to one who is called and gone is closed", async (t) => {
  const { room } = enter(t);
  const peer = room.call("bob"), sent = peer.send("early");
  room.hangUp(peer);
  await assert.rejects(sent, { code: "closed" });
});

test("data of an application is never taken for the module's own", async (t) => {
  const { room, socket, says } = enter(t), heard = [], data = { parley: "renew", of: "mine" };
  room.on("message", (message) => heard.push(message.data));
  room.send(data);
  const [sent] = socket.of("message");
  says(sent.data);
  const peer = room.call("bob"), straight = [];
  peer.on("data", (value) => straight.push(value));
  peer.connection.channel.send = (text) => peer.connection.channel.onmessage({ data: text });
  peer.connection.channel.readyState = "open";
  await peer.send(data);
  assert.deepEqual([heard, straight], [[data], [data]]);
});

test("a channel has an id that no other has", (t) => {
  const { room } = enter(t);
  room.channel("game", { id: 1 });
  for (const init of [undefined, {}, { id: 0 }, { id: 1 }]) assert.throws(() => room.channel("other", init), TypeError);
  room.channel("game", { id: 1 });
});

test("a room that was left calls and meets nobody", (t) => {
  const { room } = enter(t);
  room.leave();
  assert.throws(() => room.call("bob"), { code: "closed" });
  assert.throws(() => room.meet(), { code: "closed" });
  assert.deepEqual([room.peers.size, room.meeting], [0, false]);
});

test("who is removed from the room has its devices closed, and opens no others", async (t) => {
  const { room, socket } = enter(t), { opened } = devices(t);
  await room.publish({ video: true });
  socket.end(4002, "kicked");
  assert.deepEqual(opened.map((track) => track.readyState), ["ended"]);
  await assert.rejects(room.publish({ video: true }), { code: "closed" });
  assert.equal(opened.length, 1);
});

test("who removes a member has no connection with it any more", async (t) => {
  const { room, socket } = enter(t);
  room.call("bob");
  const done = room.kick("bob");
  await settle();
  for (const { ref } of socket.of("ping")) socket.say({ type: "pong", ref });
  await done;
  assert.equal(room.peers.size, 0);
});
