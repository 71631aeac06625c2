package dialects

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// yPackages are what a page with Yjs documents installs, and the server that comes with it.
var yPackages = []string{"--ignore-scripts", "y-webrtc@10.3.0", "yjs@13.6.27", "ws@8.18.3"}

// yServer runs the signaling server of y-webrtc and returns its URL.
func yServer(t *testing.T) (url string) {
	t.Helper()
	url, _ = startYServer(t)
	return url
}

func startYServer(t *testing.T) (url string, cmd *exec.Cmd) {
	t.Helper()
	port := process.FreePort(t)
	cmd = exec.Command("node", filepath.Join(npm.Install(t, yPackages...), "node_modules", "y-webrtc", "bin", "server.js"))
	cmd.Env = append(os.Environ(), "PORT="+port)
	process.Start(t, cmd)
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return "ws://127.0.0.1:" + port, cmd
}

func yMark() (string, func(string) bool) {
	return `{"type":"ping"}`, func(message string) bool { return message == `{"type":"pong"}` }
}

// y-webrtc's server and parleyd answer alike.
func TestYWebRTCBesideItsServer(t *testing.T) {
	d := parleyd.Start(t, "--y-webrtc", "/y")
	original, ours := open(t, yServer(t), 3, yMark), open(t, "ws://"+d.Address+"/y", 3, yMark)
	compare(t, original, ours, []step{
		{from: 0, text: `{"type":"subscribe","topics":["doc"]}`},
		{from: 0, text: `{"type":"publish","topic":"doc","data":1}`}, // to itself
		{from: 1, text: `{"type":"subscribe","topics":["doc","other","doc"]}`},
		{from: 1, text: `{"type":"publish","topic":"doc","data":{"type":"announce","from":"b"}}`},
		{from: 0, text: `{"type":"publish","topic":"doc","data":{"to":"b","from":"a","type":"signal","token":1.5,"signal":{"type":"offer","sdp":"v=0\r\n"}}}`},
		{from: 0, text: `{"type":"publish","topic":"doc","data":"AAECAwQF+/=="}`}, // encrypted
		{from: 0, text: `{"type":"publish","topic":"other","data":1}`,
			ours: map[int][]string{}, why: "who publishes subscribes first: that is where a token and the limits of rooms count"},
		{from: 2, text: `{"type":"publish","topic":"nobody","data":1}`},
		{from: 2, text: `{"type":"publish","topic":""}`},
		{from: 2, text: `{"type":"publish"}`},
		{from: 2, text: `{"type":"publish","topic":7}`},
		{from: 2, text: `{"type":"subscribe","topics":["other",7,null,{},["doc"]]}`},
		{from: 2, text: `{"type":"publish","topic":"other","clients":99,"more":[1,{"clients":2}],"é":"\u00e9😀"}`},
		{from: 1, text: `{"type":"publish","topic":"doc","topic":"other"}`},
		{from: 2, text: `{"type":"subscribe","topics":[]}`},
		{from: 2, text: `{"type":"subscribe"}`},
		{from: 2, text: `{"type":"unsubscribe"}`},
		{from: 2, text: `{"type":"unsubscribe","topics":["nobody","other",7]}`},
		{from: 1, text: `{"type":"publish","topic":"other"}`},
		{from: 2, text: `{"type":"subscribe","topics":["other"," x ","\u0000"]}`},
		{from: 2, text: `{"type":"publish","topic":" x "}`},
		{from: 2, text: `{"type":"publish","topic":"\u0000"}`},
		{from: 0, text: `{"type":"nonsense"}`},
		{from: 0, text: `{"type":["ping"]}`},
		{from: 0, text: `{}`}, {from: 0, text: `7`}, {from: 0, text: `[]`}, {from: 0, text: `null`}, {from: 0, text: `"ping"`},
		{from: 1, text: `{"type":"publish","topic":"other","data":"last"}`},
	})
}

// One message that is not as expected ends y-webrtc's server for everybody; here the next one
// counts.
func TestWhatKillsYWebRTCsServer(t *testing.T) {
	d := parleyd.Start(t, "--y-webrtc", "/y")
	for _, text := range []string{`{`, `{"type":"subscribe","topics":"doc"}`} {
		original, ours := open(t, yServer(t), 2, yMark), open(t, "ws://"+d.Address+"/y", 2, yMark)
		original.write(0, text)
		original.dies(1)
		ours.play(step{text: text})
	}
}

// yPage is a page with a document in a room: what it needs of npm, in one module.
const yPage = `
import * as Y from "yjs";
import { WebrtcProvider } from "y-webrtc";
globalThis.open = (signaling, room, password) => {
	globalThis.doc = new Y.Doc();
	globalThis.text = doc.getText("t");
	globalThis.provider = new WebrtcProvider(room, doc, { signaling: [signaling], password, peerOpts: { config: { iceServers: [] } } });
};
`

// Two documents that meet over parleyd become one, also after one was offline and both have
// changed; without and with a password, under which all that is published is encrypted.
func TestYjsDocumentsConverge(t *testing.T) {
	d := parleyd.Start(t, "--y-webrtc", "/y", "--allow-origin", "*")
	page := site(t, map[string]string{"/y.js": bundle(t, yPage, yPackages...)})
	b := browser.Start(t)
	for _, password := range []string{"", "secret"} {
		open := `await import("/y.js"); open("ws://` + d.Address + `/y", "room ` + password + `", "` + password + `" || null);`
		ann, bob := window(t, b, page), window(t, b, page)
		do(t, ann, open+`text.insert(0, "one ")`)
		do(t, bob, open)
		browser.Until(t, bob, "bob has it", `text.toString() === "one "`)
		do(t, bob, `provider.disconnect(); text.insert(4, "two ")`)
		do(t, ann, `text.insert(0, "zero ")`)
		do(t, bob, `provider.connect()`)
		for _, w := range []context.Context{ann, bob} {
			browser.Until(t, w, "both are one", `text.toString() === "zero one two "`)
		}
		for _, w := range []context.Context{ann, bob} {
			do(t, w, `doc.destroy()`)
			_ = chromedp.Cancel(w)
		}
	}
}

// Topics span the nodes of a cluster.
func TestTopicsSpanNodes(t *testing.T) {
	c := nodes.Start(t, 3, "--y-webrtc", "/y", "--webtorrent", "/tracker")
	var sides []*side
	for _, d := range c.Daemons[:2] {
		sides = append(sides, open(t, "ws://"+d.Address+"/y", 1, yMark))
	}
	for i := range 8 { // each node owns some of these
		topic := string(rune('a' + i))
		for _, s := range sides {
			s.play(step{text: `{"type":"subscribe","topics":["` + topic + `"]}`})
		}
		sides[0].write(0, `{"type":"publish","topic":"`+topic+`","data":1}`)
		for _, s := range sides {
			if got := s.next(0); got != canonical(t, `{"type":"publish","topic":"`+topic+`","data":1,"clients":2}`) {
				t.Errorf("topic %s: %s", topic, got)
			}
		}
	}
	swarmsSpan(t, c)
}

// Documents of two programs in Node become one, over parleyd and a WebRTC implementation of npm's.
func TestYjsInNode(t *testing.T) {
	d := parleyd.Start(t, "--y-webrtc", "/y")
	packages, wrtc := npm.Install(t, yPackages...), npm.Install(t, "@roamhq/wrtc@0.10.0")
	names := [2]string{"ann", "bob"}
	var programs [2]*exec.Cmd
	var said [2]strings.Builder
	for i := range programs {
		ctx, cancel := context.WithTimeout(t.Context(), 2*parleyd.Patience)
		defer cancel()
		c := exec.CommandContext(ctx, "node", "--experimental-websocket", "--no-warnings", "testdata/yjs.mjs", "ws://"+d.Address+"/y", names[i], names[1-i])
		c.Env = append(os.Environ(), "PACKAGES="+packages, "WRTC="+wrtc)
		c.Stdout, c.Stderr = &said[i], &said[i]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		programs[i] = c
	}
	for i, c := range programs {
		if err := c.Wait(); err != nil || !strings.Contains(said[i].String(), "met "+names[1-i]) {
			t.Errorf("%s: %v\n%s", names[i], err, said[i].String())
		}
	}
}
