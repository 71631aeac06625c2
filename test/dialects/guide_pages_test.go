package dialects

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// guide is a page of the guide, with the name that it uses for the server.
type guide struct {
	t    *testing.T
	text string
}

const guideHost = "signal.example.org"

func openGuide(t *testing.T, name string) guide {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "cmd", "parleyd", "deploy", "moving-from-"+name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	return guide{t, string(text)}
}

// block returns the page's only block of code in a language.
func (g guide) block(language string) string {
	g.t.Helper()
	all := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(g.text, -1)
	if len(all) != 1 {
		g.t.Fatalf("there are %d blocks in %s", len(all), language)
	}
	return all[0][1]
}

// start runs the command with which the page begins, on another port.
func (g guide) start() *parleyd.Daemon {
	g.t.Helper()
	args := strings.Fields(strings.ReplaceAll(g.block("sh"), "'", ""))
	listen := -1
	for i, arg := range args {
		if arg == "--listen" {
			listen = i
		}
	}
	if args[0] != "parleyd" || listen < 0 {
		g.t.Fatalf("the command is %q", args)
	}
	return parleyd.Start(g.t, append(args[1:listen], args[listen+2:]...)...)
}

// browse starts a browser for which the page's server is a daemon.
func (g guide) browse(d *parleyd.Daemon) context.Context {
	g.t.Helper()
	port := regexp.MustCompile(`--listen (:\d+)`).FindStringSubmatch(g.text)
	return browser.Start(g.t, chromedp.Flag("host-resolver-rules", "MAP "+guideHost+port[1]+" "+d.Address))
}

// Who follows a page of the guide word by word gets what it promises.
func TestTheGuideForPeerJS(t *testing.T) {
	g := openGuide(t, "peerserver")
	b := g.browse(g.start())
	page := site(t, map[string]string{"/peer.js": bundle(t, `import { Peer } from "peerjs"; globalThis.Peer = Peer;`, "peerjs@1.5.5")})
	ann, bob := window(t, b, page), window(t, b, page)
	made := strings.TrimSuffix(strings.TrimSpace(g.block("js")), ";")
	in := `await import("/peer.js"); globalThis.peer = ` + made + `; await new Promise((done, failed) => { peer.on("open", done); peer.on("error", failed); });`
	do(t, ann, in+`peer.on("connection", (c) => c.on("data", (d) => c.send("echo " + d)));`)
	do(t, bob, strings.Replace(in, `"ann"`, `"bob"`, 1)+`const c = peer.connect("ann"); c.on("open", () => c.send("hello")); c.on("data", (d) => { globalThis.heard = d; });`)
	browser.Until(t, bob, "the echo is there", `globalThis.heard === "echo hello"`)
}

func TestTheGuideForYjs(t *testing.T) {
	g := openGuide(t, "y-webrtc")
	b := g.browse(g.start())
	page := site(t, map[string]string{"/y.js": bundle(t, `import * as Y from "yjs"; import { WebrtcProvider } from "y-webrtc"; Object.assign(globalThis, { Y, WebrtcProvider });`, yPackages...)})
	in := `await import("/y.js"); globalThis.doc = new Y.Doc(); globalThis.provider = ` + g.block("js")
	ann, bob := window(t, b, page), window(t, b, page)
	do(t, ann, in+`doc.getText("t").insert(0, "hello")`)
	do(t, bob, in)
	browser.Until(t, bob, "the text is there", `doc.getText("t").toString() === "hello"`)
}

func TestTheGuideForWebTorrent(t *testing.T) {
	g := openGuide(t, "webtorrent-tracker")
	b := g.browse(g.start())
	page := site(t, map[string]string{"/webtorrent.js": file(t, npm.Install(t, torrentPackages...), "webtorrent", "dist", "webtorrent.min.js")})
	in := `const { default: WebTorrent } = await import("/webtorrent.js"); globalThis.client = new WebTorrent({ dht: false, lsd: false, utp: false, tracker: { rtcConfig: { iceServers: [] } } });`
	seeder, leecher := window(t, b, page), window(t, b, page)
	do(t, seeder, in+`
		const files = new File(["hello"], "hello.txt");
		client.on("torrent", (torrent) => { globalThis.magnet = torrent.magnetURI; });
		`+g.block("js"))
	browser.Until(t, seeder, "there is a torrent", `globalThis.magnet`)
	do(t, leecher, in+`client.add(`+quoted(value(t, seeder, `magnet`))+`, (torrent) => torrent.on("done", async () => { globalThis.got = await torrent.files[0].text?.() ?? new TextDecoder().decode(await torrent.files[0].arrayBuffer()); }))`)
	browser.Until(t, leecher, "the file is there", `globalThis.got === "hello"`)
}

func TestTheGuideForAyame(t *testing.T) {
	g := openGuide(t, "ayame")
	b := g.browse(g.start())
	url := regexp.MustCompile("`(ws://[^`]+)`").FindStringSubmatch(g.text)
	page := site(t, map[string]string{"/ayame.js": bundle(t, ayamePage, "@open-ayame/ayame-web-sdk@2025.1.1")})
	both := []context.Context{window(t, b, page), window(t, b, page)}
	for _, w := range both {
		do(t, w, `await import("/ayame.js"); await enter(`+quoted(url[1])+`, "room")`)
	}
	for _, w := range both {
		browser.Until(t, w, "there is a stream", `globalThis.stream?.getTracks().length === 2 && await received() > 0`)
	}
}
