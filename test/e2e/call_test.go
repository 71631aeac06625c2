package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// connected opens two windows in a room, of which the first calls the second.
func connected(t *testing.T, d *parleyd.Daemon) (ann, bob *window) {
	t.Helper()
	b := browser.Start(t)
	ann = open(t, b, "Ann", "http://"+d.Address+"/")
	bob = open(t, b, "Bob", "http://"+d.Address+"/")
	ann.join("garden")
	bob.join("garden")
	ann.call("Bob")
	bob.until("it rings", shows("#incoming", "Ann is calling"))
	ann.until("it says so", shows("#state", "Calling Bob"))
	bob.shoot("ringing")
	bob.click("#accept")
	ann.until("in a call", shows("#state", "In a call with Bob"))
	bob.until("in a call", shows("#state", "In a call with Ann"))
	return ann, bob
}

func TestCall(t *testing.T) {
	d := parleyd.Start(t)
	ann, bob := connected(t, d)
	ann.seesAndHears()
	bob.seesAndHears()
	ann.until("the own entry is marked", shows("#members", "You"))
	ann.shoot("call")
	ann.shootOthers("call")

	t.Run("mute and camera", func(t *testing.T) {
		ann.click("#mute")
		ann.until("muted", `document.querySelector("#mute").ariaPressed === "true"`)
		bob.until("what comes is silent", `await (async () => {
  const now = await `+statistics+`;
  if (!window.silence || now.energy - window.silence.energy > 1e-6) window.silence = now;
  return now.packets > window.silence.packets + 50;
})()`)
		ann.click("#mute")
		ann.click("#camera")
		ann.until("camera off", `document.querySelector("[data-key=self]").classList.contains("dark")`)
		bob.until("told of it", `document.querySelector(".tile:not([data-key=self]) .badge[title='Camera off']")`)
		ann.click("#camera")
		bob.seesAndHears()
	})

	t.Run("a third joins and leaves", func(t *testing.T) {
		cid := open(t, browser.Start(t), "Cid", "http://"+d.Address+"/#garden")
		cid.join("garden")
		ann.until("three members", `document.querySelectorAll("#members li").length === 3`)
		cid.click("#leave")
		ann.until("two members", `document.querySelectorAll("#members li").length === 2`)
		ann.seesAndHears()
	})

	t.Run("hang up", func(t *testing.T) {
		ann.click(".tile .end:not([hidden])")
		bob.until("it is over", shows("#notices", "Ann left the call"))
		ann.until("no connection is left", noCall)
		bob.until("no connection is left", noCall)
	})

	t.Run("call again, the other way", func(t *testing.T) {
		bob.call("Ann")
		ann.until("it rings", shows("#incoming", "Bob is calling"))
		ann.click("#accept")
		ann.seesAndHears()
		bob.seesAndHears()
	})
}

func TestDecline(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/")
	bob := open(t, b, "Bob", "http://"+d.Address+"/")
	ann.join("garden")
	bob.join("garden")
	ann.call("Bob")
	bob.until("it rings", shows("#incoming", "Ann is calling"))
	bob.click("#decline")
	ann.until("it says so", shows("#notices", "Bob declined the call"))
	ann.until("no connection is left", noCall)

	// The caller hangs up in the same place.
	ann.call("Bob")
	bob.until("it rings again", shows("#incoming", "Ann is calling"))
	ann.until("Hang up is there", `document.querySelector("#hangup").checkVisibility()`)
	ann.click("#hangup")
	bob.until("it rings no more", `document.querySelector("#incoming").hidden && `+shows("#notices", "Ann tried to call you"))
	ann.until("no connection is left", noCall)
}

// Both press Call at the same moment: one call comes of it, and nobody is asked.
func TestGlare(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden")
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden")
	ann.join("garden")
	bob.join("garden")
	for _, w := range []*window{ann, bob} {
		w.panel("people")
		w.until("both are listed", `document.querySelector("#members .call")`)
	}
	press := chromedp.Evaluate[chromedp.Void](`document.querySelector("#members .call").click()`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = chromedp.Do(bob.ctx, press)
	}()
	ann.do(press)
	<-done
	for _, w := range []*window{ann, bob} {
		w.until("the call is up, taken where it rang", `(document.querySelector("#accept").checkVisibility() && document.querySelector("#accept").click(),
  document.querySelector("#state").innerText.includes("In a call"))`)
	}
	ann.seesAndHears()
	bob.seesAndHears()
}

// The daemon is restarted in the middle of a call: the call goes on, and both come
// back into the room under their ids.
func TestRestart(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			d := parleyd.Start(t)
			ann, bob := connected(t, d)
			ann.seesAndHears()
			ids := fmt.Sprintf("(window.ids = [...document.querySelectorAll(%q)].map(e => e.textContent).join())", "#members li .who")
			ann.until("the list is kept", ids)
			d.Signal(signal)
			<-d.Exited()
			ann.until("it says so", shows("#state", "the server is away"))
			ann.seesAndHears()
			bob.seesAndHears()

			parleyd.StartAt(t, d.Address)
			ann.until("the same two are back", `document.querySelector("#state").innerText.includes("In a call") &&
  [...document.querySelectorAll("#members li .who")].map(e => e.textContent).join() === window.ids`)
			bob.until("back in the room", shows("#state", "In a call with Ann"))
			ann.seesAndHears()
			bob.seesAndHears()
		})
	}
}
