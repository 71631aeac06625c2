package e2e

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
	"github.com/parley-rtc/parley/test/internal/wire"
)

// meeting opens windows that meet in a room.
func meeting(t *testing.T, address string, names ...string) []*window {
	t.Helper()
	return meetingIn(t, browser.Start(t), address, names...)
}

// meetingIn opens windows of a browser that meet in a room.
func meetingIn(t *testing.T, b context.Context, address string, names ...string) []*window {
	t.Helper()
	var windows []*window
	for _, name := range names {
		w := open(t, b, name, "http://"+address+"/#garden")
		w.meet("garden")
		windows = append(windows, w)
	}
	return windows
}

// Three meet: everybody sees everybody. One comes late, one leaves, one loads the page
// anew in the middle of it.
func TestMesh(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob", "Cid")
	for _, w := range all {
		w.sees(2)
	}
	ann, bob, cid := all[0], all[1], all[2]
	ann.shoot("mesh-3")
	ann.shootOthers("mesh-3")

	t.Run("what is muted and raised is told", func(t *testing.T) {
		bob.click("#mute")
		bob.click("#hand")
		for _, w := range []*window{ann, cid} {
			w.until("Bob is muted and raises a hand", `[...document.querySelectorAll("figcaption")].some(c =>
  c.innerText.includes("Bob") && c.querySelector("[title=Muted]") && c.parentElement.querySelector(".raised").checkVisibility())`)
		}
		bob.eval(`document.activeElement.blur()`)
		bob.press("h")
		ann.until("the hand is down", `[...document.querySelectorAll(".tile .raised")].every(e => !e.checkVisibility())`)
		bob.press("m")
		ann.until("who speaks is shown", `document.querySelector(".tile.speaking:not([data-key=self])")`)
		ann.until("how good the connections are", `document.querySelectorAll(".tile:not([data-quality='']):not([data-key=self])").length === 2`)
	})
	t.Run("a late joiner", func(t *testing.T) {
		dan := open(t, browser.Start(t), "Dan", "http://"+d.Address+"/#garden")
		dan.meet("garden")
		dan.sees(3)
		ann.sees(3)
		dan.click("#leave")
		for _, w := range all { // all of them first: a notice is gone after a while
			w.until("Dan has left", shows("#notices", "Dan left the call"))
		}
		for _, w := range all {
			w.sees(2)
		}
	})
	t.Run("reload", func(t *testing.T) {
		cid.do(chromedp.Reload())
		ann.sees(1)
		cid.meet("garden")
		for _, w := range all {
			w.sees(2)
		}
	})
	t.Run("views", func(t *testing.T) {
		ann.eval(`document.querySelector("#view").click()`)
		ann.until("who speaks is large", `document.querySelector("#tiles.pinned .large:not([data-key=self])")`)
		ann.eval(`document.querySelector("#view").click()`)
		ann.until("all are alike", `!document.querySelector("#tiles .large")`)
		ann.eval(`document.querySelector("#view").click()`)
	})
	t.Run("pin and details", func(t *testing.T) {
		ann.eval(`document.querySelector(".tile:not([data-key=self]) .options").click()`)
		ann.click("#pin")
		ann.until("one is large", `document.querySelector("#tiles.pinned .large")`)
		ann.press("i")
		ann.until("paths are told", `document.querySelectorAll("#connections table").length === 2 &&
  document.querySelector("#connections").innerText.includes("host udp") && document.querySelectorAll("#log li").length > 5`)
		ann.shoot("details")
		ann.eval(`URL.createObjectURL = (blob) => { window.saved = blob; return "#"; }; document.querySelector("#export").click()`)
		ann.until("they can be saved", `window.saved && await (async () => {
  const text = await window.saved.text(), file = JSON.parse(text);
  return file.peers.length === 2 && file.log.length > 5 && !text.includes('"session"');
})()`)
	})
}

// Five meet at once: ten connections, over which one machine sends itself twenty pictures. Its
// cameras are slow, and it has time.
func TestMeshOfFive(t *testing.T) {
	d := parleyd.Start(t)
	slow := chromedp.Flag("use-fake-device-for-media-stream", "fps=5")
	all := meetingIn(t, browser.Start(t, slow), d.Address, "Ann", "Bob", "Cid", "Dan", "Eve")
	for _, w := range all {
		w.patience = 6 * parleyd.Patience
	}
	for _, w := range all {
		w.sees(4)
	}
	all[0].shoot("mesh-5")
	all[0].shootOthers("mesh-5")
	all[0].until("pictures are sent small", `window.peers.filter(p => p.connectionState === "connected").every(p =>
  p.getSenders().filter(s => s.track?.kind === "video").every(s => s.getParameters().encodings[0].maxBitrate === 450000))`)
	all[0].until("the camera opens no larger than they are sent", `document.querySelector("[data-key=self] video").srcObject.getVideoTracks()[0].getSettings().height === 360`)
}

// The daemon is restarted in the middle of a meeting, which goes on.
func TestMeshRestart(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Bob", "Cid")
	for _, w := range all {
		w.sees(2)
	}
	d.Signal(syscall.SIGKILL)
	<-d.Exited()
	for _, w := range all {
		w.until("it says so", shows("#state", "the server is away"))
		w.sees(2)
	}
	for _, want := range []bool{true, false} { // a camera is turned off and on meanwhile
		all[2].press("v")
		all[0].until("others see that", fmt.Sprintf(`(document.querySelectorAll(".tile.dark:not([data-key=self])").length === 1) === %v`, want))
	}
	all[0].sees(2)
	parleyd.StartAt(t, d.Address)
	for _, w := range all {
		w.until("back", `document.querySelector("#state").dataset.state === "call" && document.querySelectorAll("#members li").length === 3`)
		w.sees(2)
	}
}

// keptBack keeps back what a page sends while window.hold is set.
const keptBack = `window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
  if (window.hold) window.sent.push([this, text]);
  else send.call(this, text);
};
window.release = () => {
  window.hold = false;
  for (const [socket, text] of window.sent.splice(0)) send.call(socket, text);
};`

// Both sides look for a new way before either hears of the other's offer.
func TestBothLookForAWay(t *testing.T) {
	d := parleyd.Start(t)
	b := browser.Start(t)
	both := []*window{open(t, b, "Ann", "http://"+d.Address+"/#garden", keptBack), open(t, b, "Bob", "http://"+d.Address+"/#garden", keptBack)}
	for _, w := range both {
		w.meet("garden")
	}
	for _, w := range both {
		w.sees(1)
	}
	for _, w := range both {
		w.eval(`window.way = ` + way + `; window.hold = true; window.peers.forEach(p => p.restartIce())`)
		w.until("an offer", `window.sent.some(([, text]) => JSON.parse(text).type === "offer")`)
	}
	for _, w := range both {
		w.eval(`window.release()`)
	}
	for _, w := range both {
		w.until("a new way", way+` !== window.way`)
		w.sees(1)
	}
}

// The network of one is cut for 5 s in a meeting: it goes on, and nobody leaves.
func TestMeshNetworkCut(t *testing.T) {
	d := parleyd.Start(t)
	n := wire.New(t, d.Address)
	all := meeting(t, d.Address, "Ann", "Bob")
	cid := open(t, browser.Start(t), "Cid", "http://"+n.Address+"/#garden")
	cid.meet("garden")
	all = append(all, cid)
	for _, w := range all {
		w.sees(2)
	}
	n.Cut(true)
	cut := time.AfterFunc(outage, func() { n.Cut(false) })
	defer cut.Stop()
	d.Wait(t, "suspended")
	d.Wait(t, "resumed")
	for _, w := range all {
		w.sees(2)
	}
}

// Two with the same nickname are two.
func TestSameName(t *testing.T) {
	d := parleyd.Start(t)
	all := meeting(t, d.Address, "Ann", "Ann", "Ann")
	for _, w := range all {
		w.sees(2)
		w.until("three of the name", `document.querySelectorAll("#members li").length === 3 && [...document.querySelectorAll("#members bdi")].every(e => e.textContent === "Ann")`)
	}
}

// relayOnly makes a page use TURN alone.
const relayOnly = `window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(configuration) { super({ ...configuration, iceTransportPolicy: "relay" }); }
  setConfiguration(configuration) { super.setConfiguration({ ...configuration, iceTransportPolicy: "relay" }); }
};`

// A call goes through a real TURN server, with the credentials that the server hands
// out and nothing else.
func TestRelayed(t *testing.T) {
	turn := process.StartTURN(t)
	d := parleyd.Start(t, "--ice-server", turn.URL(), "--turn-secret-file", turn.SecretFile)
	b := browser.Start(t)
	var both []*window
	for _, name := range []string{"Ann", "Bob"} {
		w := open(t, b, name, "http://"+d.Address+"/#garden", relayOnly)
		w.meet("garden")
		both = append(both, w)
	}
	for _, w := range both {
		w.sees(1)
		w.press("i")
		w.until("it says so", shows("#connections", "through a relay"))
	}
}

// Another page's scripts do not get in.
func TestOtherOrigin(t *testing.T) {
	d := parleyd.Start(t)
	other := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+other.Address+"/healthz")
	ann.until("refused", fmt.Sprintf(`await new Promise(done => {
  const s = new WebSocket("ws://%s/ws");
  s.onopen = () => done(false);
  s.onerror = () => done(true);
})`, d.Address))
	d.Wait(t, "upgrade refused", "code", 403)
}
