//go:build !race

package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A message to a whole room crosses to each other node once, however many of its members
// are there: 100 of them cost less than the message again.
func TestBroadcastCrossesOnce(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("c")
		from := connect(t, v.nodes["c"])
		from.join(room, "from", nil, true)
		var members []*client
		for i := range 100 {
			m := connect(t, v.nodes["b"])
			m.join(room, fmt.Sprint("m", i), nil, i%2 == 0)
			members = append(members, m)
		}
		time.Sleep(time.Second)
		body := `"` + strings.Repeat("x", 400) + `"`
		before := v.net.bytes("c", "b")
		from.send("", body)
		time.Sleep(time.Millisecond) // too short for anything else to be said
		sent := v.net.bytes("c", "b") - before
		for _, m := range members {
			if got := m.texts(); got != body+" " {
				t.Fatalf("%s had %q", m.id, got)
			}
		}
		if sent == 0 || sent > 2*len(body) {
			t.Errorf("a message of %d bytes for 100 members took %d bytes between the nodes", len(body), sent)
		}
		for _, m := range append(members, from) {
			m.end()
		}
		time.Sleep(window + time.Second)
	})
}
