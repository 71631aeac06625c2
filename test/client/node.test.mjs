// Tests of the client module in Node, against the daemon at PARLEY_URL.
import assert from "node:assert/strict";
import { createConnection, createServer } from "node:net";
import { test } from "node:test";
import { apply } from "../../web/client/changes.js";
import { connect, join } from "../../web/client/index.js";

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
  const room = { members: ["b", "d"], names: { b: "B", d: "D" }, locked: false };
  for (const [changes, want] of [
    [{ joined: ["e", "a", "c"] }, { ...room, members: ["a", "b", "c", "d", "e"] }],
    [{ left: ["b"] }, { members: ["d"], names: { d: "D" }, locked: false }],
    [{ joined: ["c"], left: ["d"], names: { c: "C", b: "" } }, { members: ["b", "c"], names: { c: "C" }, locked: false }],
    [{ rejoined: ["b"] }, room],
    [{ locked: true }, { ...room, locked: true }],
  ]) {
    const before = structuredClone(room);
    assert.deepEqual(apply(room, { type: "room_changes", ...changes }), want);
    assert.deepEqual(room, before);
  }
});

test("a room that can't be joined says why", async () => {
  await assert.rejects(join(url, " ", {}), (error) => error.code === "invalid_room" && error.message.length > 10);
});

test("an error is told", async () => {
  const ann = await server.join("errors");
  const error = next(ann, "error");
  ann.send("x", "nobody");
  assert.equal((await error).code, "target_not_found");
  ann.leave();
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
    if (n % 60 === 30) net.cut();
    if (n % 60 === 20) net.deaf = true; // what bob sends from here on is lost on the way
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

test("a message that is sent twice is had once", async (t) => {
  const net = await network(t);
  const ann = await server.join("twice");
  const bob = await join(net.url, "twice");
  if (!bob.members.includes(ann.id)) await next(bob, "members", (m) => m.includes(ann.id));
  const heard = [];
  ann.on("message", ({ data }) => heard.push(data));
  const first = next(ann, "message");
  bob.send("once");
  await first;
  net.cut(); // perhaps before bob knows that it has arrived
  const second = next(ann, "message", ({ data }) => data === "then");
  bob.send("then");
  await second;
  assert.deepEqual(heard, ["once", "then"]);
  ann.leave();
  bob.leave();
});
