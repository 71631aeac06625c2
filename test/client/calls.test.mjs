// Tests of calls in Node, with a WebRTC implementation of npm's, against the daemon at PARLEY_URL.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { connect, Room } from "../../web/client/index.js";
import { Peer } from "../../web/client/peer.js";
import { Reporter } from "../../web/client/reports.js";

const wrtc = createRequire(`${process.env.PARLEY_WRTC}/`)("@roamhq/wrtc");
const { RTCPeerConnection, MediaStream } = wrtc;
globalThis.MediaStream = MediaStream;
const server = connect(process.env.PARLEY_URL, { RTCPeerConnection });

after(() => setImmediate(() => process.exit())); // the implementation's threads keep the process alive

/** Rooms that are left at the end of the test, with ids in this order. */
async function rooms(t, name, ids, options) {
  const joined = [];
  for (const id of ids) {
    const room = await server.join(name, { id, ...options });
    t.after(() => room.leave());
    joined.push(room);
  }
  while (joined[0].members.length < ids.length) await joined[0].once("members");
  return joined;
}

async function connected(peer) {
  if (peer.state !== "connected") await peer.once("state", (state) => state === "connected");
  if (!peer.direct) await peer.once("open");
}

/** A picture, and the stream that it belongs to. */
function picture() {
  const source = new wrtc.nonstandard.RTCVideoSource();
  const track = source.createTrack();
  return { source, track, stream: new MediaStream([track]) };
}

/** Two that meet. */
async function meeting(t, name, options) {
  const [ann, bob] = await rooms(t, name, ["ann", "bob"], options);
  ann.meet();
  bob.meet();
  const peers = await Promise.all([ann, bob].map((room) => room.once("peer")));
  await Promise.all(peers.map(connected));
  return { ann, bob, toBob: peers[0], toAnn: peers[1] };
}

test("two that meet send to each other straight, text and bytes", async (t) => {
  const { toBob, toAnn } = await meeting(t, "meet");
  assert.ok(toBob.direct && toAnn.direct);
  const heard = [];
  toAnn.on("data", (data) => heard.push(data));
  await toBob.send({ n: 1 });
  await toBob.send(new Uint8Array([1, 2, 255]));
  while (heard.length < 2) await toAnn.once("data");
  assert.deepEqual(heard, [{ n: 1 }, new Uint8Array([1, 2, 255])]);
  await assert.rejects(toBob.send("x".repeat(70_000)), { code: "too_large" });
  await assert.rejects(toBob.send(new Uint8Array(60_000)), { code: "too_large" }, "one limit, whichever way it goes");
});

test("what is sent waits for what is under way", async (t) => {
  const { toBob, toAnn } = await meeting(t, "pressure");
  let most = 0, came = 0;
  toAnn.on("data", () => came++);
  for (let i = 0; i < 100; i++) {
    await toBob.send("x".repeat(60_000));
    most = Math.max(most, toBob.bufferedAmount);
  }
  assert.ok(most <= 256 << 10, `${most} bytes waited`);
  await toBob.drain();
  while (came < 100) await toAnn.once("data");
});

test("when both call at the same moment each keeps its connection, and its channels work", async (t) => {
  const [ann, bob] = await rooms(t, "glare", ["ann", "bob"]);
  for (const room of [ann, bob]) room.channel("moves", { id: 1, ordered: false });
  const toBob = ann.call("bob"), toAnn = bob.call("ann");
  const before = [toBob.connection, toAnn.connection];
  const gone = [];
  for (const room of [ann, bob]) room.on("gone", ({ reason }) => gone.push(reason));
  await Promise.all([toBob, toAnn].map(connected));
  assert.deepEqual([toBob.connection, toAnn.connection], before);
  const channels = [toBob, toAnn].map((peer) => peer.channels.get("moves"));
  const heard = channels.map((channel) => new Promise((resolve) => { channel.onmessage = ({ data }) => resolve(data); }));
  for (const channel of channels) {
    if (channel.readyState !== "open") await new Promise((resolve) => { channel.onopen = resolve; });
    channel.send("move");
  }
  assert.deepEqual(await Promise.all(heard), ["move", "move"]);
  assert.deepEqual(gone, []);
});

for (const [returning, staying] of [["ann", "bob"], ["bob", "ann"]]) {
  test(`when ${returning} comes back anew, ${staying} gets a new peer with what the room has`, async (t) => {
    const { [returning]: left, [staying]: stays } = await meeting(t, `anew-${returning}`);
    stays.channel("moves", { id: 1 });
    const { stream, track } = picture();
    stays.addTrack(track, stream);
    const old = stays.peers.get(returning);
    const gone = stays.once("gone"), next = stays.once("peer", (peer) => peer !== old);
    left.command({ type: "leave" }); // as if its page had crashed: its connections stay
    const again = await server.join(left.name, { id: returning });
    t.after(() => again.leave());
    again.channel("moves", { id: 1 });
    again.meet();
    assert.equal((await gone).reason, "renewed");
    const peer = await next, [back] = await Promise.all([again.once("peer"), connected(peer)]);
    await connected(back);
    assert.notEqual(peer.connection, old.connection);
    assert.ok(peer.channels.has("moves"));
    if (!back.streams.length) await back.once("streams");
    assert.equal(back.streams[0].id, stream.id);
  });
}

test("late listeners get the peers, tracks and calls that are there", async (t) => {
  const [ann, bob] = await rooms(t, "late", ["ann", "bob"]);
  const { stream, track } = picture();
  ann.addTrack(track, stream);
  const toBob = ann.call("bob");
  bob.getSnapshot();
  while (!bob.getSnapshot().calls.includes("ann")) await bob.once("change");
  const call = await bob.once("call");
  const toAnn = call.accept();
  await Promise.all([toBob, toAnn].map(connected));
  assert.equal((await bob.once("peer")), toAnn);
  const late = await toAnn.once("track");
  assert.equal(late.streams[0].id, stream.id);
  assert.deepEqual(bob.getSnapshot().peers.map(({ id, state, streams }) => [id, state, streams.length]), [["ann", "connected", 1]]);
});

test("after fifty switches of screen and camera the descriptions are as long as before", async (t) => {
  const { ann, toBob, toAnn } = await meeting(t, "switches");
  const { stream, track } = picture();
  ann.addTrack(track, stream);
  await toAnn.once("streams");
  const share = async () => {
    const screen = picture();
    ann.addTrack(screen.track, screen.stream);
    await toAnn.once("streams", (streams) => streams.length === 2);
    ann.removeTrack(screen.track);
    await toAnn.once("streams", (streams) => streams.length === 1);
  };
  await share();
  await share();
  const lines = () => toBob.connection.localDescription.sdp.match(/^m=/gm).length;
  const before = lines(), length = toBob.connection.localDescription.sdp.length;
  for (let i = 0; i < 50; i++) await share();
  assert.equal(lines(), before);
  assert.ok(toBob.connection.localDescription.sdp.length < length + 200, "numbers may grow by a digit");
});

test("both ends of a connection see the same code, and it is another each time", async (t) => {
  const codes = [];
  for (const name of ["verify 1", "verify 2"]) {
    const { toBob, toAnn } = await meeting(t, name);
    const [a, b] = await Promise.all([toBob.verification(), toAnn.verification()]);
    assert.deepEqual(a, b);
    assert.equal(a.emoji.length, 5);
    assert.ok(a.words.every((word) => /^[a-z]+$/.test(word)), a.words.join());
    assert.equal(await toBob.verification(), a, "it runs once for a connection");
    codes.push(a.words.join());
  }
  assert.notEqual(codes[0], codes[1]);
});

/** Two peers whose messages go through a hand that may change them. */
function pair(t, self, id, through = (message, to) => to.receive(message)) {
  const peers = {};
  const make = (own, other, role) => new Peer({
    self: own, id: other, role, Connection: RTCPeerConnection, configuration: {}, tracks: new Map(), channels: new Map(), limit: () => 65_536,
    send: async (message) => through(message, peers[other]), renewed() {}, stale() {}, lost() {},
  });
  peers[self] = make(self, id, "mesh");
  peers[id] = make(id, self, "mesh");
  t.after(() => { for (const peer of Object.values(peers)) peer.close(); });
  return peers;
}

test("a server that stands between the two is seen", async (t) => {
  // Each of the two is connected with the server, which takes itself for the other.
  const left = pair(t, "ann", "bob"), right = pair(t, "bob", "ann");
  const [ann, bob] = [left.ann, right.bob], [asBob, asAnn] = [left.bob, right.ann];
  await Promise.all([ann, bob, asBob, asAnn].map(connected));
  const codes = await Promise.all([ann.verification(), bob.verification(), asBob.verification(), asAnn.verification()]);
  assert.deepEqual(codes[0], codes[2]);
  assert.deepEqual(codes[1], codes[3]);
  assert.notDeepEqual(codes[0].words, codes[1].words);
});

test("an expired token ends no call that can go on, and a new one brings the room back", async (t) => {
  const sockets = [];
  class Watched extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const { ann, toBob, toAnn } = await meeting(t, "expired", { WebSocket: Watched });
  const over = ann.once("error", ({ final }) => final);
  sockets[0].onclose({ code: 4008, reason: "the token has expired" });
  assert.equal((await over).code, "token_expired");
  assert.deepEqual([ann.state, ann.peers.get("bob"), toBob.state], ["closed", toBob, "connected"]);
  const heard = toAnn.once("data");
  await toBob.send("still here");
  assert.equal(await heard, "still here");
  ann.renew("another");
  await ann.once("members");
  assert.deepEqual([ann.state, ann.peers.get("bob")], ["joined", toBob]);
});

test("one that begins to meet while its connection is lost is met when it is back", async (t) => {
  const sockets = [];
  class Watched extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const [ann, bob] = await rooms(t, "offline", ["ann", "bob"], { WebSocket: Watched });
  bob.meet();
  sockets[0].onclose({ code: 1006, reason: "" });
  assert.equal(ann.state, "waiting");
  ann.meet();
  await Promise.all([await ann.once("peer"), await bob.once("peer")].map(connected));
});

/** The reports that a room sends. */
function reports(room) {
  const all = [];
  room.on("log", ({ out, message }) => { if (out && message.type === "report") all.push(message); });
  return all;
}

test("the server is told how a call goes, unless that is turned off", async (t) => {
  const [ann] = await rooms(t, "reports", ["ann"]), [bob] = await rooms(t, "reports", ["bob"], { reports: false });
  const told = reports(ann), silent = reports(bob);
  for (const room of [ann, bob]) room.meet();
  while (!told.length) await ann.once("log");
  const [{ to, data }] = told;
  assert.deepEqual([to, data.outcome, data.path, data.protocol], ["bob", "connected", "host", "udp"]);
  for (const time of ["setup_ms", "ice_ms", "dtls_ms"]) assert.ok(Number.isInteger(data[time]) && data[time] >= 0, `${time} is ${data[time]}`);
  assert.deepEqual(silent, []);
});

test("what the server is told of a peer that is gone before it was connected", () => {
  const told = (reason) => {
    const all = [];
    new Reporter({ connection: new EventTarget(), on() {} }, (data) => all.push(data)).end(reason);
    return all;
  };
  assert.deepEqual(told("renewed"), [], "the call goes on");
  assert.deepEqual(told("absent"), [{ outcome: "unanswered", reason: "absent" }]);
  assert.deepEqual(told("lost"), [{ outcome: "failed", reason: "lost" }]);
  assert.deepEqual(told("ended"), [{ outcome: "canceled", reason: "ended" }]);
});

test("a failure is told also by one that hangs up at once", () => {
  let state;
  const all = [], connection = Object.assign(new EventTarget(), { getStats: () => new Promise(() => {}) });
  const reporter = new Reporter({ connection, state: "failed", on: (_, listener) => { state = listener; } }, (data) => all.push(data));
  state("connecting");
  state("failed");
  reporter.end("ended");
  assert.deepEqual(all, [{ outcome: "failed", reason: "ice" }, { outcome: "canceled", reason: "ended" }]);
});

test("a call that has failed is not told to be up, until it is again", async () => {
  let state;
  const told = [], peer = { connection: Object.assign(new EventTarget(), { getStats: async () => new Map() }), on: (_, listener) => { state = listener; } };
  const turns = (to) => { peer.state = to; state(to); };
  const reporter = new Reporter(peer, ({ outcome }) => told.push(outcome));
  turns("connected"); // and fails while its figures are taken
  turns("failed");
  await new Promise(setImmediate);
  turns("connected");
  await new Promise(setImmediate);
  reporter.end("ended");
  assert.deepEqual(told, ["failed", "connected", "ended"]);
});

test("a connection that is renewed does not end the call", () => {
  let state;
  const all = [], connection = Object.assign(new EventTarget(), { getStats: () => new Promise(() => {}) });
  const reporter = new Reporter({ connection, state: "connected", on: (_, listener) => { state = listener; } }, (data) => all.push(data));
  state("connected");
  reporter.end("renewed");
  assert.deepEqual(all, []);
});

/** A room with ann in it, and bob, of a server that takes no reports. */
function played(t) {
  const sockets = [];
  class WebSocket {
    readyState = 1;
    sent = [];
    constructor() { sockets.push(this); }
    send(text) {
      const { type, ref } = JSON.parse(text);
      this.sent.push(type);
      if (type === "report") this.say({ type: "error", code: "unknown_type", error: "no", re: "report", ref });
    }
    say(message) { this.onmessage({ data: JSON.stringify(message) }); }
    close() {}
  }
  const room = new Room("ws://server/ws", "r", { WebSocket, RTCPeerConnection });
  t.after(() => room.leave());
  room.open();
  const [socket] = sockets;
  socket.onopen();
  socket.say({ type: "joined", room: "r", from: "ann", session: "s" });
  socket.say({ type: "room_members", room: "r", members: ["ann", "bob"] });
  return { room, socket };
}

test("a page that goes away hangs up and leaves", async (t) => {
  const target = new EventTarget(), { addEventListener } = globalThis;
  globalThis.addEventListener = target.addEventListener.bind(target);
  t.after(() => { globalThis.addEventListener = addEventListener; });
  const { room, socket } = played(t);
  room.call("bob");
  target.dispatchEvent(new Event("pagehide"));
  assert.equal(room.state, "closed");
  assert.deepEqual(socket.sent.filter((type) => type === "hangup" || type === "leave"), ["hangup", "leave"]);
});

test("a server that takes no reports gets no more of them, and nobody hears of it", async (t) => {
  const { room } = played(t);
  const told = reports(room), errors = [];
  room.on("error", (error) => errors.push(error));
  for (let i = 0; i < 2; i++) {
    room.hangUp(room.call("bob"));
    await new Promise(setImmediate);
  }
  assert.deepEqual(told.map(({ data }) => data.outcome), ["canceled"]);
  assert.deepEqual(errors, []);
});
