package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// broken makes the browser refuse camera and microphone for a reason.
func broken(reason string) string {
	return fmt.Sprintf(`window.asked = 0;
navigator.permissions.query = async () => ({ state: "prompt" });
navigator.mediaDevices.getUserMedia = () => (window.asked++, Promise.reject(new DOMException("", %q)));`, reason)
}

// Without a camera the page says why in words that help, there is a way on, and the
// other can be seen and heard all the same, whoever calls.
func TestNoCamera(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	bob := open(t, b, "Bob", "http://"+d.Address+"/")
	bob.join("garden")
	for reason, words := range map[string]string{
		"NotReadableError": "Camera and microphone: in use by another program.",
		"NotAllowedError":  "Allow it in the address bar",
		"NotFoundError":    "Camera and microphone: none was found.",
	} {
		ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", broken(reason))
		ann.until("it says why", shows("#problem", words))
		ann.until("who says no is asked once", fmt.Sprintf(`%q !== "NotAllowedError" || window.asked === 1`, reason))
		ann.shoot("lobby-" + reason)
		ann.join("garden")
		if reason == "NotReadableError" {
			bob.call("Ann")
			ann.until("it rings", shows("#incoming", "Bob is calling"))
			ann.click("#accept")
		} else {
			ann.call("Bob")
			bob.until("it rings", `document.querySelector("#accept").checkVisibility()`)
			bob.click("#accept")
		}
		ann.seesAndHears()
		bob.until("Ann's tile says that there is no picture", `document.querySelector(".tile.dark:not([data-key=self]) .badge[title='Camera off']")`)
		ann.click("#leave")
		bob.until("Bob is alone", `document.querySelectorAll("#members li").length === 1 && `+noCall)
	}
}

// A page that is opened neither over HTTPS nor from localhost has no camera at all,
// says why, and still sees and hears others.
func TestInsecure(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", `for (const name of ["mediaDevices", "clipboard"]) Object.defineProperty(navigator, name, { value: undefined });`)
	ann.until("it says why", shows("#problem", "only on pages opened over HTTPS"))
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	bob.meet("garden")
	ann.seesAndHears()
	ann.panel("people")
	ann.click("#copy")
	ann.until("it says what the link is", shows("#notices", "#garden"))
}

// A browser that has no WebRTC, or has turned it off, says so in the place of joining for ever.
func TestNoWebRTC(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", `window.RTCPeerConnection = undefined;`)
	ann.until("the form is there", `document.querySelector("#nickname").checkVisibility()`)
	ann.submit()
	ann.until("it says why", shows("#error", "WebRTC"))
	ann.until("one is not in the room, and may try again", `document.querySelector("#join-button").checkVisibility() && document.querySelector("#progress").hidden`)
}

// A camera that is refused at first can be tried again.
func TestTryAgain(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden", `{
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (c) => window.allowed ? real(c) : Promise.reject(new DOMException("", "NotAllowedError"));
}`)
	ann.until("it says why", shows("#problem", "Allow it"))
	ann.click("#preview-camera")
	ann.until("once", `!document.querySelector("#notices").innerText`)
	ann.eval(`document.querySelector("#lobby-devices").click(); document.querySelector("[data-device=videoinput]").dispatchEvent(new Event("change"))`)
	ann.until("and over a dialog", shows("dialog[open] #notices", "Camera: the browser does not allow it"))
	ann.eval(`document.querySelector("dialog[open]").close(); window.allowed = true`)
	ann.click("#retry")
	ann.until("there is a preview", `document.querySelector("#preview").videoWidth > 0 && document.querySelector("#problem").hidden`)
}

// Devices can be chosen before and in a call, and the choice is remembered.
func TestDevices(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	ann.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	ann.shoot("lobby")
	ann.until("the microphone is heard", `document.querySelector("#level").value > 0`)
	ann.until("the camera is listed", `/fake/.test(document.querySelector("[data-device=videoinput]").textContent)`)
	ann.click("#preview-camera")
	ann.until("the camera is off", shows("#preview-hint", "Camera off"))
	ann.do(chromedp.Reload())
	ann.until("it is remembered", shows("#preview-hint", "Camera off"))
	ann.meet("garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	bob.meet("garden")
	bob.until("Ann without a picture", `document.querySelector(".tile.dark:not([data-key=self])")`)
	ann.click("#camera")
	bob.sees(1)
}

// The link of the room can be copied.
func TestCopyLink(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#a%20garden",
		`navigator.clipboard.writeText = async (text) => { window.copied = text; };`)
	ann.join("a garden")
	ann.panel("people")
	ann.click("#copy")
	ann.until("it was copied", `window.copied === location.href && window.copied.endsWith("#a%20garden")`)
	ann.until("it says so", shows("#notices", "copied"))
}
