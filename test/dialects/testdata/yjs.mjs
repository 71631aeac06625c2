// A Yjs document in Node. It writes its own name, waits until another's is there too, and says so.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [signaling, own, others] = process.argv.slice(2);
const packages = createRequire(process.env.PACKAGES + "/");
const load = (name) => import(pathToFileURL(packages.resolve(name)));
const Y = await load("yjs");
const { WebrtcProvider } = await load("y-webrtc");
const wrtc = createRequire(process.env.WRTC + "/")("@roamhq/wrtc");

const doc = new Y.Doc();
const names = doc.getMap("names");
names.set(own, true);
const provider = new WebrtcProvider("room in Node", doc, {
	signaling: [signaling], password: "secret", filterBcConns: false, peerOpts: { wrtc, config: { iceServers: [] } },
});
await new Promise((done) => {
	const look = () => names.has(others) && done();
	names.observe(look);
	look();
});
// What it has written is on its way: it stays until the other has it, and says goodbye.
names.set(own + " knows", true);
await new Promise((done) => {
	const look = () => names.has(others + " knows") && done();
	names.observe(look);
	look();
});
console.log("met", others);
setTimeout(() => process.exit(0), 500);
