// Tests of the protocol half of the client module, against a server and a clock that the test
// plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { partitionOf, withPartition } from "../../web/client/partition.js";
import { Signaling } from "../../web/client/signaling.js";

/** A server: `sockets` are the WebSockets that the module has opened, newest first. */
function play(t, options = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  t.mock.method(Math, "random", () => 0.5); // no jitter
  const server = { sockets: [], errors: [], states: [] };
  class WebSocket {
    readyState = 0;
    sent = [];
    closed = false;
    constructor(url) {
      this.url = url;
      server.sockets.unshift(this);
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() { this.closed = true; }
    open() {
      this.readyState = 1;
      this.onopen();
    }
    say(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
    end(code = 1006, reason = "") { this.onclose?.({ code, reason }); }
    /** The types of the messages that came, but for pings. */
    get types() { return this.sent.map(({ type }) => type).filter((type) => type !== "ping"); }
    join() {
      this.open();
      this.say({ type: "joined", room: "r", from: "ann", session: "s", limits: { message_bytes: 1000 } });
      this.say({ type: "room_members", room: "r", members: ["ann"] });
    }
  }
  const s = server.signaling = new Signaling("ws://server/ws", "r", { WebSocket, ...options });
  s.on("error", (error) => server.errors.push(error.code));
  s.on("state", (state) => server.states.push(state));
  s.open();
  t.after(() => s.close());
  server.tick = async (ms) => {
    t.mock.timers.tick(ms);
    for (let i = 0; i < 10; i++) await null;
  };
  return server;
}

test("the URL names the partition of the room, as the server has it, and not the room", (t) => {
  assert.deepEqual(["", "a", "lobby", "Füße 🚪"].map(partitionOf), [193, 192, 133, 130]);
  const server = play(t);
  assert.equal(server.sockets[0].url, `ws://server/ws?room=${partitionOf("r")}`);
  assert.equal(withPartition("wss://server/ws?key=x", "lobby"), "wss://server/ws?key=x&room=133");
  assert.equal(withPartition("wss://server/ws?room=mine", "lobby"), "wss://server/ws?room=mine");
});

test("what the server has handled is not sent again, and the rest in order", async (t) => {
  const server = play(t), s = server.signaling;
  server.sockets[0].join();
  const done = [1, 2, 3].map((n) => s.send({ type: "message", data: n }));
  await server.tick(0);
  server.sockets[0].end();
  s.send({ type: "message", data: 4 });
  await server.tick(500);
  const [second] = server.sockets;
  second.open();
  assert.deepEqual(second.sent, [{ type: "resume", session: "s", received: 2 }]);
  second.say({ type: "resumed", room: "r", from: "ann", missed: 0, handled: 3, limits: { message_bytes: 1000 } }); // the join, 1 and 2
  assert.deepEqual(second.sent.filter(({ type }) => type === "message").map(({ data }) => data), [3, 4]);
  await server.tick(0);
  for (const { type, ref } of second.sent) if (type === "ping") second.say({ type: "pong", ref });
  await Promise.all(done);
  assert.deepEqual(server.errors, []);
});

test("what a lost membership leaves in doubt is told, and never sent twice", async (t) => {
  const server = play(t), s = server.signaling;
  server.sockets[0].join();
  const doubtful = s.send({ type: "message", data: 1 });
  server.sockets[0].end(1009); // such as an older server, which does not tell its limit
  const waiting = s.send({ type: "message", data: 2 });
  await server.tick(500);
  const [second] = server.sockets;
  second.open();
  second.say({ type: "error", code: "session_expired", error: "over", re: "resume" });
  await server.tick(0);
  second.say({ type: "joined", room: "r", from: "ann", session: "t" });
  await assert.rejects(doubtful, { code: "unconfirmed", re: "message" });
  assert.deepEqual(second.types, ["resume", "join", "message"]);
  const { data, ref } = second.sent.find(({ type }) => type === "message");
  assert.equal(data, 2);
  second.say({ type: "error", code: "congested", error: "later", re: "message", ref });
  await assert.rejects(waiting, { code: "congested" });
});

test("all that is sent while there is no connection arrives, or its sender hears of it", async (t) => {
  const server = play(t), s = server.signaling;
  server.sockets[0].join();
  server.sockets[0].end();
  const done = Array.from({ length: 600 }, (_, n) => s.send({ type: "message", data: n }));
  await server.tick(500);
  server.sockets[0].open();
  server.sockets[0].say({ type: "resumed", handled: 1, missed: 0 });
  assert.deepEqual(server.sockets[0].sent.filter(({ type }) => type === "message").map(({ data }) => data), Array.from({ length: 600 }, (_, n) => n));
  server.sockets[0].end();
  await server.tick(0);
  const much = "x".repeat(1 << 20);
  const more = Array.from({ length: 6 }, () => s.send({ type: "message", data: much }));
  await assert.rejects(more[5], { code: "queue_full" });
  assert.ok(server.errors.includes("queue_full"));
  s.close();
  for (const each of [...done, ...more]) await assert.rejects(each);
});

test("the session is kept while the server can't take it up", async (t) => {
  const server = play(t);
  server.sockets[0].join();
  server.sockets[0].end();
  for (const [delay, code] of [[500, "unavailable"], [1000, "rate_limited"]]) {
    await server.tick(delay);
    server.sockets[0].open();
    server.sockets[0].say({ type: "error", code, error: "not now", re: "resume" });
  }
  await server.tick(2000);
  server.sockets[0].open();
  assert.deepEqual(server.sockets[0].sent, [{ type: "resume", session: "s", received: 2 }]);
  assert.equal(server.sockets.at(-1).closed, false, "a close frame on the old connection would end the membership");
});

test("the way back takes longer and longer until a membership has lasted", async (t) => {
  const server = play(t);
  const delays = async (lasting) => {
    server.sockets[0].join();
    await server.tick(lasting);
    server.sockets[0].end(4003);
    const before = server.sockets.length;
    let waited = 0;
    while (server.sockets.length === before) {
      await server.tick(500);
      waited += 500;
    }
    return waited;
  };
  const waits = [];
  for (let i = 0; i < 4; i++) waits.push(await delays(100));
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
  assert.equal(await delays(15_000), 500);
});

for (const [close, code] of [[1003, "protocol_error"], [1007, "protocol_error"], [4001, "replaced"], [4002, "kicked"], [4008, "token_expired"]]) {
  test(`a connection closed with ${close} is not opened again`, async (t) => {
    const server = play(t);
    server.sockets[0].join();
    server.sockets[0].end(close, "in words");
    await server.tick(60_000);
    assert.equal(server.sockets.length, 1);
    assert.deepEqual([server.errors, server.signaling.state], [[code], "closed"]);
  });
}

test("a changed network is noticed within two seconds, whatever the socket says", async (t) => {
  const target = new EventTarget(), { addEventListener } = globalThis;
  globalThis.addEventListener = target.addEventListener.bind(target);
  t.after(() => { globalThis.addEventListener = addEventListener; });
  const server = play(t);
  let told = 0;
  server.signaling.on("network", () => told++);
  server.sockets[0].join();
  target.dispatchEvent(new Event("online"));
  assert.equal(server.sockets[0].sent.at(-1).type, "ping");
  server.sockets[0].say({ type: "pong", ref: server.sockets[0].sent.at(-1).ref });
  await server.tick(15_000);
  assert.equal(server.sockets.length, 1, "it has answered");
  target.dispatchEvent(new Event("online"));
  await server.tick(1_999);
  assert.equal(server.sockets.length, 1);
  await server.tick(1);
  assert.equal(server.sockets.length, 2, "it is silent: another is opened at once");
  assert.equal(told, 2);
  server.sockets[0].end(); // no network
  target.dispatchEvent(new Event("online"));
  assert.equal(server.sockets.length, 3, "it does not wait for the next try");
});

test("a silent connection is given up after half a minute", async (t) => {
  const server = play(t);
  server.sockets[0].join();
  await server.tick(20_000); // it is asked for a sign of life
  await server.tick(9_999);
  assert.equal(server.signaling.state, "joined");
  await server.tick(1);
  assert.equal(server.signaling.state, "waiting");
});

test("a token is asked for at each join, and before it expires", async (t) => {
  let asked = 0;
  const server = play(t, { getToken: async () => `token ${++asked}` });
  const [first] = server.sockets;
  first.open();
  await server.tick(0);
  assert.equal(first.sent[0].token, "token 1");
  first.say({ type: "joined", room: "r", from: "ann", session: "s" });
  await server.tick(0);
  assert.equal(first.sent.at(-2).token, "token 1", "the answer will tell when it expires");
  const expires = (ms) => new Date(Date.now() + ms).toISOString();
  first.say({ type: "token", expires: expires(600_000), ref: first.sent.at(-2).ref });
  await server.tick(500_000 - 1000);
  assert.equal(asked, 1);
  await server.tick(60_000);
  assert.equal(asked, 2, "a minute before it expires");
  first.end(4008); // the renewal has not come in time
  await server.tick(500);
  server.sockets[0].open();
  await server.tick(0);
  server.sockets[0].say({ type: "error", code: "session_expired", error: "over", re: "resume" });
  await server.tick(0);
  assert.equal(server.sockets[0].sent.at(-1).token, "token 3");
  assert.deepEqual(server.errors, []);
});

test("a room that was left with its token is joined again with another", async (t) => {
  const server = play(t, { token: "old" });
  server.sockets[0].join();
  server.sockets[0].end(4008);
  assert.equal(server.signaling.state, "closed");
  server.signaling.change("token", { token: "new" });
  server.sockets[0].open();
  await server.tick(0);
  assert.equal(server.sockets[0].sent[0].token, "new");
});
