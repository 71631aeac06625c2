// Tests of the client module with the tokens of a daemon that asks for them, at
// PARLEY_TOKENS_URL, which knows them by PARLEY_SECRET.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { connect } from "../../web/client/index.js";

const server = connect(process.env.PARLEY_TOKENS_URL);
const text = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs a token that is good for so many seconds. */
function token(claims, seconds = 3600) {
  const body = `${text({ alg: "HS256", typ: "JWT" })}.${text({ ...claims, exp: Math.floor(Date.now() / 1000) + seconds })}`;
  return `${body}.${createHmac("sha256", process.env.PARLEY_SECRET).update(body).digest("base64url")}`;
}

/** Waits for an event of which is holds. */
const next = (room, event, is = () => true) => room.once(event, is);

test("a join without a token that is good is refused", async () => {
  for (const options of [{}, { token: "no token" }, { token: token({ sub: "ann", room: "another" }) }, { token: token({ sub: "ann" }, -60) }]) {
    await assert.rejects(server.join("house", options), { name: "ParleyError", code: /^(unauthorized|forbidden)$/ });
  }
});

test("a token names the member, and another one is asked for before it expires", async () => {
  let asked = 0;
  // The next is asked for when half the time of a short one is over.
  const room = await server.join("renewed", { getToken: () => token({ sub: "ann", name: `Ann ${++asked}` }, asked === 1 ? 4 : 3600) });
  assert.equal(room.id, "ann");
  const bob = await server.join("renewed", { token: token({ sub: "bob" }) });
  if (bob.nameOf("ann") !== "Ann 2") await next(bob, "members", () => bob.nameOf("ann") === "Ann 2");
  assert.equal(room.state, "joined");
  assert.equal(asked, 2);
  room.leave();
  bob.leave();
});

test("a member takes over its place on another device, and the one that had it is told", async () => {
  const old = await server.join("moved", { token: token({ sub: "ann" }) });
  const bob = await server.join("moved", { token: token({ sub: "bob" }) });
  await assert.rejects(server.join("moved", { token: token({ sub: "ann" }) }), { code: "duplicate_id" });
  const over = next(old, "state", (state) => state === "closed");
  const fresh = await server.join("moved", { token: token({ sub: "ann" }), takeover: true });
  await over;
  const heard = next(fresh, "message");
  bob.send({ for: "the new one" }, "ann");
  assert.deepEqual((await heard).data, { for: "the new one" });
  assert.deepEqual(bob.members, ["ann", "bob"]);
  fresh.leave();
  bob.leave();
});
