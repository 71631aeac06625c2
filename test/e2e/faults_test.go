package e2e

import (
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/network"
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
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", `window.tones = 0; window.notified = [];
window.Notification = class { static permission = "granted"; constructor(text) { notified.push(this); this.text = text; } close() { this.closed = true; } };
localStorage.setItem("parley.settings", "{}");
Object.defineProperty(document, "hidden", { get: () => window.away === true });
{ const start = OscillatorNode.prototype.start; OscillatorNode.prototype.start = function (...a) { window.tones++; start.apply(this, a); }; }`)
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
	bob.do(chromedp.EmulateViewport(390, 844))
	bob.until("it is seen on a phone, over the chat", `(() => {
  const { left, top, width, height } = document.querySelector("#accept").getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height / 2)?.id === "accept";
})()`)
	bob.click("#accept")
	ann.seesAndHears()
	bob.until("the title is as before", `document.title === "garden – parley"`)
	bob.until("the page was looked at", `notified.length === 0`)

	// One that comes while the page is not looked at is told by the system, and makes no sound if
	// that is turned off. Its end moves the cursor to nothing that a key would press.
	bob.eval(`document.querySelector("#hangup").click(); window.away = true; document.querySelector("#sounds").click()`)
	ann.until("it is over", noCall)
	bob.eval(`window.tones = 0`)
	ann.call("Bob")
	bob.until("the system tells", `notified.length === 1 && notified[0].text === "Ann is calling"`)
	bob.eval(`document.querySelector("#accept").focus()`)
	ann.click("#hangup")
	bob.until("and no more", `document.querySelector("#incoming").hidden && notified[0].closed`)
	bob.until("no sound was made", `window.tones === 0`)
	bob.until("a key presses nothing", `document.activeElement.id === "tiles"`)
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
	// An invitation that is pasted is as good as one that is followed.
	cid := open(t, b, "Cid", "http://"+d.Address+"/")
	cid.meet(link("cid"))
	cid.until("the token is not in the address bar", `location.hash === "#garden"`)
	cid.until("and one that is typed without its scheme", `(await import("./link.js")).followInvitation(location.host + "/#kitchen") === "kitchen"`)
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
	bob.key("Enter")
	bob.until("another Enter changes nothing", `document.activeElement.id === "progress" && document.querySelector("#progress").checkVisibility()`)
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
	// The page loads its modules for the meeting as soon as it can.
	cid := open(t, b, "Cid", "about:blank")
	call(cid, network.Enable, network.EnableParams{})
	block := func(is bool) {
		call(cid, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/visit.js*", Block: is}}})
	}
	block(true)
	parleyd.StartAt(t, at)
	ann.inRoom()
	ann.click("#leave")
	cid.do(chromedp.Navigate("http://" + at + "/#garden"))
	cid.submit()
	cid.until("a part is missing", shows("#progress", "Trying again"))
	block(false)
	cid.inRoom()
}

// submitNew presses Join of a meeting that was just named, or New meeting.
func (w *window) submitNew() {
	w.t.Helper()
	w.until("one can join", `(window.go = [document.querySelector("#join-button"), document.querySelector("#new")].find(b => b.checkVisibility()))`)
	w.eval(`window.go.click()`)
}
