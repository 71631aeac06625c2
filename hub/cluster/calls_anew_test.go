//go:build !race

package cluster

import (
	"testing"
	"time"
)

// A node that begins anew counts none of the calls that it has followed before.
func TestCallsOfANodeThatBeginsAnew(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("a")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["a"])
		ann.join(room, "ann", nil, false)
		bob.join(room, "bob", nil, false)
		bob.sees("ann", "bob")
		ann.says("offer", "bob", `,"sdp":1`)
		bob.until("the offer", func(m message) bool { return m.Type == "offer" })
		if n := v.nodes["a"].stats.Calls.Active.Load(); n != 1 {
			t.Errorf("%d calls are active", n)
		}
		v.net.wipe()
		time.Sleep(2 * fenceTime)
		v.await("all nodes are ready again", v.ready)
		for name, n := range v.nodes {
			if n := n.stats.Calls.Active.Load(); n != 0 {
				t.Errorf("%d calls are active at %s", n, name)
			}
		}
		ann.end()
		bob.end()
		time.Sleep(time.Second)
	})
}
