// Tests of a membership whose server refuses, is slow or goes away, against a server and a clock
// that the test plays.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { join } from "../../web/client/index.js";
import { Room } from "../../web/client/room.js";
import { Signaling } from "../../web/client/signaling.js";
import { serve, settle } from "./played.mjs";

/** A membership that is about to be; `sockets[0]` is the newest connection. */
function open(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  t.mock.method(Math, "random", () => 0.5); // no jitter
  const { WebSocket, sockets } = serve(), errors = [];
  const s = new Signaling("ws://server/ws", "r", { WebSocket, id: "ann", ...options });
  s.on("error", ({ code }) => errors.push(code));
  s.open();
  t.after(() => s.close());
  return { s, sockets, errors };
}

/** Lets time pass in which the server shows that it lives, and answers as told. */
async function pass(t, ms, { sockets }, answer = () => {}) {
  const answered = new Set();
  for (; ms > 0; ms -= 1_000) {
    t.mock.timers.tick(1_000);
    await settle();
    for (const message of sockets[0].sent) {
      if (answered.has(message)) continue;
      answered.add(message);
      if (message.type === "ping") sockets[0].say({ type: "pong", ref: message.ref });
      else answer(message, sockets[0]);
    }
    sockets[0].say({ type: "message", from: "bob", data: 1 });
    await settle();
  }
}

const later = (ms) => new Date(Date.now() + ms).toISOString();

test("a name that is refused is not joined with", async (t) => {
  const all = open(t, { name: "Ann" }), { s, sockets } = all;
  sockets[0].join();
  const done = s.change("rename", { name: "x".repeat(100) });
  sockets[0].refuse(sockets[0].of("rename")[0], "invalid_name");
  await assert.rejects(done, { code: "invalid_name" });
  sockets[0].end();
  t.mock.timers.tick(500);
  sockets[0].open();
  sockets[0].refuse({ type: "resume" }, "session_expired");
  assert.equal(sockets[0].of("join")[0].name, "Ann");
});

test("a name that is refused does not undo the next one", async (t) => {
  const { s, sockets } = open(t, { name: "Ann" });
  sockets[0].join();
  const done = s.change("rename", { name: "x".repeat(100) });
  s.change("rename", { name: "Anna" });
  sockets[0].refuse(sockets[0].of("rename")[0], "invalid_name");
  await assert.rejects(done);
  sockets[0].end();
  t.mock.timers.tick(500);
  sockets[0].open();
  sockets[0].refuse({ type: "resume" }, "session_expired");
  assert.equal(sockets[0].of("join")[0].name, "Anna");
});

test("an aborted join ends no process, where a socket that is closed before it is open has an error", async () => {
  class Socket extends EventEmitter { // as that of npm's ws
    readyState = 0;
    set onerror(listener) {
      this.removeAllListeners("error");
      if (listener) this.on("error", listener);
    }
    close() { closed.push(this); }
  }
  const closed = [], stop = new AbortController();
  const joining = join("ws://server/ws", "r", { WebSocket: Socket, signal: stop.signal });
  stop.abort();
  await assert.rejects(joining);
  assert.equal(closed.length, 1);
  closed[0].emit("error", new Error("closed before the connection was established"));
});

test("connections that never had the membership are closed, before another join and while they open", async (t) => {
  const { s, sockets } = open(t);
  const [first] = sockets;
  first.open();
  t.mock.timers.tick(3_000); // no answer to the join
  s.probe();
  const [second] = sockets;
  t.mock.timers.tick(3_000); // it does not open
  s.probe();
  assert.deepEqual([first.closed, second.closed], [false, true]);
  sockets[0].open();
  await settle();
  assert.deepEqual([sockets.length, first.closed, sockets[0].of("join").length], [3, true, 1]);
});

test("a slow token and a page that wakes up meanwhile join once", async (t) => {
  const { s, sockets } = open(t, { getToken: () => new Promise((resolve) => setTimeout(resolve, 5_000, "t")) });
  sockets[0].open();
  t.mock.timers.tick(3_000);
  s.probe();
  sockets[0].open();
  t.mock.timers.tick(5_000);
  await settle();
  assert.deepEqual(sockets.map((socket) => socket.of("join").length), [1, 0]);
});

test("who leaves while it connects does not join", (t) => {
  const { WebSocket, sockets } = serve(), room = new Room("ws://server/ws", "r", { WebSocket });
  room.on("state", (state) => { if (state === "connecting") room.leave(); });
  room.open();
  for (const socket of sockets) socket.open();
  assert.deepEqual([room.state, sockets.filter(({ closed }) => !closed), sockets.flatMap(({ sent }) => sent)], ["closed", [], []]);
});

test("a token that is over by our clock is not asked for all the time", async (t) => {
  let asked = 0;
  const all = open(t, { getToken: async () => `t${++asked}` });
  all.sockets[0].open();
  await settle();
  all.sockets[0].join();
  await pass(t, 60_000, all, ({ type, ref }, socket) => { if (type === "token") socket.say({ type, ref, expires: later(-10_000) }); });
  assert.ok(asked > 2 && asked < 15, `${asked} times in a minute`);
});

test("a renewal that the server can't take now is tried again before the token expires", async (t) => {
  let asked = 0, up = true;
  const all = open(t, { getToken: async () => `t${++asked}` }), told = [];
  all.sockets[0].open();
  await settle();
  all.sockets[0].join();
  const answer = (message, socket) => {
    if (message.type !== "token") return;
    told.push(message.token);
    if (up) socket.say({ type: "token", ref: message.ref, expires: later(300_000) });
    else socket.refuse(message, "unavailable");
    up = !up;
  };
  await pass(t, 305_000, all, answer);
  assert.deepEqual(told, ["t1", "t2", "t3"]);
});

test("a token that is refused is not told again", async (t) => {
  let asked = 0;
  const all = open(t, { getToken: async () => `t${++asked}` }), told = [];
  all.sockets[0].open();
  await settle();
  all.sockets[0].join();
  await pass(t, 20_000, all, (message, socket) => {
    if (message.type !== "token") return;
    told.push(message.token);
    if (told.length < 3) socket.refuse(message, "unauthorized");
  });
  assert.deepEqual(told, ["t1", "t2", "t3"]);
});

test("a guest, whose getToken gives none, is asked at the join only", async (t) => {
  let asked = 0;
  const all = open(t, { getToken: async () => { asked++; } });
  all.sockets[0].open();
  await settle();
  all.sockets[0].join();
  await pass(t, 60_000, all);
  assert.deepEqual(all.sockets[0].of("token"), []);
  assert.equal(asked, 1);
});

test("credentials are asked for until they come", async (t) => {
  const all = open(t);
  const servers = () => [{ urls: "turn:server", username: String(Date.now() / 1000 + 600) }];
  all.sockets[0].join(["ann"], { ice_servers: servers() });
  let refused = 0;
  await pass(t, 400_000, all, (message, socket) => {
    if (message.type !== "ice") return;
    if (refused++ < 3) socket.refuse(message, "rate_limited");
    else socket.say({ type: "ice", ref: message.ref, ice_servers: servers() });
  });
  assert.equal(refused, 4);
});

test("what is sent settles, also after a ping that was refused on a connection that broke then", async (t) => {
  const all = open(t), { s, sockets } = all;
  sockets[0].join();
  s.send({ type: "message", data: 1 });
  await settle();
  sockets[0].refuse(sockets[0].of("ping")[0], "rate_limited");
  sockets[0].end();
  t.mock.timers.tick(500);
  t.mock.timers.tick(1_000);
  sockets[0].open();
  sockets[0].say({ type: "resumed", handled: 2 });
  let done = false;
  s.send({ type: "message", data: 2 }).then(() => { done = true; });
  await pass(t, 10_000, all);
  assert.ok(done);
});

test("another estimate of the network's speed is no other network", (t) => {
  const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator"), connection = Object.assign(new EventTarget(), { type: "wifi" });
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { connection } });
  t.after(() => {
    delete globalThis.navigator;
    if (navigator) Object.defineProperty(globalThis, "navigator", navigator);
  });
  const { s, sockets } = open(t);
  sockets[0].join();
  let told = 0;
  s.on("network", () => told++);
  connection.dispatchEvent(new Event("change"));
  assert.deepEqual([told, sockets[0].of("ping").length], [0, 1]);
  connection.type = "cellular";
  connection.dispatchEvent(new Event("change"));
  assert.equal(told, 1);
});

test("one message too many does not fill what waits", async (t) => {
  const { s, sockets } = open(t);
  sockets[0].join();
  sockets[0].end();
  await assert.rejects(s.send({ type: "message", data: "x".repeat(5 << 20) }), { code: "queue_full" });
  const done = s.send({ type: "message", data: 1 });
  t.mock.timers.tick(500);
  sockets[0].open();
  sockets[0].say({ type: "resumed", handled: 1 });
  await settle();
  for (const { ref } of sockets[0].of("ping")) sockets[0].say({ type: "pong", ref });
  await done;
});
