// What bittorrent-tracker's tests make of a server, for one that runs already. TRACKER is its URL.
import { createRequire } from "node:module";
import fixtures from "webtorrent-fixtures";

const WebSocket = createRequire(import.meta.url)("ws");
const infoHash = Buffer.from(fixtures.leaves.parsedTorrent.infoHash, "hex").toString("latin1");

/** left waits until nobody is in the swarm of the tests any more, as a scrape says. */
async function left() {
	for (;;) {
		const answer = await new Promise((done, failed) => {
			const socket = new WebSocket(process.env.TRACKER);
			socket.on("error", failed);
			socket.on("open", () => socket.send(JSON.stringify({ action: "scrape", info_hash: infoHash })));
			socket.on("message", (text) => { socket.close(); done(JSON.parse(text)); });
		});
		const swarm = answer.files[infoHash];
		if (swarm.complete + swarm.incomplete === 0) return;
		await new Promise((done) => setTimeout(done, 50));
	}
}

export function createServer(t, serverType, cb) {
	const server = {
		close: (closed) => closed?.(),
		once: (event, told) => {
			if (event !== "stop") throw new Error(`nobody is told of ${event}`);
			left().then(() => told({}, {}), (error) => t.error(error));
		},
	};
	setImmediate(() => cb(server, process.env.TRACKER));
}

/** mockWebsocketTracker makes offers up: Node has no WebRTC. */
export const mockWebsocketTracker = (client) => {
	client._trackers[0]._generateOffers = (numwant, cb) => {
		process.nextTick(() => cb(Array.from({ length: numwant }, (_, i) => ({ fake_offer: `fake_offer_${i}` }))));
	};
};

export default { mockWebsocketTracker, createServer };
