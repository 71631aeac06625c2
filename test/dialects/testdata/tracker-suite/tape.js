// Tape, of which only those tests run that are about WebSocket and that can be seen from outside.
import { createRequire } from "node:module";

const test = createRequire(process.env.TAPE)("tape");

// These see what a client sends by events of the server's library.
const inside = new Set(["ws: client.announce() with params", "ws: client `opts.getAnnounceOpts`"]);

export default (name, run) => {
	if (inside.has(name) || !/^(ws|ensure)\b/.test(name)) return;
	test(name, { timeout: 20_000 }, run);
};
