// Two peers of bittorrent-tracker's client, which share a connection, announce themselves.
import assert from "node:assert";
import { pathToFileURL } from "node:url";

const { default: Client } = await import(pathToFileURL(process.env.PACKAGE));
const announce = process.env.TRACKER;
const infoHash = "0001020304050607ff80fefdfcfbfaf9f8f7f6f5";
const deadline = setTimeout(() => { console.error("not in time"); process.exit(1); }, 20_000);

/** peer makes a client whose offers are made up: Node has no WebRTC. */
function peer(id) {
	const client = new Client({ infoHash, announce, peerId: Buffer.from(id), port: 6881, wrtc: {} });
	client.on("error", (error) => assert.fail(error));
	client.on("warning", (error) => assert.fail(error));
	client._trackers[0]._generateOffers = (n, done) => process.nextTick(() => done(Array.from({ length: n }, (_, i) => ({ made_up: i }))));
	return client;
}

/** next waits for an event. */
const next = (client, event) => new Promise((done) => client.once(event, done));

const ann = peer("-WW0091-aaaaaaaaaaaa"), bob = peer("-WW0091-bbbbbbbbbbbb");
ann.start({ left: 0 });
let update = await next(ann, "update");
assert.deepEqual([update.complete, update.incomplete, update.announce, update.infoHash], [1, 0, announce, infoHash]);
bob.start({ left: 5 });
update = await next(bob, "update");
assert.deepEqual([update.complete, update.incomplete], [1, 1]);
bob.scrape();
const scraped = await next(bob, "scrape");
assert.deepEqual([scraped.complete, scraped.incomplete, scraped.downloaded, scraped.infoHash], [1, 1, 1, infoHash]);
bob.complete({ left: 0 });
update = await next(bob, "update");
assert.deepEqual([update.complete, update.incomplete], [2, 0]);
bob.update();
await next(bob, "update");
ann.stop();
update = await next(bob, "update"); // both hear what is for their swarm
assert.deepEqual([update.complete, update.incomplete], [1, 0]);
await new Promise((done) => ann.destroy(done));
await new Promise((done) => bob.destroy(done));
clearTimeout(deadline);
