package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// captured notes every track that the page captures. The test may hold captures back with
// window.hold, a promise, and refuse them with window.refuse, which returns the error.
const captured = `
window.captured = [];
for (const name of ["getUserMedia", "getDisplayMedia"]) {
  const real = navigator.mediaDevices[name].bind(navigator.mediaDevices);
  navigator.mediaDevices[name] = async (c) => {
    await window.hold;
    const refused = window.refuse?.(name, c);
    if (refused) throw refused;
    const stream = await real(c);
    for (const track of stream.getTracks()) window.captured.push({ name, track });
    return stream;
  };
}
window.live = (name, kind) => window.captured.filter(c => c.name === name && c.track.kind === kind && c.track.readyState === "live").map(c => c.track);`

// held makes captures wait until the test calls window.go.
const held = `window.hold = new Promise(done => { window.go = done; });`

// Whoever joins while the browser still asks for the camera is seen and heard when it opens,
// however late that is, and sees and hears others all the while.
func TestLateMedia(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", captured, held)
	bob.until("the page says what it waits for", shows("#preview-hint", "may ask for permission"))
	bob.meet("garden")
	bob.sees(1)
	ann.until("Bob is there without a picture", `document.querySelector(".tile.dark:not([data-key=self])")`)
	bob.eval(`window.go()`)
	ann.seesAndHears()
	ann.until("Bob has a picture", `!document.querySelector(".tile.dark:not([data-key=self])")`)
	ann.until("nobody is muted", `!document.querySelector("[title=Muted]")`)
}

// Cameras and microphones that go away, return, are busy or turned off: others see and hear
// what can be had, and people are told the rest.
func TestDevicesThatFail(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", captured)
	bob.meet("garden")
	ann.sees(1)
	bob.sees(1)
	sent := func(kind string) string {
		return fmt.Sprintf(`window.peers.at(-1).getSenders().map(s => s.track).find(t => t?.kind === %q)`, kind)
	}

	t.Run("a device is pulled out", func(t *testing.T) {
		bob.eval(`window.before = ` + sent("audio") + `; before.stop(); before.dispatchEvent(new Event("ended"))`)
		bob.until("another one is sent", sent("audio")+`?.readyState === "live" && `+sent("audio")+` !== window.before`)
		bob.until("Bob is told", shows("#notices", "Microphone: disconnected"))
		ann.seesAndHears()
	})
	t.Run("the last device is pulled out, and comes back", func(t *testing.T) {
		bob.eval(`window.refuse = (name, c) => c.audio && new DOMException("", "NotFoundError");
  { const t = ` + sent("audio") + `; t.stop(); t.dispatchEvent(new Event("ended")); }`)
		bob.until("the button says so", `document.querySelector("#mute").classList.contains("broken") && document.querySelector("#mute").ariaPressed === "true"`)
		ann.until("others see that Bob can't be heard", `document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
		bob.eval(`window.refuse = undefined; navigator.mediaDevices.dispatchEvent(new Event("devicechange"))`)
		bob.until("it is used again", sent("audio")+`?.readyState === "live"`)
		ann.seesAndHears()
	})
	t.Run("a device that is busy is chosen", func(t *testing.T) {
		bob.eval(`window.refuse = (name, c) => c.video?.deviceId?.exact && new DOMException("", "NotReadableError");
  { const list = document.querySelector("[data-device=videoinput]"); list.append(new Option("busy", "busy")); list.value = "busy"; list.dispatchEvent(new Event("change")); }`)
		bob.until("Bob is told", shows("#notices", "in use by another program"))
		bob.until("it is not remembered", `!(localStorage.getItem("parley.devices") ?? "").includes("busy")`)
		bob.eval(`window.refuse = undefined`)
		ann.seesAndHears()
	})
	t.Run("two devices are chosen at once", func(t *testing.T) {
		bob.eval(`for (let i = 0; i < 3; i++) document.querySelector("[data-device=videoinput]").dispatchEvent(new Event("change"))`)
		bob.until("one camera is on, and it is sent", `live("getUserMedia", "video").length === 1 && live("getUserMedia", "video")[0] === `+sent("video"))
		ann.seesAndHears()
	})
	t.Run("the camera is turned off", func(t *testing.T) {
		bob.click("#camera")
		bob.until("its lamp is off", `live("getUserMedia", "video").length === 0`)
		ann.until("others see that", `document.querySelector(".tile.dark:not([data-key=self]) .badge[title='Camera off']")`)
		bob.click("#camera")
		ann.seesAndHears()
		ann.until("it is back", `!document.querySelector(".tile.dark:not([data-key=self])")`)
	})
	t.Run("a phone call interrupts", func(t *testing.T) {
		bob.eval(`{ const t = ` + sent("audio") + `; Object.defineProperty(t, "muted", { value: true, configurable: true }); t.dispatchEvent(new Event("mute")); }`)
		ann.until("others see that Bob can't be heard", `document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
		bob.eval(`{ const t = ` + sent("audio") + `; delete t.muted; t.dispatchEvent(new Event("unmute")); }`)
		ann.until("Bob is back", `!document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
	})
	t.Run("after the meeting nothing is on", func(t *testing.T) {
		bob.click("#leave")
		bob.until("the page says what is next", shows("#left", "You left")+` && `+shows("#left", "Join again")+` && `+shows("#left", "New meeting"))
		bob.shoot("left")
		bob.until("all is closed", `live("getUserMedia", "audio").length + live("getUserMedia", "video").length === 0`)
		bob.click("#again")
		bob.inRoom()
		ann.seesAndHears()
	})
}

// A camera without a microphone is seen, and the page names what is missing.
func TestCameraAlone(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", captured, `window.refuse = (name, c) => c.audio && new DOMException("", "NotFoundError");`)
	ann.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	ann.until("the microphone is named", shows("#problem", "Microphone: none was found"))
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	bob.meet("garden")
	bob.sees(1)
}

// A screen is captured once, for as long as it is shared, and never after the meeting; the
// page says what went wrong.
func TestCaptures(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", captured)
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	bob.meet("garden")
	ann.sees(1)
	none := `live("getDisplayMedia", "video").length === 0`

	ann.eval(held + `undefined`)
	ann.press("s")
	ann.press("s")
	ann.press("s")
	ann.eval(`window.go()`)
	ann.until("one capture", `live("getDisplayMedia", "video").length === 1 && document.querySelector("#presenting").checkVisibility()`)
	ann.until("no hall of mirrors", `document.querySelectorAll(".tile").length === 2`)
	bob.until("it is large", `document.querySelector(".tile.large.screen")`)
	ann.until("text stays sharp, and the camera makes room", `(() => {
  const senders = window.peers.at(-1).getSenders().filter(s => s.track?.kind === "video");
  const screen = senders.find(s => s.track.contentHint === "detail"), camera = senders.find(s => s !== screen);
  const rate = (s) => s?.getParameters().encodings[0].maxBitrate;
  return screen?.getParameters().encodings[0].scaleResolutionDownBy === 1 && rate(camera) < 600_000 && rate(screen) > 1_500_000 && rate(camera) + rate(screen) <= 2_500_000;
})()`)
	ann.shoot("presenting")
	bob.shoot("presented")
	ann.click("#unshare")
	ann.until("nothing is captured any more", none)
	bob.until("the screen is gone", `!document.querySelector(".tile.screen")`)

	ann.eval(`window.refuse = (name, c) => name === "getDisplayMedia" && c.audio && new DOMException("Could not start audio source", "NotReadableError")`)
	ann.press("s")
	ann.until("it is shared without sound", `live("getDisplayMedia", "video").length === 1 && `+shows("#notices", "without its sound"))
	ann.press("s")
	ann.until("nothing is captured any more", none)
	ann.eval(`window.refuse = (name) => name === "getDisplayMedia" && new DOMException("Permission denied by system", "NotAllowedError")`)
	ann.press("s")
	ann.until("the page says what to do", shows("#notices", "privacy settings"))

	ann.eval(`window.refuse = undefined;` + held + `undefined`)
	ann.press("s")
	ann.click("#leave")
	ann.eval(`window.go()`)
	ann.until("the capture came", `window.captured.filter(c => c.name === "getDisplayMedia" && c.track.kind === "video").length === 3`)
	ann.until("and is closed", none)
}

// A call comes while somebody types: the cursor stays, what is typed is kept, and the call
// waits. It is told in the window's title too.
func TestCallDisturbsNobody(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", `window.tones = 0; { const start = OscillatorNode.prototype.start; OscillatorNode.prototype.start = function (...a) { window.tones++; start.apply(this, a); }; }`)
	ann.join("garden")
	bob.join("garden")
	bob.panel("chat")
	bob.until("the cursor is in the chat", `document.activeElement.id === "words"`)
	bob.do(chromedp.KeyEvent("half a sen"))
	ann.call("Bob")
	bob.until("it rings", shows("#incoming", "Ann is calling")+` && document.title.includes("Ann is calling") && window.tones > 0`)
	bob.do(chromedp.KeyEvent("tence and"))
	bob.until("all of it is there", `document.querySelector("#words").value === "half a sentence and" && document.activeElement.id === "words"`)
	bob.until("the call is not taken", `!document.querySelector("#incoming").hidden && window.peers.length === 0`)
	bob.click("#accept")
	ann.seesAndHears()
	bob.until("the title is as before", `document.title === "garden – parley"`)
}

// Members that come back under the same id, from a new window while the old one is still
// there, are seen and heard; the old window says why it is out.
func TestComesBack(t *testing.T) {
	secret := file(t, "the secret of these tests, longer than thirty-two bytes")
	d := parleyd.Start(t, "--auth-secret-file", secret)
	b := browser.Start(t)
	link := func(sub string) string {
		return "http://" + d.Address + "/#garden&token=" + output(t, "", "token", "--auth-secret-file", secret, "--room", "garden", "--sub", sub)
	}
	ann, bob := open(t, b, "Ann", link("ann")), open(t, b, "Bob", link("bob"))
	bob.until("the token is out of the address bar", `location.hash === "#garden"`)
	ann.meet("garden")
	bob.meet("garden")
	ann.sees(1)
	again := open(t, b, "Bob", link("bob"))
	again.meet("garden")
	bob.until("the old window says why", shows("#left", "from another window"))
	again.sees(1)
	ann.plays(1)
	ann.seesAndHears()
	again.do(chromedp.Reload())
	again.meet("garden") // with the token that was kept
	ann.seesAndHears()
}

// The page works where the browser blocks storage, and where what is stored is broken.
func TestStorageBlocked(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	for name, script := range map[string]string{
		"blocked": `for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get() { throw new DOMException("", "SecurityError"); } });`,
		"broken":  `localStorage.setItem("parley.devices", "{"); localStorage.setItem("parley.settings", "7"); localStorage.setItem("parley.language", "xx");`,
	} {
		w := open(t, b, name, "http://"+d.Address+"/#"+name, script)
		w.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
		w.meet(name)
		w.until("all is labeled", `document.querySelector("#leave").ariaLabel === "Leave"`)
	}
}

// While there is no place or no server one waits in the lobby, which says why, and may stop
// waiting; in the room nothing of it is left.
func TestWaitingInTheLobby(t *testing.T) {
	at := "127.0.0.1:" + process.FreePort(t)
	d := parleyd.StartAt(t, at, "--max-room-members", "1")
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+at+"/#garden")
	bob := open(t, b, "Bob", "http://"+at+"/#garden")
	ann.meet("garden")
	bob.submit()
	bob.until("Bob waits in the lobby", shows("#progress", "The meeting is full")+` && document.querySelector("#meeting").hidden`)
	bob.shoot("waiting")
	bob.click("#cancel")
	bob.until("Bob may try again", `document.querySelector("#join-button").checkVisibility() && document.querySelector("#progress").hidden`)
	bob.submit()
	ann.click("#leave")
	bob.inRoom()
	bob.until("nothing is left of it", `!document.querySelector("#notices").innerText && !document.querySelector("#progress").checkVisibility()`)

	d.Signal(syscall.SIGKILL)
	<-d.Exited()
	ann.click("#anew")
	ann.submitNew()
	ann.until("the server is away", shows("#progress", "can’t be reached"))
	ann.shoot("offline")
	parleyd.StartAt(t, at)
	ann.inRoom()
}

// submitNew presses Join of a meeting that was just named, or New meeting.
func (w *window) submitNew() {
	w.t.Helper()
	w.until("one can join", `(window.go = [document.querySelector("#join-button"), document.querySelector("#new")].find(b => b.checkVisibility()))`)
	w.eval(`window.go.click()`)
}

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
		say(fmt.Sprintf(`"message %d " + "x".repeat(1200)`, i))
	}
	bob.until("five are unread", `document.querySelector("#unread").textContent === "5" && document.title.startsWith("(5)")`)
	bob.until("three are shown, and not large", `document.querySelectorAll("#notices > div").length === 3 && document.querySelector("#notices").getBoundingClientRect().height < 300`)
	bob.until("they are within what is full screen", `document.querySelector("#meeting").contains(document.querySelector("#notices"))`)
	bob.eval(`document.querySelector("#notices button").click()`)
	bob.until("one is dismissed", `document.querySelectorAll("#notices > div").length === 2`)
	bob.panel("chat")
	bob.until("nothing is unread", `document.querySelector("#unread").hidden && document.title === "garden – parley"`)
	say(`"and look at https://example.org/a?b=c, please"`)
	bob.until("it is read in the chat", `document.querySelector(".said:last-child a")?.href === "https://example.org/a?b=c"`)
	bob.until("and nowhere else", `![...document.querySelectorAll("#notices p")].some(p => p.textContent.includes("please"))`)

	// A latecomer is told what was said.
	cid := open(t, ann.browser, "Cid", "http://"+d.Address+"/#garden")
	cid.meet("garden")
	cid.until("all of it", `document.querySelectorAll(".said").length === 6 && document.querySelector(".said .who").textContent === "Ann"`)
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
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", `
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
	bob.click("#leave")
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
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden")
	ann.meet("garden")
	ann.eval(`document.querySelector("#show-chat").focus(); document.querySelector("#show-chat").click()`)
	ann.until("the cursor is in the chat", `document.activeElement.id === "words"`)
	ann.do(chromedp.KeyEvent("\u001b"))
	ann.until("the panel is closed and the focus is back", `document.querySelector("#chat").hidden && document.activeElement.id === "show-chat"`)
	ann.key("ArrowRight")
	ann.until("the next button", `document.activeElement.id === "show-people"`)
	ann.key("ArrowLeft")
	ann.until("and back", `document.activeElement.id === "show-chat"`)
	ann.press("?")
	ann.click("#letters")
	ann.eval(`document.querySelector("#help").close()`)
	ann.press("m")
	ann.press("c")
	ann.until("letters do nothing", `document.querySelector("#mute").ariaPressed === "false" && document.querySelector("#chat").hidden`)
}

// key presses a key where the focus is.
func (w *window) key(name string) {
	w.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{"keyDown", "keyUp"} {
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: name, Code: name})
	}
}
