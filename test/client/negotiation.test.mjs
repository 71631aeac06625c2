// Tests of negotiations whose descriptions are lost, repeated and mismatched.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Negotiation } from "../../web/client/negotiation.js";
import { Peer } from "../../web/client/peer.js";
import { Room } from "../../web/client/room.js";
import { Connection, serve, settle, ufrag } from "./played.mjs";

/** One side; `out` is what it has told, which `carry` brings to the other. */
function side(polite, tell = async () => false) {
  const out = [], events = [], pc = new Connection();
  const each = {
    out, events, pc,
    negotiation: new Negotiation(pc, { polite, offers: true }, {
      tell: (message) => {
        out.push(message);
        return tell(message);
      },
      answered() {}, settled() {}, renewed: () => events.push("renewed"), stale: () => events.push("stale"), warn: (error) => events.push(error.message),
    }),
    async carry(to, messages = out.splice(0)) {
      for (const message of messages) to.negotiation.receive(message);
      await settle();
    },
  };
  return each;
}

/** Two sides with one negotiation behind them; the first one offers. */
async function settled(t, polite, tell) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  const a = side(polite, tell), b = side(!polite);
  t.after(() => { for (const { negotiation } of [a, b]) negotiation.close(); });
  a.pc.onnegotiationneeded();
  await settle();
  await a.carry(b);
  await b.carry(a);
  return [a, b];
}

const agree = (a, b) => assert.deepEqual(
  [ufrag(a.pc.remoteDescription), ufrag(b.pc.remoteDescription), a.pc.signalingState, b.pc.signalingState],
  [ufrag(b.pc.localDescription), ufrag(a.pc.localDescription), "stable", "stable"]);

for (const polite of [true, false]) {
  const who = polite ? "the polite side" : "the impolite side";

  test(`an answer belongs to the offer that it is for: ${who} takes none for the next`, async (t) => {
    const [a, b] = await settled(t, polite);
    a.negotiation.restart();
    await settle();
    a.negotiation.restart(); // the offer is told again
    await settle();
    await a.carry(b);
    const [first, second] = b.out.splice(0);
    assert.equal(second.type, "answer");
    await b.carry(a, [first]);
    const next = a.out.splice(0);
    assert.equal(next[0].type, "offer", "the second restart");
    await b.carry(a, [second]);
    await a.carry(b, next);
    await b.carry(a);
    agree(a, b);
  });

  test(`an offer that is lost is told again after ten seconds, by ${who}`, async (t) => {
    const [a, b] = await settled(t, polite);
    a.negotiation.restart();
    await settle();
    assert.equal(a.out.splice(0).length, 1);
    t.mock.timers.tick(9_999);
    await settle();
    assert.deepEqual(a.out, []);
    t.mock.timers.tick(1);
    await settle();
    await a.carry(b);
    await b.carry(a);
    agree(a, b);
    t.mock.timers.tick(60_000);
    await settle();
    assert.deepEqual([a.out, b.out], [[], []], "what is answered is not");
  });

  test(`${who} has one copy of an offer on its way, however often it looks for a new way`, async (t) => {
    let online = true;
    const [a] = await settled(t, polite, () => online ? Promise.resolve(false) : new Promise(() => {}));
    online = false;
    for (let i = 0; i < 5; i++) {
      a.negotiation.restart();
      await settle();
    }
    assert.equal(a.out.length, 1);
  });
}

test("an offer that the server could not take is told again with the candidates found meanwhile", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const answers = [true, false], a = side(false, async () => answers.shift());
  a.pc.onnegotiationneeded();
  await settle();
  a.pc.gather();
  t.mock.timers.tick(1_000);
  await settle();
  t.mock.timers.tick(60_000);
  await settle();
  assert.deepEqual(a.out.map(({ type, sdp }) => [type, sdp.includes("candidate")]), [["offer", false], ["offer", true]]);
});

test("an answer of an older module, which names no offer, is taken", async (t) => {
  const [a, b] = await settled(t, true);
  a.negotiation.restart();
  await settle();
  await a.carry(b);
  await b.carry(a, b.out.splice(0).map(({ n, ...answer }) => answer));
  agree(a, b);
});

test("who comes with another certificate is another: its description is not taken", async (t) => {
  const [a, b] = await settled(t, true);
  const taken = a.pc.remoteDescription;
  a.negotiation.receive({ type: "offer", sdp: b.pc.sdp.replace(/fingerprint.*/, "fingerprint:sha-256 MIDDLE") });
  await settle();
  assert.deepEqual([a.events, a.pc.remoteDescription], [["renewed"], taken]);
});

test("an offer whose answer can't be taken is followed by another", async (t) => {
  const [a, b] = await settled(t, true);
  const { setLocalDescription } = a.pc;
  a.pc.setLocalDescription = async () => { throw new Error("no"); };
  a.negotiation.restart();
  await settle();
  await a.carry(b);
  await b.carry(a);
  assert.deepEqual(a.events, ["no"]);
  a.pc.setLocalDescription = setLocalDescription;
  t.mock.timers.tick(10_000);
  await settle();
  await a.carry(b);
  await b.carry(a);
  agree(a, b);
});

for (const id of ["ann", "zed"]) {
  test(`a call of ${id} rings although its offer was refused at first`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
    const sent = [];
    const peer = new Peer({
      self: id, id: "mid", role: "caller", Connection, configuration: {}, tracks: new Map(), channels: new Map(), limit: () => 65_536,
      send: async (message) => {
        sent.push(message.type);
        if (sent.length === 1) throw Object.assign(new Error("later"), { code: "congested" });
      },
      renewed() {}, stale() {}, lost() {},
    });
    t.after(() => peer.close());
    peer.connection.onnegotiationneeded();
    await settle();
    if (peer.connection.localDescription) peer.connection.gather();
    t.mock.timers.tick(1_000);
    await settle();
    t.mock.timers.tick(50_000);
    await settle();
    assert.deepEqual([sent, peer.state], [["offer", "offer"], "ringing"], "and what rings is not told twice");
  });
}

test("an offer to one who was out of the room is told again when it is back", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  const { WebSocket, sockets } = serve();
  const room = new Room("ws://server/ws", "r", { WebSocket, RTCPeerConnection: Connection });
  t.after(() => room.leave());
  room.open();
  const [socket] = sockets;
  socket.join();
  const peer = room.call("bob"), pc = peer.connection;
  pc.onnegotiationneeded();
  await settle();
  socket.say({ type: "answer", from: "bob", sdp: new Connection().sdp, n: socket.of("offer")[0].n });
  await settle();
  pc.turns("connected");
  socket.say({ type: "room_changes", left: ["bob"] });
  pc.onnegotiationneeded();
  await settle();
  socket.refuse(socket.of("offer").at(-1), "target_not_found");
  await settle();
  const before = socket.of("offer").length;
  socket.say({ type: "room_changes", joined: ["bob"] });
  t.mock.timers.tick(1_000);
  await settle();
  assert.deepEqual([peer.state, socket.of("offer").length], ["connected", before + 1]);
});

test("who hangs up because a connection has failed leaves nothing behind", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  const peer = new Peer({
    self: "ann", id: "bob", role: "mesh", Connection, configuration: {}, tracks: new Map(), channels: new Map(), limit: () => 65_536,
    send: async () => {}, renewed() {}, stale() {}, lost() {},
  });
  peer.on("state", (state) => { if (state === "failed") peer.close(); });
  peer.connection.turns("failed");
  const tried = t.mock.method(peer, "restartIce");
  t.mock.timers.tick(600_000);
  assert.equal(tried.mock.callCount(), 0);
});

test("candidates that come before their description are used when it comes", async (t) => {
  const [a, b] = await settled(t, true), early = (name, usernameFragment) => b.negotiation.receive({ type: "candidate", candidate: { candidate: name, usernameFragment } });
  a.negotiation.restart();
  await settle();
  const [offer] = a.out.splice(0);
  for (let i = 0; i < 1_000; i++) early("old", "unknown");
  early("new", ufrag(offer));
  await b.negotiation.run(() => {});
  assert.deepEqual(b.pc.candidates, []);
  await a.carry(b, [offer]);
  while (!b.pc.candidates.length) await settle();
  assert.deepEqual(b.pc.candidates, ["new"]);
});
