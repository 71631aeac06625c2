package dialects

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// ayamePage is a page with Ayame's SDK, in one module.
const ayamePage = `
import { createConnection, defaultOptions } from "@open-ayame/ayame-web-sdk";
globalThis.enter = async (url, room, key) => {
	const options = { ...defaultOptions, clientId: crypto.randomUUID(), signalingKey: key };
	globalThis.conn = createConnection(url, room, options);
	globalThis.events = [];
	for (const name of ["open", "connect", "disconnect", "bye", "addstream"]) {
		conn.on(name, (event) => { events.push(name + (event?.reason ? " " + event.reason : "")); if (name === "addstream") globalThis.stream = event.stream; });
	}
	await conn.connect(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
};
// again enters when the server, which may not be ready for a moment, takes it.
globalThis.again = async (url, room) => {
	for (let i = 0; ; i++) {
		try { return await enter(url, room); } catch (error) { if (i === 50) throw error; }
		await new Promise((done) => setTimeout(done, 200));
	}
};
globalThis.received = async () => {
	let n = 0;
	(await conn.getStats()).forEach((s) => { if (s.type === "inbound-rtp") n += s.bytesReceived; });
	return n;
};
`

// Pages with Ayame's SDK call each other over parleyd; a third is told that the room is full,
// and the one who stays that the other has gone. The application of an Ayame server decides.
func TestAyamePages(t *testing.T) {
	asked := make(chan map[string]any, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q map[string]any
		_ = json.NewDecoder(r.Body).Decode(&q)
		if r.URL.Path == "/authn" {
			asked <- q
		}
		if q["signalingKey"] == "wrong" {
			_, _ = w.Write([]byte(`{"allowed":false,"reason":"no such key"}`))
			return
		}
		_, _ = w.Write([]byte(`{"allowed":true,"authzMetadata":{"from":"the application"}}`))
	}))
	defer hook.Close()
	d := parleyd.Start(t, "--ayame", "/signaling", "--ayame-authn-webhook", hook.URL+"/authn", "--ayame-disconnect-webhook", hook.URL+"/gone", "--allow-origin", "*")
	url := "ws://" + d.Address + "/signaling"
	page := site(t, map[string]string{"/ayame.js": bundle(t, ayamePage, "@open-ayame/ayame-web-sdk@2025.1.1")})
	b := browser.Start(t)
	ann, bob, cat := window(t, b, page), window(t, b, page), window(t, b, page)
	do(t, ann, `await import("/ayame.js"); await enter("`+url+`", "room", "key")`)
	if q := <-asked; q["roomId"] != "room" || q["signalingKey"] != "key" || q["clientId"] == "" || q["connectionId"] == "" {
		t.Errorf("the application was asked %v", q)
	}
	do(t, bob, `await import("/ayame.js"); await enter("`+url+`", "room", "key")`)
	for _, w := range []context.Context{ann, bob} {
		browser.Until(t, w, "there is a stream", `events.includes("connect") && globalThis.stream?.getTracks().length === 2 && await received() > 0`)
		browser.Until(t, w, "it has the application's metadata", `conn.authzMetadata.from === "the application"`)
	}
	do(t, cat, `await import("/ayame.js"); await enter("`+url+`", "room", "key").catch(() => {})`)
	browser.Until(t, cat, "it is told that the room is full", `events.includes("disconnect full")`)
	do(t, cat, `await enter("`+url+`", "other", "wrong").catch(() => {})`)
	browser.Until(t, cat, "it is told the application's reason", `events.includes("disconnect no such key")`)
	do(t, bob, `await conn.disconnect()`)
	browser.Until(t, ann, "it is told that the other has gone", `events.includes("bye")`)
}
