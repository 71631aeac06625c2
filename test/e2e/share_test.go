package e2e

import (
	"fmt"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// All see a shared screen, beside the camera or without it.
func TestShareScreen(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob", "Cid")
	for _, w := range all {
		w.sees(2)
	}
	ann, bob, cid := all[0], all[1], all[2]
	ann.press("s")
	for _, w := range []*window{bob, cid} {
		w.until("Ann's screen has a tile", `[...document.querySelectorAll("figcaption")].some(c => c.innerText.includes("Ann’s screen"))`)
		w.plays(3)
	}
	bob.shoot("screen")
	ann.press("s")
	bob.sees(2)
	cid.sees(2)

	// A screen without the camera.
	ann.press("v")
	ann.press("s")
	bob.until("the screen is there, and the camera is not", `document.querySelector(".tile.screen") && document.querySelector(".tile.dark:not([data-key=self])")`)
	bob.until("it plays", `document.querySelector(".tile.screen video").videoWidth > 0`)
	ann.press("s")
	ann.press("v")
	bob.until("the camera is back", `!document.querySelector(".tile.screen") && !document.querySelector(".tile.dark:not([data-key=self])")`)
	bob.sees(2)
}

// A chat message reaches all, those who are in no call too, and files arrive as they
// were.
func TestChatAndFiles(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann, bob := all[0], all[1]
	cid := open(t, ann.browser, "Cid", "http://"+d.Address+"/#garden")
	cid.join("garden") // in the room, and not in the meeting
	ann.sees(1)
	bob.sees(1)
	const words = `<b>hello</b> 你好`
	ann.press("c")
	ann.until("the chat is open", `!document.querySelector("#chat").hidden`)
	ann.eval(fmt.Sprintf(`document.querySelector("#words").value = %q; document.querySelector("#chat-form").requestSubmit()`, words))
	for _, w := range []*window{bob, cid} {
		w.until("it is told", shows("#notices", words))
		w.until("it stands there as it was said", fmt.Sprintf(`[...document.querySelectorAll(".said .what")].some(e => e.textContent === %q)`, words))
	}

	ann.eval(`{
  const bytes = new Uint8Array(5_000_000);
  for (let i = 0; i < bytes.length; i += 65536) crypto.getRandomValues(bytes.subarray(i, Math.min(i + 65536, bytes.length)));
  window.digest = async (b) => [...new Uint8Array(await crypto.subtle.digest("SHA-256", b))].join();
  const list = new DataTransfer();
  list.items.add(new File([bytes], "pictures/holiday.bin", { type: "application/x-holiday" }));
  const input = document.querySelector("#file");
  input.files = list.files;
  input.dispatchEvent(new Event("change"));
  window.sent = window.digest(bytes);
}`)
	bob.panel("chat")
	bob.until("it is offered", shows(".transfer", "Ann sends "))
	bob.shoot("file")
	bob.eval(`URL.createObjectURL = (blob) => { window.saved = blob; return "#"; }`)
	bob.click(".transfer button")
	bob.until("it has come", `[...document.querySelectorAll(".transfer button")].some(b => b.innerText.startsWith("Save"))`)
	ann.until("it is known to have arrived", shows(".transfer", "Sent to Bob"))
	bob.eval(`document.querySelector(".transfer button").click()`)
	var want string
	ann.value(`window.sent`, &want)
	bob.until("it is the same", fmt.Sprintf(`window.saved.size === 5_000_000 && window.saved.type === "application/x-holiday" &&
  [...new Uint8Array(await crypto.subtle.digest("SHA-256", await window.saved.arrayBuffer()))].join() === %q`, want))
	ann.shoot("chat")
	ann.shootOthers("chat")

	ann.eval(`{
  const file = new File(["x"], "film.mkv"), list = new DataTransfer(), input = document.querySelector("#file");
  list.items.add(file);
  Object.defineProperty(list.files[0], "size", { value: 9e12 });
  Object.defineProperty(input, "files", { value: [list.files[0]], configurable: true });
  Object.defineProperty(input.files[0], "size", { value: 9e12 });
  input.dispatchEvent(new Event("change"));
}`)
	ann.until("one that is too large was not declined", shows(".transfer:last-child", "Too large for Bob"))
	bob.until("both are told", shows("#notices", "too large for this device"))
	bob.click("#leave")
	bob.until("what has come is there after the meeting", shows("#kept", "holiday.bin"))
	bob.eval(`window.saved = undefined; document.querySelector("#kept button").click()`)
	bob.until("it can be saved", `window.saved.size === 5_000_000`)
}

// A meeting can be recorded to a file with pictures and sound, in which one can seek.
func TestRecording(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob")
	ann := all[0]
	ann.sees(1)
	ann.eval(`window.pieces = 0; window.painted = new Set();
{ const start = MediaRecorder.prototype.start; MediaRecorder.prototype.start = function (...a) { this.addEventListener("dataavailable", () => window.pieces++); start.apply(this, a); }; }
{ const paint = CanvasRenderingContext2D.prototype.drawImage; CanvasRenderingContext2D.prototype.drawImage = function (v, ...a) { window.painted.add(v.srcObject); paint.call(this, v, ...a); }; }
{ const share = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices); navigator.mediaDevices.getDisplayMedia = async (c) => window.shared = await share(c); }`)
	ann.press("s")
	ann.until("it is shared", `document.querySelector("#presenting").checkVisibility()`)
	ann.eval(`{ const real = URL.createObjectURL; URL.createObjectURL = (blob) => { window.saved = blob; window.url = real.call(URL, blob); return "#"; }; } document.querySelector("#record").click()`)
	ann.until("it records", `document.querySelector("#record").ariaPressed === "true"`)
	ann.until("something is there to record", `window.pieces > 1`)
	ann.until("what is shared is recorded too, beside both cameras", `window.painted.has(window.shared) && window.painted.size === 3`)
	ann.eval(`document.querySelector("#record").click()`)
	ann.until("it plays", `window.saved && await (async () => {
  const blob = URL.__proto__ && window.saved;
  const video = document.createElement("video");
  video.src = url;
  if (!await new Promise(done => { video.onloadedmetadata = () => done(Number.isFinite(video.duration) && video.duration > 1); video.onerror = () => done(false); })) return false;
  const bytes = await blob.arrayBuffer();
  const sound = await new AudioContext().decodeAudioData(bytes.slice(0)).catch(() => undefined);
  return blob.type.startsWith("video/") && blob.size > 20_000 && sound?.duration > 1;
})()`)
}
