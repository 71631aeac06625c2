package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m) }

// poll is how often a window is asked whether something is so.
const poll = 50 * time.Millisecond

// window is a person's window, with storage of its own.
type window struct {
	t       *testing.T
	name    string
	browser context.Context // that the window belongs to
	ctx     context.Context
	// patience is how long until waits.
	patience time.Duration
}

// watch notes every peer connection that the page makes, for its statistics, and
// what the page warns of.
const watch = `
window.peers = [];
window.warnings = [];
console.warn = (...args) => window.warnings.push(args.join(" "));
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...args) { super(...args); window.peers.push(this); }
};`

// open opens a window for a person at an address. The scripts run in it before the
// page's own.
func open(t *testing.T, browser context.Context, name, url string, scripts ...string) *window {
	t.Helper()
	w := &window{t: t, name: name, browser: browser, patience: 2 * parleyd.Patience}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("%s: the page threw: %s", name, e.ExceptionDetails.Text)
		case *inspector.EventTargetCrashed:
			t.Errorf("%s: the window crashed", name)
		}
	}))
	t.Cleanup(cancel)
	w.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // the window lives as long as this context
		t.Fatal(err)
	}
	call(w, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch + strings.Join(scripts, "\n")})
	w.do(chromedp.Navigate(url))
	return w
}

// do does things in the window, in bounded time.
func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, parleyd.Patience)
	defer cancel()
	w.check(chromedp.Do(ctx, steps...))
}

// call sends the browser a command of its protocol.
func call[P, R any](w *window, command cdp.Command[P, R], params P) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, parleyd.Patience)
	defer cancel()
	_, err := chromedp.Call(ctx, command, params)
	w.check(err)
}

// others is the tiles of the others.
const others = `[...document.querySelectorAll(".tile:not([data-key^=self])")]`

// sees waits until so many others are shown and connected, and all of their pictures
// play.
func (w *window) sees(n int) {
	w.t.Helper()
	w.plays(n)
	w.until("all are connected", fmt.Sprintf(`window.peers.filter(p => p.connectionState === "connected").length === %d`, n))
}

// plays waits until there are so many tiles of others, and each of their pictures has gone on
// since then. A slow machine shows them one after the other.
func (w *window) plays(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d tiles", n), fmt.Sprintf(`%s.length === %d && (window.shown = new WeakMap())`, others, n))
	w.until("all of them play", others+`.map(tile => tile.querySelector("video")).map(v => {
  const frames = v.videoWidth > 0 ? v.getVideoPlaybackQuality().totalVideoFrames : 0;
  if (!shown.has(v) || frames < shown.get(v)) shown.set(v, frames);
  return frames > shown.get(v);
}).every(plays => plays)`)
}

func (w *window) check(err error) {
	w.t.Helper()
	if err != nil {
		w.shoot("failed-" + w.name)
		w.t.Fatalf("%s: %v", w.name, err)
	}
}

// eval runs JavaScript in the page.
func (w *window) eval(script string) {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
}

// value evaluates an expression and returns what it, or its promise, is.
func (w *window) value(expression string, to *string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, parleyd.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	w.check(err)
	*to = v
}

// press presses a key, wherever the focus is.
func (w *window) press(key string) {
	w.t.Helper()
	w.eval(fmt.Sprintf(`(document.activeElement ?? document.body).blur?.(), dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true}))`, key))
}

// until waits for a JavaScript expression to be true.
func (w *window) until(what, expression string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, w.patience)
	defer cancel()
	wrapped := fmt.Sprintf("(async () => !!(%s))()", expression)
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wrapped, chromedp.EvalAwaitPromise))
		if is {
			return
		}
		if ctx.Err() != nil {
			w.shoot("failed-" + w.name)
			w.t.Fatalf("%s: not in time: %s (%v)\n%s", w.name, what, err, w.state())
		}
		time.Sleep(poll)
	}
}

// state says how the peer connections are, and what the page has warned of.
func (w *window) state() string {
	ctx, cancel := context.WithTimeout(w.ctx, parleyd.Patience)
	defer cancel()
	state, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify({
  peers: window.peers.map(p => [p.signalingState, p.iceGatheringState, p.iceConnectionState, p.connectionState,
    p.localDescription?.type, p.remoteDescription?.type, (p.remoteDescription?.sdp.match(/a=candidate/g) ?? []).length]),
  warnings: window.warnings,
})`))
	return fmt.Sprint(state, err)
}

// text is a JavaScript expression for what an element shows.
func text(selector string) string {
	return fmt.Sprintf("document.querySelector(%q).innerText", selector)
}

func shows(selector, words string) string {
	return fmt.Sprintf("%s.includes(%q)", text(selector), words)
}

// click presses an element, after the pointer has come there.
func (w *window) click(selector string) {
	w.t.Helper()
	w.eval(`dispatchEvent(new Event("pointermove"))`)
	w.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// shoot saves a screenshot where ARTIFACTS says, if it does.
func (w *window) shoot(name string) {
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, parleyd.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Logf("screenshot: %v", err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		w.t.Log(err)
	}
}

// join enters a room to call just one.
func (w *window) join(room string) {
	w.t.Helper()
	w.enter(room, "one")
}

// meet enters a room to meet all who do.
func (w *window) meet(room string) {
	w.t.Helper()
	w.enter(room, "meet")
}

// enter fills the form and waits to be in the room.
func (w *window) enter(room, mode string) {
	w.t.Helper()
	w.until("the form is there", `document.querySelector("#nickname")?.checkVisibility()`)
	w.eval(fmt.Sprintf(`document.querySelector("#nickname").value = %q`, w.name))
	w.eval(fmt.Sprintf(`document.querySelector("#quiet").checked = %v`, mode == "one"))
	w.eval(fmt.Sprintf(`document.querySelector("#room").value = %q`, room))
	w.submit()
	w.inRoom()
}

// submit presses Join.
func (w *window) submit() {
	w.t.Helper()
	w.until("Join is there", `(window.submit = [...document.querySelectorAll("#join button[type=submit]")].find(b => b.checkVisibility() && !b.disabled))`)
	w.eval(`window.submit.click()`)
}

func (w *window) inRoom() {
	w.t.Helper()
	w.until("in the room", `["joined", "call"].includes(document.querySelector("#state").dataset.state)`)
}

// panel shows one of the panels, or none.
func (w *window) panel(name string) {
	w.t.Helper()
	w.eval(fmt.Sprintf(`for (const p of ["people", "chat", "advanced"]) {
  if (!document.querySelector("#" + p).hidden !== (p === %q)) document.querySelector("#show-" + p).click();
}`, name))
}

// callRow is an expression for the line of a member in the list.
func callRow(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#members li")].find(li => li.textContent.includes(%q))`, name)
}

// callButton is an expression for the button that calls the member with this nickname.
func callButton(name string) string {
	return callRow(name) + `?.querySelector("button.call")`
}

// call presses Call beside the member with this nickname.
func (w *window) call(name string) {
	w.t.Helper()
	w.panel("people")
	w.until(name+" is listed", callButton(name))
	w.eval(callButton(name) + ".click()")
}

// Expressions for what a call brings. Each counts from the first peer connection
// that is open.
const (
	statistics = `(async () => {
  const pc = window.peers.findLast(p => p.connectionState !== "closed");
  const found = {frames: 0, energy: 0, packets: 0};
  if (pc) for (const s of (await pc.getStats()).values()) {
    if (s.type === "inbound-rtp" && s.kind === "video") found.frames += s.framesDecoded ?? 0;
    if (s.type === "inbound-rtp" && s.kind === "audio") found.energy += s.totalAudioEnergy ?? 0;
    if (s.type === "inbound-rtp" && s.kind === "audio") found.packets += s.packetsReceived ?? 0;
  }
  return found;
})()`
	noCall = `window.peers.every(p => p.connectionState === "closed")`
)

// seesAndHears waits until more of the other's picture and voice has come than
// there was.
func (w *window) seesAndHears() {
	w.t.Helper()
	w.until("a first look", `(window.before = await `+statistics+`, true)`)
	w.until("frames are decoded", `(await `+statistics+`).frames > window.before.frames + 5`)
	w.until("sound is heard", `(await `+statistics+`).energy > window.before.energy`)
	w.until("the picture is shown", `[...document.querySelectorAll(".tile:not([data-key^=self]) video")].some(v => v.videoWidth > 0)`)
}
