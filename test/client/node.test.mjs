// Tests of the client module in Node, against the daemon at PARLEY_URL.
import assert from "node:assert/strict";
import { createConnection, createServer } from "node:net";
import { test } from "node:test";
import { apply } from "../../web/client/changes.js";
import { connect, join, ParleyError } from "../../web/client/index.js";

const url = process.env.PARLEY_URL;
const server = connect(url);

/** Waits for an event of which is holds. */
function next(room, event, is = () => true) {
  return new Promise((resolve) => {
    const off = room.on(event, (detail) => {
      if (!is(detail)) return;
      off();
      resolve(detail);
    });
  });
}

/** A network to the server, which can fail, and lose what is sent. */
async function network(t) {
  const pairs = new Set();
  const net = { deaf: false };
  const { hostname, port } = new URL(url);
  const listener = createServer((down) => {
    const up = createConnection({ host: hostname, port });
    const pair = [down, up];
    pairs.add(pair);
    down.on("data", (bytes) => { if (!net.deaf) up.write(bytes); });
    up.on("data", (bytes) => down.write(bytes));
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  t.after(() => {
    net.cut();
    listener.close();
  });
  net.url = `ws://127.0.0.1:${listener.address().port}/ws`;
  net.cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    net.deaf = false;
  };
  return net;
}

test("members see each other, and what they say", async () => {
  const ann = await server.join("talk", { name: "Ann" });
  const bob = await server.join("talk", { name: "Bob" });
  if (!ann.members.includes(bob.id)) await next(ann, "members", (m) => m.includes(bob.id));
  assert.equal(ann.nameOf(bob.id), "Bob");
  const heard = next(bob, "message");
  ann.send({ words: ["hello", 1, null] });
  assert.deepEqual(await heard, { from: ann.id, data: { words: ["hello", 1, null] }, all: true });
  const direct = next(ann, "message");
  bob.send("you", ann.id);
  assert.deepEqual(await direct, { from: bob.id, data: "you", all: false });
  const renamed = next(ann, "members", () => ann.nameOf(bob.id) === "Robert");
  bob.rename("Robert");
  await renamed;
  const gone = next(ann, "members", (m) => !m.includes(bob.id));
  bob.leave();
  await gone;
  assert.equal(bob.state, "closed");
  ann.leave();
});

test("after the first list members are told of changes, and have the same list", async () => {
  const log = [];
  const ann = await server.join("changes", { id: "ann" });
  ann.on("log", ({ out, message }) => { if (!out && message.type.startsWith("room_")) log.push(message.type); });
  while (ann.members.length < 1) await next(ann, "members");
  const others = [];
  for (const id of ["dan", "bob", "eve", "cat"]) others.push(await server.join("changes", { id, name: `the ${id}` }));
  while (ann.members.length < 5) await next(ann, "members");
  assert.deepEqual(ann.members, ["ann", "bob", "cat", "dan", "eve"]);
  assert.equal(ann.nameOf("cat"), "the cat");
  others[3].rename("");
  await next(ann, "members", () => ann.nameOf("cat") === "cat");
  others[0].leave();
  others[2].leave();
  while (ann.members.length > 3) await next(ann, "members");
  assert.deepEqual(ann.members, ["ann", "bob", "cat"]);
  assert.deepEqual(ann.names, { bob: "the bob" });
  const last = others[1];
  while (last.members.length > 3) await next(last, "members");
  assert.deepEqual([last.members, last.names], [ann.members, ann.names]);
  assert.ok(log.length > 0 && log.slice(1).every((type) => type === "room_changes"), String(log));
  for (const room of [ann, ...others]) room.leave();
});

test("changes are applied to a list", () => {
  const room = { members: ["b", "d"], names: { b: "B", d: "D" }, metas: { d: { n: 1 } }, locked: false };
  for (const [changes, want] of [
    [{ joined: ["e", "a", "c"] }, { ...room, members: ["a", "b", "c", "d", "e"] }],
    [{ left: ["b"] }, { ...room, members: ["d"], names: { d: "D" } }],
    [{ joined: ["c"], left: ["d"], names: { c: "C", b: "" } }, { members: ["b", "c"], names: { c: "C" }, metas: {}, locked: false }],
    [{ meta: { b: [2], d: null } }, { ...room, metas: { b: [2] } }],
    [{ rejoined: ["b"] }, room],
    [{ locked: true }, { ...room, locked: true }],
  ]) {
    const before = structuredClone(room);
    assert.deepEqual(apply(room, { type: "room_changes", ...changes }), want);
    assert.deepEqual(room, before);
  }
});

test("after join the members are known, with their names and profiles", async () => {
  const ann = await server.join("known", { name: "Ann", meta: { role: "host" } });
  const bob = await server.join("known", { name: "Bob" });
  assert.deepEqual([...bob.members].sort(), [ann.id, bob.id].sort());
  assert.equal(bob.nameOf(ann.id), "Ann");
  assert.deepEqual(bob.metaOf(ann.id), { role: "host" });
  const changed = ann.once("members", () => ann.metaOf(bob.id) === 7);
  await bob.update(7);
  await changed;
  ann.leave();
  bob.leave();
});

test("join rejects with a code and a sentence", async (t) => {
  const taken = await server.join("taken", { id: "ann" });
  t.after(() => taken.leave());
  for (const [code, joining] of [
    ["invalid_room", () => join(url, " ")],
    ["duplicate_id", () => server.join("taken", { id: "ann" })],
    ["unreachable", () => join("ws://127.0.0.1:1/ws", "r")],
    ["unreachable", () => join(url.replace("/ws", "/nothing"), "r")],
    ["unreachable", () => join("nonsense", "r")],
    ["no_token", () => join(url, "r", { getToken: () => Promise.reject(new Error("no")) })],
    ["timeout", () => join("ws://127.0.0.1:1/ws", "r", { wait: true, timeout: 50 })],
  ]) {
    await assert.rejects(joining(), (error) => error instanceof ParleyError && error.code === code && error.message.length > 8, code);
  }
});

test("join can be aborted", async () => {
  const stop = new AbortController();
  const joining = join("ws://127.0.0.1:1/ws", "r", { wait: true, signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(joining, /enough/);
  await assert.rejects(join(url, "r", { signal: stop.signal }), /enough/);
});

test("join waits for a place when it is asked to", async () => {
  const ann = await server.join("place", { id: "ann" });
  const joining = server.join("place", { id: "ann", wait: true });
  ann.leave();
  const again = await joining;
  assert.deepEqual(again.members, ["ann"]);
  again.leave();
});

test("without a WebSocket the error names the option", async (t) => {
  const { WebSocket } = globalThis;
  t.after(() => { globalThis.WebSocket = WebSocket; });
  globalThis.WebSocket = undefined;
  await assert.rejects(join(url, "r"), (error) => error.code === "unsupported" && /options\.WebSocket/.test(error.message));
});

test("send settles when the server has handled or refused the message", async () => {
  const ann = await server.join("settle"), bob = await server.join("settle");
  const heard = [];
  bob.on("message", ({ data }) => heard.push(data));
  await ann.send("one", bob.id);
  await ann.send(new Uint8Array([0, 128, 255]), bob.id);
  await ann.send("three");
  while (heard.length < 3) await bob.once("message");
  assert.deepEqual(heard, ["one", new Uint8Array([0, 128, 255]), "three"]);
  const told = ann.once("error");
  await assert.rejects(ann.send("x", "nobody"), { code: "target_not_found", to: "nobody", re: "message" });
  assert.equal((await told).code, "target_not_found");
  bob.leave();
  await assert.rejects(bob.send("late"), { code: "closed" });
  ann.leave();
});

test("a message over the server's limit is refused before it is sent", async () => {
  const ann = await server.join("large"), bob = await server.join("large");
  const states = [];
  ann.on("state", (state) => states.push(state));
  const told = ann.once("error");
  await assert.rejects(ann.send("x".repeat(70_000)), { code: "too_large" });
  await assert.rejects(ann.send("ä".repeat(33_000)), { code: "too_large" }); // in bytes, not characters
  assert.equal((await told).code, "too_large");
  const heard = bob.once("message");
  await ann.send("x".repeat(65_000));
  assert.equal((await heard).data.length, 65_000);
  assert.deepEqual(states, []);
  ann.leave();
  bob.leave();
});

test("snapshots stay as they are, and change when the room does", async () => {
  const ann = await server.join("snapshot", { name: "Ann" });
  const first = ann.getSnapshot();
  assert.equal(ann.getSnapshot(), first);
  let told = 0;
  const off = ann.subscribe(() => told++);
  const bob = await server.join("snapshot", { name: "Bob", meta: 1 });
  while (ann.members.length < 2) await ann.once("members");
  assert.deepEqual(first.members.map(({ name }) => name), ["Ann"]);
  const second = ann.getSnapshot();
  assert.notEqual(second, first);
  assert.deepEqual(second.members.map(({ name, meta, self }) => [name, meta, self]).sort(), [["Ann", undefined, true], ["Bob", 1, false]]);
  assert.ok(Object.isFrozen(second) && Object.isFrozen(second.members) && told > 0);
  off();
  ann.leave();
  assert.equal(ann.getSnapshot().state, "closed");
  bob.leave();
});

test("a broken connection is taken up again, and nothing is missed or had twice", async (t) => {
  const net = await network(t);
  const ann = await server.join("resume");
  const bob = await join(net.url, "resume");
  if (!ann.members.includes(bob.id)) await next(ann, "members", (m) => m.includes(bob.id));
  const toBob = [], toAnn = [];
  bob.on("message", ({ data }) => toBob.push(data));
  ann.on("message", ({ data }) => toAnn.push(data));
  const id = bob.id;
  for (let n = 0; n < 300; n++) {
    ann.send(n);
    bob.send(n);
    if (n % 120 === 30) net.cut();
    if (n % 120 === 20) net.deaf = true; // what bob sends from here on is lost on the way
    if (n % 10 === 0) await new Promise((done) => setTimeout(done, 30));
  }
  const all = Array.from({ length: 300 }, (_, n) => n);
  while (toAnn.length < 300 || toBob.length < 300) await Promise.race([next(ann, "message"), next(bob, "message")]);
  await new Promise((done) => setTimeout(done, 200));
  assert.deepEqual(toBob, all);
  assert.deepEqual(toAnn, all);
  assert.equal(bob.id, id);
  ann.leave();
  bob.leave();
});
