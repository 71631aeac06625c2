package e2e

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// asks counts what the page asks the browser for, whatever the answer.
const asks = `
window.asked = [];
{
  const ask = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = (c) => (window.asked.push(c), ask.call(navigator.mediaDevices, c));
}`

// After a meeting no device is asked for, whatever was under way or happens to devices then.
func TestNothingIsAskedForAfterwards(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", captured, asks)
	ann.meet("garden")
	ann.until("the devices are open", `window.live("getUserMedia", "audio").length === 1 && live("getUserMedia", "video").length === 1`)
	ann.eval(`window.refuse = (name, c) => c.audio && new DOMException("", "NotFoundError");
  { const [t] = live("getUserMedia", "audio"); t.stop(); t.dispatchEvent(new Event("ended")); }`)
	ann.until("it is gone", `document.querySelector("#mute").classList.contains("broken")`)
	// One is being opened, and another waits for it.
	ann.eval(`window.refuse = undefined;` + held + `
  for (let i = 0; i < 2; i++) document.querySelector("[data-device=videoinput]").dispatchEvent(new Event("change"));`)
	ann.until("the camera is asked for", `window.asked.at(-1).video && !window.asked.at(-1).audio`)
	ann.click("#leave")
	ann.eval(`window.before = window.asked.length; window.go(); navigator.mediaDevices.dispatchEvent(new Event("devicechange"))`)
	ann.until("what was under way has ended", `await new Promise(done => setTimeout(() => done(true), 0)) && window.live("getUserMedia", "video").length === 0`)
	ann.until("the list was read again", `await navigator.mediaDevices.enumerateDevices().then(() => new Promise(done => setTimeout(() => done(true), 300)))`)
	ann.until("nothing was asked for", `window.asked.length === window.before`)
	ann.until("and nobody is told of errors", `!document.querySelector("#notices").innerText`)
}

// Whoever calls the one who calls has taken the call, and nothing rings any more.
func TestCallsBack(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	ann.join("garden")
	bob.join("garden")
	ann.do(chromedp.EmulateViewport(390, 844))
	ann.call("Bob")
	ann.until("on a phone the list does not hide the call", `document.querySelector("#people").hidden`)
	bob.until("it rings", shows("#incoming", "Ann is calling"))
	bob.call("Ann")
	ann.seesAndHears()
	bob.until("it rings no more", `document.querySelector("#incoming").hidden && document.title === "garden – parley"`)
	bob.until("nothing was missed", `!`+shows("#notices", "tried to call"))
}

// Whoever calls somebody in the meeting, and then joins it, meets all of them, once.
func TestMeetsWhileItRings(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	bob.meet("garden")
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	ann.join("garden")
	ann.call("Bob")
	bob.until("it rings", shows("#incoming", "Ann is calling"))
	ann.eval(`document.querySelector("#meet").click()`)
	for _, w := range []*window{ann, bob} {
		w.seesAndHears()
		w.until("nothing rings", `document.querySelector("#incoming").hidden`)
		w.until("there is one connection", `window.peers.filter(p => p.connectionState !== "closed").length === 1`)
	}
}

// Controls fade after a press as before it, and stay while the keyboard is on them; those that are
// seen can be touched.
func TestControlsFade(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	ann.meet("garden")
	ann.click("#mute") // the focus stays there
	call(ann, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: 400, Y: 300})
	const opacity = `getComputedStyle(document.querySelector("#controls")).opacity`
	ann.until("they fade", `document.activeElement.id === "mute" && "idle" in document.querySelector("#meeting").dataset && `+opacity+` === "0"`)
	ann.key("Tab")
	ann.until("the keyboard brings them back", opacity+` === "1"`)
	ann.eval(`document.querySelector("#meeting").dataset.idle = ""`)
	ann.until("and they stay", `document.activeElement.matches("#controls :focus-visible") && (await new Promise(done => setTimeout(done, 300)), `+opacity+` === "1")`)
}

// One that is turned on can be turned off while it opens.
func TestCameraTurnedOffWhileItOpens(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", captured)
	ann.meet("garden")
	ann.until("it is on", `live("getUserMedia", "video").length === 1`)
	ann.click("#camera")
	ann.until("it is off", `document.querySelector("#camera").ariaPressed === "true" && live("getUserMedia", "video").length === 0`)
	ann.eval(held + `undefined`)
	ann.click("#camera")
	ann.until("it counts as on", `document.querySelector("#camera").ariaPressed === "false"`)
	ann.click("#camera")
	ann.until("it counts as off", `document.querySelector("#camera").ariaPressed === "true"`)
	ann.eval(`window.go()`)
	ann.until("it was opened", `window.captured.filter(c => c.track.kind === "video").length === 2`)
	ann.until("and is off", `live("getUserMedia", "video").length === 0 && document.querySelector("#camera").ariaPressed === "true"`)
}

// A camera and a microphone that were refused at first open as others do.
func TestOpensAsOthers(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", captured, asks, `window.refuse = () => new DOMException("", "NotAllowedError");`)
	ann.until("it says why", shows("#problem", "Allow it"))
	ann.meet("garden")
	ann.eval(`window.refuse = undefined`)
	ann.click("#camera")
	ann.click("#mute")
	ann.until("both are on", `live("getUserMedia", "video").length === 1 && live("getUserMedia", "audio").length === 1`)
	ann.until("the camera is as large as ever", `live("getUserMedia", "video")[0].getSettings().height === 720`)
	ann.until("echoes are taken out", `window.asked.at(-1).audio.echoCancellation === true`)
}

// Several changes of devices at once take a device that is back once.
func TestDeviceIsTakenOnce(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", captured, asks)
	ann.meet("garden")
	ann.until("it is on", `live("getUserMedia", "audio").length === 1`)
	ann.eval(`window.refuse = (name, c) => c.audio && new DOMException("", "NotFoundError");
  { const [t] = live("getUserMedia", "audio"); t.stop(); t.dispatchEvent(new Event("ended")); }`)
	ann.until("it is gone", `document.querySelector("#mute").classList.contains("broken")`)
	ann.eval(`window.refuse = undefined; window.before = window.asked.length;
  for (let i = 0; i < 5; i++) navigator.mediaDevices.dispatchEvent(new Event("devicechange"))`)
	ann.until("it is back", shows("#notices", "connected again"))
	ann.until("all is done", `await new Promise(done => setTimeout(() => done(true), 300))`)
	ann.until("it was asked for once", `window.asked.length === window.before + 1`)
}

// Members who are in no call learn what was said before they came, from one who knows it, and so
// does whoever asks them. What is told through the server is bounded.
func TestHistoryWithoutCalls(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	enter := func(name string) *window {
		w := open(t, b, name, "http://"+d.Address+"/#garden")
		w.join("garden")
		return w
	}
	said := func(n int) string { return fmt.Sprintf(`document.querySelectorAll(".said").length === %d`, n) }
	ann := enter("Ann")
	ann.eval(`for (const words of ["one", "two"]) { document.querySelector("#words").value = words; document.querySelector("#chat-form").requestSubmit(); }`)
	bob := enter("Bob")
	bob.until("all of it, under the name of the one who said it", said(2)+` && document.querySelector(".said .who").textContent === "Ann"`)
	bob.until("and it is not unread", `document.querySelector("#unread").hidden`)
	bob.eval(`document.querySelector("#words").value = "three"; document.querySelector("#chat-form").requestSubmit()`)
	ann.until("a third", said(3))
	ann.click("#leave")
	bob.until("Ann has gone", `document.querySelectorAll("#members li").length === 1`)
	cid := enter("Cid")
	cid.until("what Bob was told, and what he said", said(3))
	dan := open(t, b, "Dan", "http://"+d.Address+"/#garden")
	dan.meet("garden")
	dan.until("one who meets, and meets nobody, too", said(3))

	dan.eval(`for (let i = 0; i < 40; i++) { document.querySelector("#words").value = i + "x".repeat(3000); document.querySelector("#chat-form").requestSubmit(); }`)
	for _, w := range []*window{bob, cid} {
		w.until("all is told", said(43))
	}
	for _, w := range []*window{bob, cid, dan} { // each piece takes its time
		w.eval(`(async () => {
  const { room } = (await import("./state.js")).state.visit, { send } = room;
  room.send = async (...a) => (await send.apply(room, a), a[0].history && await new Promise(done => setTimeout(done, 100)));
})()`)
	}
	eve := enter("Eve")
	eve.until("what was said last is there", said(12)+` && [...document.querySelectorAll(".said .what")].every((e, i) => e.textContent.startsWith(28 + i + "x"))`)
	var all string
	eve.value(`(async () => {
  const { state } = await import("./state.js");
  const history = state.visit.log.filter(e => !e.out && e.message.data?.history);
  return history.length + " pieces, " + (JSON.stringify(history.map(e => e.message)).length < 60_000) + ", " + history.filter(e => e.message.data.whole).length;
})()`, &all)
	if all != "4 pieces, true, 1" {
		t.Errorf("the history came in %s", all)
	}

	// Who asks all the time is answered a few times.
	eve.eval(`(async () => {
  const { room } = (await import("./state.js")).state.visit, bob = Object.keys(room.names).find(id => room.names[id] === "Bob");
  for (let i = 0; i < 40; i++) room.send({ ask: "history" }, bob);
})()`)
	bob.until("he is asked", `(await import("./state.js")).state.visit.log.filter(e => !e.out && e.message.data?.ask).length >= 40`)
	bob.value(`(async () => { // each answer begins with what was said last
  const { chat, log } = (await import("./state.js")).state.visit, { id } = chat.lines.at(-1);
  return String(log.filter(e => e.out && e.message.data?.history?.at(-1)?.id === id).length);
})()`, &all)
	if n, err := strconv.Atoi(all); err != nil || n < 1 || n > 15 {
		t.Errorf("he has answered %s times", all)
	}
}

// What is shown of somebody goes with them; what is written while nobody looks is unread; a
// recording that is stopped before it begins does not begin.
func TestWhileNobodyLooks(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob", "Cid")
	ann, bob, cid := all[0], all[1], all[2]
	for _, w := range all {
		w.sees(2)
	}
	ann.eval(`(async () => {
  const { change, state } = await import("./state.js");
  state.visit.meeting.speaker = "one who has left";
  change({ view: "speaker" });
})()`)
	ann.until("somebody is large though the last speaker has left", `document.querySelector(".tile.large")`)
	ann.panel("people")
	ann.until("Cid is listed", callRow("Cid"))
	ann.eval(callRow("Cid") + `.querySelector(".options").click()`)
	ann.until("what there is about Cid", `document.querySelector("#person").open`)
	cid.click("#leave")
	ann.until("it goes with Cid", `!document.querySelector("#person").open`)

	ann.panel("chat")
	ann.eval(`window.away = true; Object.defineProperty(document, "hidden", { get: () => window.away, configurable: true })`)
	bob.eval(`document.querySelector("#words").value = "hello"; document.querySelector("#chat-form").requestSubmit()`)
	ann.until("the title tells", `document.title.startsWith("(1)")`)
	ann.eval(`window.away = false; document.dispatchEvent(new Event("visibilitychange"))`)
	ann.until("until somebody looks", `!document.title.startsWith("(1)") && document.querySelector("#unread").hidden`)

	ann.eval(`{
  const real = window.fetch;
  window.fetch = async (...a) => (/webm/.test(a[0]) && await new Promise(go => { window.release = go; }), real(...a));
  document.querySelector("#record").click();
}`)
	ann.until("it is about to begin", `window.release`)
	ann.eval(`document.querySelector("#record").click(); window.release()`)
	ann.until("the part has come", `(await import("./load.js")).load("record.js").then(() => true)`)
	ann.until("nothing is recorded", `document.querySelector("#record").ariaPressed === "false" && document.querySelector("#recording").hidden`)
	ann.eval(`URL.createObjectURL = () => "#"; document.querySelector("#record").click()`)
	ann.until("the next one begins", `document.querySelector("#record").ariaPressed === "true"`)
}

// Of two changes the later one counts, whichever way is faster; a hand that was raised a while ago
// is seen by a newcomer, and is no news.
func TestStatesInOrder(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann, bob := all[0], all[1]
	ann.sees(1)
	bob.sees(1)
	ann.click("#hand")
	bob.until("Bob is told", shows("#notices", "Ann raised a hand"))
	// What has waited for the server comes late.
	ann.eval(`(async () => {
  const { state } = await import("./state.js");
  const [peer] = state.visit.room.peers.values(), { self } = state.visit.meeting;
  document.querySelector("#mute").click();
  window.late = () => state.visit.room.command({ type: "message", to: peer.id, data: { parley: "peer", data: { change: 0, state: { ...self, muted: false, hand: 0 } } } });
})()`)
	bob.until("Ann is muted", `document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
	ann.eval(`window.late()`)
	bob.until("it has come", `(await import("./state.js")).state.visit.log.some(e => !e.out && e.message.data?.data?.change === 0)`)
	bob.until("nothing is changed by that", `document.querySelector(".tile:not([data-key=self]) [title=Muted]") && document.querySelector(".tile:not([data-key=self]) .raised").checkVisibility()`)
	ann.eval(`(async () => { const { state } = await import("./state.js"); state.visit.meeting.self.hand = Date.now() - 60_000; })()`)
	cid := open(t, ann.browser, "Cid", "http://"+d.Address+"/#garden")
	cid.meet("garden")
	cid.until("the hand is seen", `document.querySelector(".tile:not([data-key=self]) .raised:not([hidden])")`)
	var news string
	cid.value(text("#notices"), &news)
	if news != "" {
		t.Errorf("Cid is told %q", news)
	}
}
