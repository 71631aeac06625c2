package e2e

import (
	"fmt"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

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

	cid := open(t, b, "Cid", "http://"+d.Address+"/#garden", captured, held)
	cid.meet("garden")
	cid.eval(`window.refuse = () => new DOMException("", "NotReadableError"); window.go()`)
	cid.until("who gets no camera in the meeting is told there", shows("#notices", "Camera and microphone: in use by another program"))
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
	t.Run("the default device is pulled out, and comes back", func(t *testing.T) {
		bob.eval(`window.list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
  navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(d => d.kind !== "audioinput" || d.deviceId !== "default");
  window.before = ` + sent("audio") + `; before.getSettings = () => ({ deviceId: "default", groupId: window.group });
  (async () => { window.group = (await list()).find(d => d.kind === "audioinput" && d.deviceId === "default").groupId; before.stop(); before.dispatchEvent(new Event("ended")); })()`)
		bob.until("another one is sent", sent("audio")+`?.readyState === "live" && `+sent("audio")+` !== window.before`)
		bob.eval(`window.before = ` + sent("audio") + `; navigator.mediaDevices.enumerateDevices = window.list; navigator.mediaDevices.dispatchEvent(new Event("devicechange"))`)
		bob.until("it is used again", shows("#notices", "Microphone: connected again")+` && `+sent("audio")+` !== window.before`)
	})
	t.Run("the camera fails, and one press opens it again", func(t *testing.T) {
		bob.eval(`window.refuse = (name, c) => c.video && new DOMException("", "NotReadableError");
  { const t = ` + sent("video") + `; t.stop(); t.dispatchEvent(new Event("ended")); }`)
		bob.until("the button says so", `document.querySelector("#camera").classList.contains("broken") && document.querySelector("#camera").ariaPressed === "true"`)
		bob.eval(`window.refuse = undefined; document.querySelector("#camera").click()`)
		ann.seesAndHears()
		bob.until("it is on", `document.querySelector("#camera").ariaPressed === "false"`)
	})
	t.Run("who mutes is silent at once, whatever a device does", func(t *testing.T) {
		bob.eval(held + `document.querySelector("[data-device=videoinput]").dispatchEvent(new Event("change"));
  window.asks = navigator.mediaDevices.getUserMedia; undefined`)
		bob.eval(`document.querySelector("#mute").click()`)
		bob.until("nothing of the voice is sent", sent("audio")+`.enabled === false && document.querySelector("#mute").ariaPressed === "true"`)
		bob.eval(`document.querySelector("#mute").click(); window.go()`)
		ann.seesAndHears()
	})
	t.Run("two devices are chosen at once", func(t *testing.T) {
		bob.eval(`for (let i = 0; i < 3; i++) document.querySelector("[data-device=videoinput]").dispatchEvent(new Event("change"))`)
		bob.until("one camera is on, and it is sent", `live("getUserMedia", "video").length === 1 && live("getUserMedia", "video")[0] === `+sent("video"))
		ann.seesAndHears()
	})
	t.Run("the camera is turned off", func(t *testing.T) {
		bob.eval(`window.sdp = window.peers.at(-1).localDescription.sdp`)
		bob.click("#camera")
		bob.until("its lamp is off", `live("getUserMedia", "video").length === 0`)
		ann.until("others see that", `document.querySelector(".tile.dark:not([data-key=self]) .badge[title='Camera off']")`)
		bob.click("#camera")
		ann.seesAndHears()
		ann.until("it is back", `!document.querySelector(".tile.dark:not([data-key=self])")`)
		bob.until("nothing was negotiated", `window.peers.at(-1).localDescription.sdp === window.sdp`)
	})
	t.Run("a phone call interrupts", func(t *testing.T) {
		bob.eval(`{ const t = ` + sent("audio") + `; Object.defineProperty(t, "muted", { value: true, configurable: true }); t.dispatchEvent(new Event("mute")); }`)
		ann.until("others see that Bob can't be heard", `document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
		bob.eval(`{ const t = ` + sent("audio") + `; delete t.muted; t.dispatchEvent(new Event("unmute")); }`)
		ann.until("Bob is back", `!document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
		bob.eval(`{ const t = window.interrupted = ` + sent("audio") + `; Object.defineProperty(t, "muted", { value: true, configurable: true }); t.dispatchEvent(new Event("mute")); }
  document.dispatchEvent(new Event("visibilitychange"))`)
		bob.until("what stays interrupted is opened again", sent("audio")+` !== window.interrupted && `+sent("audio")+`.readyState === "live"`)
		ann.until("Bob is back again", `!document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
	})
	t.Run("after the meeting nothing is on", func(t *testing.T) {
		bob.click("#leave")
		bob.until("the page says what is next", shows("#left", "You left")+` && `+shows("#left", "Join again")+` && `+shows("#left", "New meeting"))
		bob.shoot("left")
		bob.until("all is closed", `live("getUserMedia", "audio").length + live("getUserMedia", "video").length === 0`)
		bob.click("#again")
		bob.inRoom()
		ann.seesAndHears()
		bob.click("#mute")
		bob.click("#leave")
		bob.click("#again")
		bob.inRoom()
		ann.until("who was muted is so still", `document.querySelector(".tile:not([data-key=self]) [title=Muted]")`)
		bob.until("nothing of his voice is sent", sent("audio")+`?.enabled === false`)
		bob.click("#mute")
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

// A link can have somebody come in with microphone and camera off, and the camera is not opened
// for it; both can be turned on.
func TestLinkThatMutes(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", captured)
	bob.meet("garden")
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden&muted&camera-off", captured)
	ann.meet("garden")
	bob.until("Ann is there, muted and dark", `document.querySelector(".tile.dark:not([data-key=self]) [title=Muted]")`)
	ann.until("no camera is on", `window.live("getUserMedia", "video").length === 0`)
	ann.click("#mute")
	ann.click("#camera")
	bob.seesAndHears()
	bob.until("Ann is not muted", `!document.querySelector("[title=Muted]")`)
}

// A camera that can blur what is behind offers it, and does it from then on.
func TestBlur(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	blurring := `
window.asked = [];
const can = MediaStreamTrack.prototype.getCapabilities, apply = MediaStreamTrack.prototype.applyConstraints;
MediaStreamTrack.prototype.getCapabilities = function () { return { ...can.call(this), backgroundBlur: [true, false] }; };
MediaStreamTrack.prototype.applyConstraints = function (c) { window.asked.push(c.backgroundBlur); return apply.call(this, c); };`
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", captured, blurring)
	ann.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	ann.click("#lobby-devices")
	ann.until("it is offered", `!document.querySelector("#blur").parentElement.hidden && !document.querySelector("#blur").checked`)
	ann.click("#blur")
	ann.until("the camera is asked to", `window.asked.at(-1) === true`)
	ann.click("#blur")
	ann.until("the camera is asked not to", `window.asked.at(-1) === false`)

	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", captured)
	bob.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	bob.click("#lobby-devices")
	bob.until("a camera that can't does not offer it", `document.querySelector("#blur").parentElement.hidden`)
}
