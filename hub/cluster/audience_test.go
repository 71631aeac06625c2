package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// sendTo sends a message to an audience.
func (c *client) sendTo(a actor.Audience, p actor.Pick, data string) {
	var e wire.Envelope
	if r := e.Parse(fmt.Appendf(nil, `{"type":"message","data":%s}`, data)); r != nil {
		c.t.Error(r)
		return
	}
	s := wire.NewSuffixes(c.room, c.id)
	parts := actor.ForwardParts{Client: c.client, Frame: frame.Forward(&e, &s), Type: e.Type, Audience: a, Pick: p}
	_ = c.n.Do(parts.Forward())
}

// counts asks for the number of members and of those with a profile.
func (c *client) counts(members, alike int, profile string) {
	c.t.Helper()
	_ = c.n.Do(&actor.Count{Client: c.client, Frame: frame.Text([]byte(`{"type":"counted"}`)), Meta: []byte(profile)})
	m := c.until("count", func(m message) bool { return m.Type == "counted" })
	if m.Count != members || m.Alike != alike {
		c.t.Errorf("%s counts %d members and %d with the profile %s, want %d and %d", c.id, m.Count, m.Alike, profile, members, alike)
	}
}

// A message to all members of a room, or to any of them, reaches those of other nodes, and the
// count is of the members of all nodes; also when the room has moved.
func TestAudiences(t *testing.T) {
	m := newMemory()
	nodes := cluster(t, m, "a", "b", "c")
	room := roomOwnedBy(t, nodes["c"])
	ann, bob, cat := connect(t, nodes["a"]), connect(t, nodes["b"]), connect(t, nodes["a"])
	all := []*client{ann, bob, cat}
	for i, id := range []string{"ann", "bob", "cat"} {
		all[i].join(room, id, nil, false)
		all[i].until("itself", func(m message) bool { return m.Type == "room_members" })
	}
	_ = bob.n.Do(&actor.Update{Client: bob.client, Meta: []byte("true")})
	look := func(round int) {
		bob.counts(3, 1, "true") // his profile is known then
		for name, n := range nodes {
			// A node may not know for a moment who owns the room now.
			await(t, "node "+name+" counts 3 members, and 1 with the profile", func() bool {
				members, alike, err := n.Hub().Count(t.Context(), room, []byte("true"))
				return err == nil && members == 3 && alike == 1
			})
		}
		ann.counts(3, 2, "")
		ann.sendTo(actor.ToAll, actor.Pick{}, strconv.Itoa(round))
		for _, c := range all {
			got := c.until("message to all", func(m message) bool { return m.Type == "message" })
			if got.From != "ann" || string(got.Data) != strconv.Itoa(round) || got.Count != 3 {
				t.Errorf("round %d: %s got %+v", round, c.id, got)
			}
		}
		for nth := range uint64(3) {
			cat.sendTo(actor.ToAny, actor.Pick{Seed: 5, Nth: nth}, strconv.Itoa(round+1))
		}
		for _, c := range []*client{ann, bob} {
			if got := c.until("message to any", func(m message) bool { return m.Type == "message" }); string(got.Data) != strconv.Itoa(round+1) {
				t.Errorf("round %d: %s got %+v", round, c.id, got)
			}
		}
		// The third went to nobody: nothing else has come before the answer.
		for _, c := range all {
			c.counts(3, 1, "true")
			c.mu.Lock()
			n := 0
			for _, m := range c.all {
				if m.Type == "message" && string(m.Data) == strconv.Itoa(round+1) {
					n++
				}
			}
			c.mu.Unlock()
			if want := map[string]int{"ann": 1, "bob": 1}[c.id]; n != want {
				t.Errorf("round %d: %s got %d messages to any, want %d", round, c.id, n, want)
			}
		}
	}
	look(10)
	if err := nodes["c"].Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes["c"].Close()
	delete(nodes, "c")
	look(20)
	for _, c := range all {
		c.end()
	}
}

// pendingOf returns how many commands of a client its node keeps until they are carried out.
func (n *Node) pendingOf(c *client) (commands int) {
	n.call(n.toEdge, func() {
		if t := n.edge.clients[c.client]; t != nil {
			commands = len(t.pending.all())
		}
	})
	return commands
}

// A client that reads late gets what others say in a hurry, wherever they are, and one that does not
// read is closed.
func TestABurstFromAnotherNode(t *testing.T) {
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprint("reads ", reads), func(t *testing.T) {
			nodes := cluster(t, newMemory(), "a", "b", "c")
			room := roomOwnedBy(t, nodes["c"])
			ann, bob := connect(t, nodes["a"]), connect(t, nodes["b"])
			ann.join(room, "ann", nil, false)
			bob.join(room, "bob", nil, false)
			bob.sees("ann", "bob")
			ann.sees("ann", "bob")
			bob.late.Lock()
			const messages = 30
			long := strings.Repeat("x", 120_000)
			for i := range messages {
				ann.sendTo(actor.ToAll, actor.Pick{}, fmt.Sprintf(`"%d %s"`, i, long))
				// It may not have many under way.
				await(t, "the message is carried out", func() bool { return nodes["a"].pendingOf(ann) == 0 })
			}
			await(t, "three times what a queue may hold has come", func() bool { return bob.out.Backlog() > 3<<20 })
			if !reads {
				await(t, "it is closed as too slow", func() bool { return bob.out.CloseCode() == wire.CloseSlowConsumer })
				bob.late.Unlock()
				return
			}
			bob.late.Unlock()
			for i := range messages {
				got := bob.until("message", func(m message) bool { return m.Type == "message" })
				if want := fmt.Sprintf(`"%d %s"`, i, long); string(got.Data) != want {
					t.Fatalf("message %d is %.20s", i, got.Data)
				}
			}
		})
	}
}
