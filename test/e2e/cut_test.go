package e2e

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/wire"
)

// outage is how long the network is away: within the resume window.
const outage = 5 * time.Second

// With the network cut for 5 s in the middle of a call's set-up, on either side,
// the call still comes up, and the room sees no change.
func TestNetworkCut(t *testing.T) {
	for _, side := range []string{"caller", "callee"} {
		t.Run(side, func(t *testing.T) {
			d := parleyd.Start(t)
			n := wire.New(t, d.Address)
			annAt, bobAt := d.Address, n.Address
			if side == "caller" {
				annAt, bobAt = n.Address, d.Address
			}
			b := browser.Start(t)
			ann := open(t, b, "Ann", "http://"+annAt+"/")
			bob := open(t, b, "Bob", "http://"+bobAt+"/")
			ann.join("garden")
			bob.join("garden")
			ann.call("Bob")
			bob.until("it rings", shows("#incoming", "Ann is calling"))
			n.Cut(true)
			cut := time.AfterFunc(outage, func() { n.Cut(false) })
			defer cut.Stop()
			d.Wait(t, "suspended")
			bob.click("#accept") // while the network is away
			ann.until("in a call", shows("#state", "In a call with Bob"))
			bob.until("in a call", shows("#state", "In a call with Ann"))
			ann.seesAndHears()
			bob.seesAndHears()
			d.Wait(t, "resumed")
			for _, line := range d.Lines() {
				if line["msg"] == "leave" {
					t.Errorf("somebody left: %v", line)
				}
			}
		})
	}
}
