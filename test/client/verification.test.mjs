// Tests of the verification of calls, with a server in the middle that tries everything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifier } from "../../web/client/verification.js";

const sdp = (...names) => ({ sdp: names.map((name) => `a=fingerprint:sha-256 ${name}\r\n`).join("") });

/** One end, which sees these fingerprints; `sent` is what it has sent. */
function end(local, remote, send = () => {}) {
  const sent = [];
  const verifier = new Verifier({ localDescription: sdp(...local), remoteDescription: sdp(...remote) }, (frame) => {
    sent.push(frame);
    send(frame);
  });
  return Object.assign(verifier, { sent });
}

/** Two ends that send to each other. */
function ends(a, b) {
  const one = end(...a, (frame) => queueMicrotask(() => two.receive(frame)));
  const two = end(...b, (frame) => queueMicrotask(() => one.receive(frame)));
  return [one, two];
}

const refused = { code: "verification_failed" };

test("two ends that see each other's fingerprints have the same code", async () => {
  const [a, b] = ends([["A"], ["B"]], [["B"], ["A"]]);
  const [one, two] = await Promise.all([a.start(), b.start()]);
  assert.deepEqual(one, two);
  assert.deepEqual([one.emoji.length, one.words.length], [5, 5]);
});

test("one end is enough to start it", async () => {
  const [a, b] = ends([["A"], ["B"]], [["B"], ["A"]]);
  const one = await a.start();
  assert.deepEqual(await b.start(), one);
});

test("a middle that passes everything on is refused", async () => {
  const [a, b] = ends([["A"], ["M"]], [["B"], ["M"]]);
  await Promise.all([assert.rejects(a.start(), refused), assert.rejects(b.start(), refused)]);
});

test("a middle that adds its fingerprint to the other's is refused", async () => {
  const [a, b] = ends([["A"], ["B", "M"]], [["B"], ["A", "M"]]);
  await Promise.all([assert.rejects(a.start(), refused), assert.rejects(b.start(), refused)]);
});

test("a middle that sends an end its own words back is refused", async () => {
  const a = end(["A"], ["M"], (frame) => queueMicrotask(() => a.receive(frame)));
  await assert.rejects(a.start(), refused);
});

test("a middle that plays the other to both gets two codes", async () => {
  const [a, m] = ends([["A"], ["M"]], [["M"], ["A"]]), [n, b] = ends([["M"], ["B"]], [["B"], ["M"]]);
  const [one, , , two] = await Promise.all([a.start(), m.start(), n.start(), b.start()]);
  assert.notDeepEqual(one, two);
});

test("nobody learns a nonce before it has committed to its own", async () => {
  const a = end(["A"], ["B"]);
  const done = a.start();
  a.receive({ nonce: "0".repeat(64) });
  while (!a.sent.length) await new Promise(setImmediate);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  assert.deepEqual(a.sent.map((frame) => Object.keys(frame).join()), ["commit"]);
  a.receive({ commit: "1".repeat(64) });
  await assert.rejects(done, refused);
});

test("what a middle changes its mind to does not count", async () => {
  const a = end(["A"], ["B"]);
  const done = a.start();
  a.receive({ commit: "1".repeat(64) });
  const b = end(["B"], ["A"]);
  b.start().catch(() => {});
  while (!b.sent.length) await new Promise(setImmediate);
  a.receive(b.sent[0]); // an honest commitment, too late
  b.receive({ commit: a.sent[0].commit });
  while (b.sent.length < 2) await new Promise(setImmediate);
  a.receive(b.sent[1]);
  b.receive(a.sent[1]);
  await assert.rejects(done, refused);
});

test("the code covers the fingerprints beside the nonces", async (t) => {
  t.mock.method(crypto, "getRandomValues", (bytes) => bytes.fill(7));
  const codes = [];
  for (const other of ["B", "C"]) {
    const [a, b] = ends([["A"], [other]], [[other], ["A"]]);
    const [code] = await Promise.all([a.start(), b.start()]);
    codes.push(code.words.join());
  }
  assert.notEqual(codes[0], codes[1]);
});

test("ends without fingerprints are not verified", async () => {
  const [a, b] = ends([[], []], [[], []]);
  await Promise.all([assert.rejects(a.start(), refused), assert.rejects(b.start(), refused)]);
});

test("who has waited in vain can ask again, and gets the code once the other side answers", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const held = [], a = end(["A"], ["B"], (frame) => held.push(frame));
  const first = a.start();
  while (!held.length) await new Promise(setImmediate);
  t.mock.timers.tick(60_000);
  await assert.rejects(first, { code: "timeout" });
  const b = end(["B"], ["A"], (frame) => queueMicrotask(() => a.receive(frame)));
  const again = a.start();
  b.receive(held[0]);
  for (let i = 0; i < 100 && held.length < 2; i++) await new Promise(setImmediate);
  b.receive(held[1] ?? {});
  assert.deepEqual(await again, await b.start());
});
