package e2e

import (
	"fmt"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// broken makes the browser refuse camera and microphone for a reason.
func broken(reason string) string {
	return fmt.Sprintf(`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", %q));`, reason)
}

// Without a camera the page says why in words that help, and the other can be seen
// and heard all the same, whoever calls.
func TestNoCamera(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	bob := open(t, b, "Bob", "http://"+d.Address+"/")
	bob.join("garden")
	for reason, words := range map[string]string{
		"NotReadableError": "The camera is in use by another program.",
		"NotAllowedError":  "Allow it in the address bar",
		"NotFoundError":    "No camera or microphone was found.",
	} {
		ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", broken(reason))
		ann.inRoom()
		ann.until("it says why", shows("#error", words))
		if reason == "NotReadableError" {
			bob.until("Ann is listed", `document.querySelectorAll("#members button").length === 1`)
			bob.eval(`document.querySelector("#members button").click()`)
			bob.click("#call")
			ann.until("it rings", shows("#incoming", "Bob is calling"))
			ann.click("#accept")
		} else {
			ann.call("Bob")
			bob.until("it rings", `document.querySelector("#accept").checkVisibility()`)
			bob.click("#accept")
		}
		ann.seesAndHears()
		ann.click("#leave")
		bob.until("Bob is alone", `document.querySelectorAll("#members li").length === 1 && `+noCall)
	}
}

// The link of the room can be copied.
func TestCopyLink(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#a%20garden",
		`navigator.clipboard.writeText = async (text) => { window.copied = text; };`)
	ann.inRoom()
	ann.click("#copy")
	ann.until("it was copied", `window.copied === location.href && window.copied.endsWith("#a%20garden")`)
	ann.until("it says so", shows("#copy", "Copied"))
}
