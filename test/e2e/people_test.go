package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// Notices are few, go when they are dismissed, and keep silent about what is on the screen;
// what is unread is counted. They are seen in full screen.
func TestNotices(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann, bob := all[0], all[1]
	ann.sees(1)
	say := func(words string) {
		ann.eval(fmt.Sprintf(`document.querySelector("#words").value = %s; document.querySelector("#chat-form").requestSubmit()`, words))
	}
	for i := range 5 {
		say(fmt.Sprintf(`"message %d " + "x".repeat(3000)`, i))
	}
	bob.until("five are unread", `document.querySelector("#unread").textContent === "5" && document.title.startsWith("(5)")`)
	bob.until("three are shown, and not large", `document.querySelectorAll("#notices > div").length === 3 && document.querySelector("#notices").getBoundingClientRect().height < 300`)
	bob.eval(`(async () => { (await import("./state.js")).notice("something failed", "error"); })()`)
	for i := range 3 {
		say(fmt.Sprintf(`"and %d"`, i))
	}
	bob.until("an error gives way to no message", shows("#notices", "something failed")+` && document.querySelector("#unread").textContent === "8"`)
	bob.eval(`document.querySelector("#show-help").click()`)
	bob.until("they are seen and pressed over a dialog", `(() => {
  const { left, top, width, height } = document.querySelector("#notices button").getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height / 2)?.closest("#notices button");
})()`)
	bob.eval(`document.querySelector("#help").close()`)
	bob.until("and after it", `document.querySelector("#notices").parentElement === document.body`)
	bob.eval(`document.querySelector("#notices button").click()`)
	bob.until("one is dismissed", `document.querySelectorAll("#notices > div").length === 2`)
	bob.eval(`window.away = true; Object.defineProperty(document, "hidden", { get: () => window.away });
  window.real = window.setTimeout; window.setTimeout = (f, ms) => real(f, ms === 6000 ? 0 : ms);
  (async () => { (await import("./state.js")).notice("nobody looks"); await new Promise(done => real(done, 100)); })()`)
	bob.until("what nobody could see stays", shows("#notices", "nobody looks"))
	bob.eval(`window.away = false; document.dispatchEvent(new Event("visibilitychange"))`)
	bob.until("until it was seen", `!`+shows("#notices", "nobody looks"))
	bob.panel("chat")
	bob.until("what stands there is told no more", `![...document.querySelectorAll("#notices p")].some(p => p.textContent.startsWith("Ann: "))`)
	bob.eval(`window.first = document.querySelector(".said")`)
	bob.until("nothing is unread", `document.querySelector("#unread").hidden && document.title === "garden – parley"`)
	say(`"and look at https://example.org/a?b=c, please"`)
	bob.until("it is read in the chat", `document.querySelector(".said:last-child a")?.href === "https://example.org/a?b=c"`)
	bob.until("and what was there is not drawn anew", `window.first.isConnected && document.querySelector(".said") === window.first`)
	bob.until("and nowhere else", `![...document.querySelectorAll("#notices p")].some(p => p.textContent.includes("please"))`)

	// A latecomer is told what was said.
	cid := open(t, ann.browser, "Cid", "http://"+d.Address+"/#garden")
	cid.meet("garden")
	cid.until("all of it", `document.querySelectorAll(".said").length === 9 && document.querySelector(".said .who").textContent === "Ann"`)
	cid.until("and it is not unread", `document.querySelector("#unread").hidden`)
}

// Files can be dropped and pasted, tell how far they are, and can be broken off at both ends.
func TestFilesBrokenOff(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann, bob := all[0], all[1]
	ann.sees(1)
	bob.sees(1)
	bob.panel("chat")
	offer := `{
  const list = new DataTransfer();
  list.items.add(new File([new Uint8Array(150_000_000)], "large.bin"));
  const type = %q, target = document.querySelector(%q);
  target.dispatchEvent(type === "drop" ? new DragEvent(type, { dataTransfer: list, bubbles: true, cancelable: true }) : new ClipboardEvent(type, { clipboardData: list, bubbles: true, cancelable: true }));
}`
	last := func(w *window, words string) string {
		return fmt.Sprintf(`document.querySelector(".transfer:last-child")?.innerText.includes(%q)`, words)
	}
	for i, c := range []struct {
		event, target   string
		stops, stopping *window
	}{{"drop", "#meeting", ann, bob}, {"paste", "#words", bob, ann}} {
		ann.eval(fmt.Sprintf(offer, c.event, c.target))
		bob.until("it is offered", fmt.Sprintf(`document.querySelectorAll(".transfer").length === %d && `, i+1)+last(bob, "Ann sends large.bin (150 MB)"))
		bob.eval(`document.querySelector(".transfer:last-child .primary").click()`)
		ann.until("it is on its way", `/\d %.*B\/s/.test(document.querySelector(".transfer:last-child").innerText)`)
		c.stops.eval(`[...document.querySelectorAll(".transfer:last-child button")].find(b => b.textContent === "Cancel").click()`)
		c.stops.until("it is canceled", last(c.stops, "Canceled"))
		c.stopping.until("the other end knows", last(c.stopping, "Failed"))
	}
}

// Whoever records is known to all; a window with a recording is not closed unasked.
func TestRecordingIsTold(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann, bob := all[0], all[1]
	ann.sees(1)
	ann.eval(`URL.createObjectURL = () => "#"; document.querySelector("#record").click()`)
	for _, w := range all {
		w.until("there is a sign", `document.querySelector("#recording").checkVisibility()`)
	}
	bob.until("Bob is told who", shows("#notices", "Ann is recording")+` && document.querySelector(".tile:not([data-key=self]) [title=Recording]")`)
	bob.shoot("recording")
	ann.until("the window asks before it closes", `!dispatchEvent(new Event("beforeunload", { cancelable: true }))`)
	ann.eval(`document.querySelector("#record").click()`)
	bob.until("the sign is gone", `document.querySelector("#recording").hidden`)
	ann.until("the window may close", `dispatchEvent(new Event("beforeunload", { cancelable: true }))`)
}

// The phone's screen stays on in a meeting and not after it; sound that the browser holds back
// is offered.
func TestPhones(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", captured+`
Object.defineProperty(navigator, "maxTouchPoints", { get: () => 5 });
{
  const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
  navigator.mediaDevices.enumerateDevices = async () => [...await list(), { kind: "videoinput", deviceId: "back", groupId: "", label: "back" }];
}
window.locks = [];
Object.defineProperty(navigator, "wakeLock", { value: { request: async (kind) => {
  const lock = { kind, released: false, release() { lock.released = true; } };
  window.locks.push(lock);
  return lock;
} } });
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { return window.tapped || this.muted ? play.call(this) : Promise.reject(new DOMException("", "NotAllowedError")); };`)
	bob.meet("garden")
	bob.until("the screen stays on", `window.locks.length === 1 && locks[0].kind === "screen" && !locks[0].released`)
	bob.eval(`locks[0].released = true; document.dispatchEvent(new Event("visibilitychange"))`)
	bob.until("and does so again after a while away", `window.locks.length === 2 && !locks[1].released`)
	bob.until("sound is offered", `document.querySelector("#tap").checkVisibility()`)
	bob.eval(`window.tapped = true`)
	bob.click("#tap")
	bob.until("it plays", `!document.querySelector("#tap").checkVisibility()`)

	bob.eval(`window.facing = []; window.refuse = (name, c) => void window.facing.push(c.video?.facingMode?.ideal)`)
	bob.click("#flip")
	bob.until("the camera on the other side is asked for", `window.facing.at(-1) === "environment"`)
	bob.eval(`document.querySelector("#record").click()`)
	bob.until("it is recorded", `document.querySelector("#recording").checkVisibility()`)
	const out = `[...document.querySelectorAll("#controls > *, #controls .round, #recording")].filter(e => e.checkVisibility()).filter(e => {
  const { left, right, width, height } = e.getBoundingClientRect();
  return left < 0 || right > innerWidth || width < 24 || height < 24;
}).map(e => e.id).join()`
	for _, width := range []int64{320, 360, 390, 640, 844} {
		for _, panel := range []string{"", "chat"} {
			bob.do(chromedp.EmulateViewport(width, 640))
			bob.panel(panel)
			bob.eval(`document.querySelector("#hangup").hidden = false`)
			var wide string
			bob.value(out, &wide)
			if wide != "" {
				t.Errorf("%d px, panel %q: out of the window or small: %s", width, panel, wide)
			}
			bob.until("the microphone, the way out and the sign are on top", `["mute", "leave", "recording"].every(id => {
  const { left, top, width, height } = document.getElementById(id).getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height / 2)?.closest("#" + id);
})`)
		}
	}
	bob.eval(`URL.createObjectURL = () => "#"; document.querySelector("#record").click()`)
	bob.panel("")

	// A touch that wakes the controls presses none of them; the next one does.
	call(bob, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true, MaxTouchPoints: 5})
	bob.eval(`document.activeElement.blur(); document.querySelector("#meeting").dataset.idle = ""`)
	bob.until("the controls have faded", `getComputedStyle(document.querySelector("#controls")).opacity === "0"`)
	bob.tap("#leave")
	bob.until("they are awake", `!("idle" in document.querySelector("#meeting").dataset) && getComputedStyle(document.querySelector("#controls")).opacity === "1"`)
	bob.until("Bob is still there", `document.body.dataset.phase === "meeting"`)
	bob.tap("#mute")
	bob.until("now they work", `document.querySelector("#mute").ariaPressed === "true"`)
	bob.tap("#leave")
	bob.until("the screen may go dark", `window.locks.every(l => l.released)`)
}

// People have names, not ids; hands stand in the order in which they were raised; both ends of
// a call see the same code.
func TestPeople(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	var all []*window
	for range 3 {
		w := open(t, b, "", "http://"+d.Address+"/#garden")
		w.meet("garden")
		all = append(all, w)
	}
	for _, w := range all {
		w.sees(2)
		w.panel("people")
		w.until("three guests", `[...document.querySelectorAll("#members bdi")].map(e => e.textContent).sort().join() === "Guest 1,Guest 2,Guest 3"`)
		w.until("no ids", `!/[A-Z2-7]{26}/.test(document.body.innerText)`)
	}
	all[2].click("#hand")
	all[0].until("the first hand", `document.querySelector("#members li .raised")?.textContent === "1"`)
	all[1].click("#hand")
	for _, w := range all {
		w.until("in order", `[...document.querySelectorAll("#members .raised")].map(e => e.textContent).join() === "1,2" &&
  [...document.querySelectorAll("#members li")].map(e => e.querySelector("bdi").textContent).slice(0, 2).join() === "Guest 3,Guest 2"`)
	}
	all[0].shoot("hands")
	all[0].panel("")
	all[2].panel("")
	options := func(name string) string {
		return fmt.Sprintf(`[...document.querySelectorAll(".tile")].find(e => e.querySelector("bdi").textContent === %q).querySelector(".options").click()`, name)
	}
	all[0].eval(options("Guest 3"))
	all[2].eval(options("Guest 1"))
	var code string
	for _, w := range []*window{all[0], all[2]} {
		w.until("there is a code", `document.querySelector("#code-words").textContent.split(" ").length === 5`)
		var own string
		w.value(`document.querySelector("#code").textContent`, &own)
		if code != "" && own != code {
			t.Errorf("the codes are %s and %s", code, own)
		}
		code = own
	}
	all[0].shoot("verification")
}

// Letters are shortcuts only as long as people want that; Escape closes panels and gives the
// focus back; arrows go along the toolbar.
func TestKeysAreKept(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/")
	ann.until("the lobby", `document.querySelector("#new").checkVisibility()`)
	ann.eval(`document.querySelector("#nickname").focus()`)
	ann.do(chromedp.KeyEvent("\r")) // in the name's field
	ann.inRoom()
	ann.eval(`document.querySelector("#show-chat").focus(); document.querySelector("#show-chat").click()`)
	ann.until("the cursor is in the chat", `document.activeElement.id === "words"`)
	ann.do(chromedp.KeyEvent("\u001b"))
	ann.until("the panel is closed and the focus is back", `document.querySelector("#chat").hidden && document.activeElement.id === "show-chat"`)
	ann.key("ArrowRight")
	ann.until("the next button", `document.activeElement.id === "show-people"`)
	ann.key("ArrowLeft")
	ann.until("and back", `document.activeElement.id === "show-chat"`)
	ann.press("m")
	ann.until("muted", `document.querySelector("#mute").ariaPressed === "true"`)
	ann.eval(`document.querySelector("#tiles").focus()`)
	space := input.DispatchKeyEventParams{Type: "keyDown", Key: " ", Code: "Space"}
	call(ann, input.DispatchKeyEvent, space)
	ann.until("the space bar lets one talk", `document.querySelector("#mute").ariaPressed === "false"`)
	space.Type = "keyUp"
	call(ann, input.DispatchKeyEvent, space)
	ann.until("as long as it is held", `document.querySelector("#mute").ariaPressed === "true"`)
	ann.press("m")
	ann.press("?")
	ann.click("#letters")
	ann.eval(`document.querySelector("#help").close()`)
	ann.press("m")
	ann.press("c")
	ann.until("letters do nothing", `document.querySelector("#mute").ariaPressed === "false" && document.querySelector("#chat").hidden`)
}

// tap touches the middle of an element.
func (w *window) tap(selector string) {
	w.t.Helper()
	var at string
	w.value(fmt.Sprintf(`(() => { const { left, top, width, height } = document.querySelector(%q).getBoundingClientRect(); return (left + width / 2) + " " + (top + height / 2); })()`, selector), &at)
	point := &input.TouchPoint{}
	if _, err := fmt.Sscan(at, &point.X, &point.Y); err != nil {
		w.t.Fatal(err)
	}
	call(w, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: "touchStart", TouchPoints: []*input.TouchPoint{point}})
	call(w, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: "touchEnd", TouchPoints: []*input.TouchPoint{}})
}

// key presses a key where the focus is.
func (w *window) key(name string) {
	w.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{"keyDown", "keyUp"} {
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: name, Code: name})
	}
}
