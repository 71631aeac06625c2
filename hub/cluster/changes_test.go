//go:build !race

package cluster

import (
	"slices"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// A member that takes changes gets them across nodes, also after its room has another owner,
// whether by a hand-over or since the owner died, and after it has resumed elsewhere. Each
// time it first gets one whole list, with all who are there.
func TestChangesAcrossOwners(t *testing.T) {
	for _, way := range []string{"in order", "by death"} {
		t.Run(way, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomOf("c")
				ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
				defer bob.end()
				ann.changes = true
				ann.join(room, "ann", nil, true)
				ann.sees("ann")
				bob.join(room, "bob", nil, false)
				ann.learns([]string{"bob"}, nil)
				if way == "in order" {
					if err := v.nodes["c"].Drain(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				v.nodes["c"].Close()
				delete(v.nodes, "c")
				ann.learnsAll("ann", "bob")
				cat := connect(t, v.nodes["b"])
				cat.join(room, "cat", nil, false)
				ann.learns([]string{"cat"}, nil)
				again := connect(t, v.nodes["b"])
				defer again.end()
				ann.end()
				again.resumes(ann)
				again.sees("ann", "bob", "cat")
				cat.end()
				again.learns(nil, []string{"cat"})
			})
		})
	}
}

// learns reads on to changes, which must be these.
func (c *client) learns(joined, left []string) {
	c.t.Helper()
	m := c.until("change or list", func(m message) bool { return strings.HasPrefix(m.Type, "room_") })
	if m.Type != "room_changes" || !slices.Equal(m.Joined, joined) || !slices.Equal(m.Left, left) {
		c.t.Fatalf("%s got %+v, want that %v have joined and %v left", c.id, m, joined, left)
	}
}

// learnsAll reads on to what the client is told of its room next, which must be this list.
func (c *client) learnsAll(members ...string) {
	c.t.Helper()
	m := c.until("change or list", func(m message) bool { return strings.HasPrefix(m.Type, "room_") })
	if m.Type != "room_members" || !slices.Equal(m.Members, members) {
		c.t.Fatalf("%s got %+v, want the members %v", c.id, m, members)
	}
}

// resumes takes up the membership of another connection, which has read all.
func (c *client) resumes(lost *client) {
	c.t.Helper()
	lost.mu.Lock()
	received, session := uint64(len(lost.all)), lost.all[0].Session
	lost.mu.Unlock()
	done := make(chan actor.Resumed, 1)
	_ = c.n.Do(&actor.Resume{Client: c.client, Session: session, Received: received, Refused: frame.Refused{Re: "resume"}, Done: done})
	r, err := actor.Await(c.t.Context(), c.n, done)
	if err != nil || r.ID != lost.id {
		c.t.Fatalf("resumed %+v, %v", r, err)
	}
	c.room, c.id = r.Room, r.ID
}
