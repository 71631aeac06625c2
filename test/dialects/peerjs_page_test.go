package dialects

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// peerPage is a page with PeerJS, in one module.
const peerPage = `
import { Peer } from "peerjs";
globalThis.open = (host, port, id) => new Promise((done, failed) => {
	globalThis.peer = new Peer(id, { host, port: Number(port), path: "/", secure: false, config: { iceServers: [] }, debug: 1 });
	globalThis.heard = [];
	globalThis.errors = [];
	globalThis.opens = 0;
	peer.on("open", (id) => { globalThis.opens++; done(id); });
	peer.on("error", (error) => { errors.push(error.type); failed(error); });
	peer.on("connection", (c) => { globalThis.data = c; c.on("data", (d) => { heard.push(d); c.send("echo " + d); }); });
	peer.on("call", async (call) => {
		globalThis.call = call;
		call.answer(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
		call.on("stream", (s) => { globalThis.stream = s; });
	});
});
globalThis.connect = (id) => new Promise((done) => {
	globalThis.data = peer.connect(id, { reliable: true });
	data.on("data", (d) => heard.push(d));
	data.on("open", done);
});
globalThis.dial = async (id) => {
	globalThis.call = peer.call(id, await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
	call.on("stream", (s) => { globalThis.stream = s; });
};
// received counts the bytes of media that have come.
globalThis.received = async () => {
	let n = 0;
	(await call.peerConnection.getStats()).forEach((s) => { if (s.type === "inbound-rtp") n += s.bytesReceived; });
	return n;
};
`

// opens returns the script with which a page becomes a peer; no id: one that the server makes.
func opens(address, id string) string {
	host, port, _ := strings.Cut(address, ":")
	quoted := "undefined"
	if id != "" {
		quoted = fmt.Sprintf("%q", id)
	}
	return fmt.Sprintf(`await import("/peer.js"); await open(%q, %q, %s);`, host, port, quoted)
}

// Pages with PeerJS talk and call each other over parleyd, and a call survives its restart:
// the pages reconnect under their ids, and new ones can be made.
func TestPeerJSPages(t *testing.T) {
	d := parleyd.Start(t, "--peerjs", "/", "--allow-origin", "*")
	page := site(t, map[string]string{"/peer.js": bundle(t, peerPage, "peerjs@1.5.5")})
	b := browser.Start(t)
	ann, bob := window(t, b, page), window(t, b, page)
	do(t, ann, opens(d.Address, "ann"))
	do(t, bob, opens(d.Address, ""))
	id := value(t, bob, `peer.id`)
	if len(id) != 36 {
		t.Errorf("the server has made the id %q", id)
	}
	do(t, ann, `await connect(`+fmt.Sprintf("%q", id)+`); data.send("hello")`)
	browser.Until(t, ann, "the echo is there", `heard.includes("echo hello")`)
	do(t, ann, `await dial(`+fmt.Sprintf("%q", id)+`)`)
	for _, w := range []context.Context{ann, bob} {
		browser.Until(t, w, "there is a stream", `globalThis.stream?.getTracks().length === 2 && await received() > 0`)
	}

	address := d.Address
	d.Signal(syscall.SIGTERM)
	d.ExitCode(t)
	for _, w := range []context.Context{ann, bob} {
		browser.Until(t, w, "the page knows that the server has gone", `peer.disconnected && !peer.destroyed`)
	}
	parleyd.StartAt(t, address, "--peerjs", "/", "--allow-origin", "*")
	for _, w := range []context.Context{ann, bob} {
		do(t, w, `globalThis.before = await received(); peer.reconnect()`)
		browser.Until(t, w, "it is in again", `opens === 2 && peer.open`)
		browser.Until(t, w, "the call goes on", `call.open && await received() > before + 10000`)
	}
	do(t, bob, `await connect("ann"); data.send("again")`)
	browser.Until(t, bob, "the new echo is there", `heard.includes("echo again")`)
	do(t, ann, `peer.on("error", () => {}); peer.connect("nobody")`)
	browser.Until(t, ann, "it is told that there is nobody", `errors.includes("peer-unavailable")`)
}

// Pages on two nodes of a cluster call each other: with PeerJS, and with Ayame's SDK.
func TestPagesAcrossNodes(t *testing.T) {
	c := nodes.Start(t, 3, "--peerjs", "/", "--ayame", "/ayame", "--allow-origin", "*")
	page := site(t, map[string]string{
		"/peer.js": bundle(t, peerPage, "peerjs@1.5.5"), "/ayame.js": bundle(t, ayamePage, "@open-ayame/ayame-web-sdk@2025.1.1"),
	})
	b := browser.Start(t)
	ann, bob := window(t, b, page), window(t, b, page)
	do(t, ann, opens(c.Daemons[0].Address, "ann"))
	do(t, bob, opens(c.Daemons[1].Address, "bob"))
	do(t, ann, `await dial("bob")`)
	for _, w := range []context.Context{ann, bob} {
		browser.Until(t, w, "there is a stream", `globalThis.stream?.getTracks().length === 2 && await received() > 0`)
	}
	do(t, bob, `await connect("ann"); data.send("hello")`)
	browser.Until(t, bob, "the echo is there", `heard.includes("echo hello")`)

	cat, dan := window(t, b, page), window(t, b, page)
	do(t, cat, `await import("/ayame.js"); await again("ws://`+c.Daemons[0].Address+`/ayame", "room")`)
	do(t, dan, `await import("/ayame.js"); await again("ws://`+c.Daemons[1].Address+`/ayame", "room")`)
	for _, w := range []context.Context{cat, dan} {
		browser.Until(t, w, "there is a stream", `events.includes("connect") && globalThis.stream?.getTracks().length === 2 && await received() > 0`)
	}
}
