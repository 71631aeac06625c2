package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// The examples that the daemon serves work: a call makes one, with three, and a game shows the
// others' moves.
func TestServedExamples(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	address := "http://" + d.Address + "/examples/"
	t.Run("video", func(t *testing.T) {
		var windows []context.Context
		for range 3 {
			windows = append(windows, window(t, b, address+"video.html"))
		}
		for _, w := range windows {
			browser.Until(t, w, "all pictures play", `document.querySelectorAll("video").length === 3 && [...document.querySelectorAll("video")].every(v => v.videoWidth > 0 && v.currentTime > 0)`)
		}
		do(t, windows[2], `document.querySelector("#leave").click()`)
		browser.Until(t, windows[0], "one has left", `document.querySelectorAll("video").length === 2`)
	})
	t.Run("game", func(t *testing.T) {
		both := []context.Context{window(t, b, address+"game.html"), window(t, b, address+"game.html")}
		for _, w := range both {
			do(t, w, `setInterval(() => document.querySelector("#field").onpointermove?.({ offsetX: 50, offsetY: 60 }), 100)`)
		}
		for _, w := range both {
			browser.Until(t, w, "a move of the other is shown", `document.querySelectorAll(".dot").length === 2 && [...document.querySelectorAll(".dot")].every(d => d.style.translate !== "")`)
		}
	})
}

// The example for Node is a bot that echoes data, and sends a picture to a browser.
func TestBot(t *testing.T) {
	d := parleyd.Start(t)
	dir := t.TempDir()
	modules := filepath.Join(dir, "node_modules")
	client, err := filepath.Abs(module)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module, "examples", "bot.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Mkdir(modules, 0o755),
		os.Symlink(client, filepath.Join(modules, "parley-client")),
		os.Symlink(filepath.Join(npm.Install(t, "@roamhq/wrtc@0.10.0"), "node_modules", "@roamhq"), filepath.Join(modules, "@roamhq")),
		os.WriteFile(filepath.Join(dir, "bot.mjs"), text, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bot := exec.Command("node", "--experimental-websocket", "--no-warnings", "bot.mjs", "ws://"+d.Address+"/ws", "bots")
	bot.Dir, bot.Stderr = dir, os.Stderr
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bot.Process.Kill()
		_ = bot.Wait()
	})
	d.Wait(t, "join", "room", "bots")
	w := window(t, browser.Start(t), "http://"+d.Address+"/client/parley.js")
	do(t, w, `
const { join } = await import("/client/parley.js");
const room = await join(new URL("/ws", location.href.replace(/^http/, "ws")), "bots");
room.meet();
const peer = await room.once("peer");
const { streams: [stream] } = await peer.once("track");
const video = document.createElementNS("http://www.w3.org/1999/xhtml", "video");
Object.assign(video, { srcObject: stream, muted: true });
await video.play();
while (!video.videoWidth) await new Promise((done) => setTimeout(done, 50));
const echo = peer.once("data");
await peer.send({ n: 1 });
if ((await echo).n !== 1) throw new Error("no echo");
const channel = peer.channel("words");
const word = new Promise((done) => { channel.onmessage = ({ data }) => done(data); });
await new Promise((done) => { channel.onopen = done; });
channel.send("hello");
if (await word !== "hello") throw new Error("no echo on the channel");
`)
}

// The example in React draws two that meet, from snapshots alone.
func TestReact(t *testing.T) {
	d := parleyd.Start(t)
	react := npm.Install(t, "react@19.3.1", "react-dom@19.3.1")
	dir := t.TempDir()
	example, err := filepath.Abs(filepath.Join(module, "examples", "react.jsx"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := filepath.Abs(filepath.Join(module, "index.js"))
	if err != nil {
		t.Fatal(err)
	}
	start := `import { createRoot } from "react-dom/client";
import { App } from "` + example + `";
const url = new URL("/ws", location.href.replace(/^http/, "ws")).href;
createRoot(document.querySelector("#root")).render(<App url={url} name={location.hash.slice(1)} />);
`
	if err := os.WriteFile(filepath.Join(dir, "start.jsx"), []byte(start), 0o644); err != nil {
		t.Fatal(err)
	}
	page := `<!doctype html><html lang="en"><title>React</title><div id="root"></div><script type="module" src="/app.js"></script></html>`
	app := run(t, dir, []string{npm.Install(t, "esbuild@0.28.2")}, "env", "NODE_PATH="+filepath.Join(react, "node_modules"),
		"esbuild", "--bundle", "--format=esm", "--jsx=automatic", `--define:process.env.NODE_ENV="production"`, "--alias:parley-client="+client, "--log-level=error", "start.jsx")
	mux := http.NewServeMux()
	mux.Handle("/ws", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: d.Address})
		r.Out.Host = r.In.Host // the daemon compares the page's origin with it
	}})
	for path, text := range map[string][2]string{"/": {"text/html", page}, "/app.js": {"text/javascript", app}} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", text[0])
			_, _ = w.Write([]byte(text[1]))
		})
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	b := browser.Start(t)
	ann, bob := window(t, b, s.URL+"/#Ann"), window(t, b, s.URL+"/#Bob")
	for _, w := range []context.Context{ann, bob} {
		browser.Until(t, w, "both are drawn", `/Ann.*Bob|Bob.*Ann/.test(document.querySelector("p").textContent) && [...document.querySelectorAll("video")].filter(v => v.videoWidth > 0).length === 2`)
	}
	if err := chromedp.Do(ann, chromedp.Evaluate[chromedp.Void](`document.querySelector("button").click()`)); err != nil {
		t.Fatal(err)
	}
	browser.Until(t, ann, "muted", `document.querySelector("button").textContent === "Unmute"`)
	if err := chromedp.Do(bob, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	browser.Until(t, ann, "the other has gone", `document.querySelectorAll("video").length === 1`)
}
