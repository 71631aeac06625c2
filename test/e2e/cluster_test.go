package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// unbroken notes whether the page's peer connections ever were anything but connected.
const unbroken = `
window.broken = [];
{
  const before = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends before {
    constructor(...args) {
      super(...args);
      let up = false;
      this.addEventListener("connectionstatechange", () => {
        if (this.connectionState === "connected") up = true;
        else if (up) window.broken.push(this.connectionState);
      });
    }
  };
}`

// Two meet from different nodes. A third node is killed, then their own are restarted
// one after the other: the call does not even blink, and what is said afterwards
// arrives.
func TestCluster(t *testing.T) {
	c := nodes.Start(t, 3)
	b := browser.Start(t)
	url := "http://" + c.Balanced + "/#garden"
	ann := open(t, b, "Ann", url, unbroken)
	ann.meet("garden")
	bob := open(t, b, "Bob", url, unbroken)
	bob.meet("garden")
	ann.sees(1)
	bob.sees(1)

	killed := -1
	for i, d := range c.Daemons {
		if _, status := parleyd.Get(t, d.Admin, "/api/v1/status"); strings.Contains(status, `"connections":0,`) {
			killed = i
		}
	}
	if killed < 0 {
		t.Fatal("all nodes have connections: there are two")
	}
	c.Daemons[killed].Kill()
	ann.plays(1)
	bob.plays(1)
	c.Restart(killed)
	c.AwaitReady(killed)
	for i, d := range c.Daemons {
		if i == killed {
			continue
		}
		d.Signal(syscall.SIGTERM)
		if code := d.ExitCode(t); code != 0 {
			t.Errorf("node %d: exit code %d", i, code)
		}
		c.Restart(i)
		c.AwaitReady(i)
		for _, w := range []*window{ann, bob} {
			w.inRoom()
			w.plays(1)
		}
	}
	for _, w := range []*window{ann, bob} {
		w.until("the call has not blinked", `window.broken.length === 0`)
	}
	ann.click("#show-chat")
	ann.eval(`document.querySelector("#words").value = "still here"; document.querySelector("#chat-form").requestSubmit()`)
	bob.click("#show-chat")
	bob.until("what is said arrives", shows("#lines", "still here"))
}
