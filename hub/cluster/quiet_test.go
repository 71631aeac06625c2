//go:build !race

package cluster

import (
	"testing"

	"github.com/parley-rtc/parley/hub/wire"
)

// A quiet member is told nothing of its room, and its key takes its place, also when the
// room is at another node, and after it has another owner, whether by a hand-over or since
// the owner died.
func TestQuietMembersAndKeysAcrossOwners(t *testing.T) {
	for _, way := range []string{"before", "in order", "by death"} {
		t.Run(way, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomOf("c")
				ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
				defer ann.end()
				defer bob.end()
				ann.quiet, ann.key = true, "secret"
				ann.join(room, "ann", nil, false)
				bob.join(room, "bob", nil, false)
				bob.sees("ann", "bob")
				if way == "in order" {
					if err := v.nodes["c"].Drain(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if way != "before" {
					v.nodes["c"].Close()
					delete(v.nodes, "c")
				}
				bob.send("ann", `"hello"`)
				ann.until("hello", func(m message) bool { return string(m.Data) == `"hello"` })
				thief := connect(t, v.nodes["b"])
				defer thief.end()
				thief.key = "other"
				if thief.join(room, "ann", nil, false) {
					t.Fatal("another key took the place")
				}
				again := connect(t, v.nodes["b"])
				defer again.end()
				again.quiet, again.key = true, "secret"
				again.join(room, "ann", nil, false)
				bob.send("ann", `"again"`)
				again.until("again", func(m message) bool { return string(m.Data) == `"again"` })
				for _, c := range []*client{ann, again} {
					c.mu.Lock()
					for _, m := range c.all {
						if m.Type == wire.TypeRoomMembers.String() {
							t.Errorf("a quiet member was told %+v", m)
						}
					}
					c.mu.Unlock()
				}
			})
		})
	}
}
