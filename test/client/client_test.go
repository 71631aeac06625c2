// Package client tests the client module: in Node, as a package, and its examples in
// a browser.
package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m) }

// module is the folder of the client module.
var module = filepath.Join("..", "..", "web", "client")

// It works in Node, over connections that break, with a server that is played, and in calls with
// a WebRTC implementation of npm's.
func TestNode(t *testing.T) {
	d := parleyd.Start(t)
	wrtc := npm.Install(t, "@roamhq/wrtc@0.10.0")
	tests, err := filepath.Glob("*.test.mjs")
	if err != nil || len(tests) < 4 {
		t.Fatal(tests, err)
	}
	node := exec.Command("node", append([]string{"--experimental-websocket", "--no-warnings", "--test-timeout=60000", "--test", "--test-reporter=tap"}, tests...)...)
	node.Env = append(os.Environ(), "PARLEY_URL=ws://"+d.Address+"/ws", "PARLEY_WRTC="+filepath.Join(wrtc, "node_modules"))
	if out, err := node.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// It packs to a package with declarations, which TypeScript takes.
func TestPackage(t *testing.T) {
	typescript := npm.Install(t, "typescript@7.0.2")
	dir := t.TempDir()
	web := filepath.Join(dir, "web")
	if err := os.CopyFS(filepath.Join(web, "client"), os.DirFS(module)); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(module, "..", "tsconfig.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(web, "tsconfig.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(typescript, "node_modules", ".bin")
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	packed := run(filepath.Join(web, "client"), "npm", "pack", "--pack-destination", dir)
	for _, file := range []string{"index.js", "types/index.d.ts", "examples/video.js", "README.md"} {
		if !strings.Contains(packed, file) {
			t.Errorf("the package lacks %s:\n%s", file, packed)
		}
	}
	archives, _ := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if len(archives) != 1 {
		t.Fatalf("packed to %v", archives)
	}
	user := filepath.Join(dir, "user")
	if err := os.Mkdir(user, 0o755); err != nil {
		t.Fatal(err)
	}
	program := `import { join, type Room, type PeerState } from "parley-client";
const room: Room = await join("ws://x/ws", "r", { name: "n" });
room.on("peer", (peer) => { const s: PeerState = peer.state; peer.on("track", ({ track }) => track.stop()); void s; });
// @ts-expect-error there is no such event
room.on("nothing", () => {});
`
	if err := os.WriteFile(filepath.Join(user, "program.mts"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	run(user, "npm", "install", "--no-audit", "--no-fund", archives[0])
	run(user, filepath.Join(bin, "tsc"), "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2024,dom,dom.iterable", "program.mts")
}

// most is the size of the module, minified and compressed, in bytes.
const most = 13_000

func TestSize(t *testing.T) {
	esbuild := filepath.Join(npm.Install(t, "esbuild@0.28.2"), "node_modules", ".bin", "esbuild")
	out, err := exec.Command(esbuild, "--bundle", "--minify", "--format=esm", filepath.Join(module, "index.js")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	_, _ = z.Write(out)
	_ = z.Close()
	t.Logf("%d bytes minified, %d compressed", len(out), packed.Len())
	if packed.Len() >= most {
		t.Errorf("%d bytes, and at most %d should be", packed.Len(), most)
	}
}

// examples serves the examples, and the daemon for all else.
func examples(t *testing.T) string {
	t.Helper()
	d := parleyd.Start(t)
	backend := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: d.Address})
		r.Out.Host = r.In.Host // the daemon compares the page's origin with it
	}}
	mux := http.NewServeMux()
	mux.Handle("/", backend)
	mux.Handle("/examples/", http.StripPrefix("/examples/", http.FileServer(http.Dir(filepath.Join(module, "examples")))))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/examples/"
}

// until waits for an expression to be true in a window.
func until(t *testing.T, ctx context.Context, what, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, parleyd.Patience)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(async () => !!(`+expression+`))()`, chromedp.EvalAwaitPromise))
		if is {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("not in time: %s (%v)", what, err)
		}
		_ = chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`new Promise(done => setTimeout(done, 50))`, chromedp.EvalAwaitPromise))
	}
}

func window(t *testing.T, b context.Context, url string) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// The example of a call makes one, with three.
func TestVideoExample(t *testing.T) {
	address := examples(t)
	b := browser.Start(t)
	var windows []context.Context
	for range 3 {
		windows = append(windows, window(t, b, address+"video.html"))
	}
	for _, w := range windows {
		until(t, w, "all pictures play", `document.querySelectorAll("video").length === 3 && [...document.querySelectorAll("video")].every(v => v.videoWidth > 0 && v.currentTime > 0)`)
	}
	if err := chromedp.Do(windows[2], chromedp.Evaluate[chromedp.Void](`document.querySelector("#leave").click()`)); err != nil {
		t.Fatal(err)
	}
	until(t, windows[0], "one has left", `document.querySelectorAll("video").length === 2`)
}

// The example of a game shows the other's moves.
func TestGameExample(t *testing.T) {
	address := examples(t)
	b := browser.Start(t)
	one, two := window(t, b, address+"game.html"), window(t, b, address+"game.html")
	for _, w := range []context.Context{one, two} {
		move := `setInterval(() => document.querySelector("#field")?.dispatchEvent(new PointerEvent("pointermove", {clientX: 50, clientY: 60})), 100)`
		if err := chromedp.Do(w, chromedp.Evaluate[chromedp.Void](move)); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []context.Context{one, two} {
		until(t, w, "a move of the other is shown", `document.querySelectorAll(".dot").length === 2 && [...document.querySelectorAll(".dot")].every(d => d.style.translate !== "")`)
	}
}
