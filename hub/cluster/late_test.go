//go:build !race

package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// delays are the ways on which a command is held up that a client gives at a node, in a cluster
// where c owns its room. The client comes by another node meanwhile.
var delays = []struct {
	name        string
	node, other string
	hold        func(v *virtualCluster) (goOn func())
}{
	{"between the nodes", "a", "b", func(v *virtualCluster) func() { return v.block("a", "c") }},
	{"between the nodes, and the client comes to the owner", "a", "c", func(v *virtualCluster) func() { return v.block("a", "c") }},
	{"at its node", "a", "b", func(v *virtualCluster) func() { return v.hold("a") }},
	{"at the owner", "c", "b", func(v *virtualCluster) func() { return v.hold("c") }},
}

// block has nothing go from one node to another.
func (v *virtualCluster) block(from, to string) (goOn func()) {
	v.net.set(func() { v.net.blocked[[2]string{from, to}] = true })
	return func() { v.net.set(func() { clear(v.net.blocked) }) }
}

// hold has a node's edge stand still for what comes by it after this. What its hub does goes on.
func (v *virtualCluster) hold(name string) (goOn func()) {
	c := make(chan struct{})
	v.nodes[name].toEdge(func() { <-c })
	return func() { close(c) }
}

// A join is held up, and its client, which has given it up, joins by another node: the place
// stays with the connection that the client came by last, whether or not the node of the first
// knows that this has ended. Who comes later still has the place, by whatever node.
func TestLateJoin(t *testing.T) {
	for _, test := range delays {
		for _, known := range []bool{false, true} {
			name := test.name
			if known {
				name += ", and its end is known"
			}
			t.Run(name, func(t *testing.T) {
				virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
					room := v.roomOf("c")
					bob := connect(t, v.nodes["b"])
					if !bob.join(room, "bob", nil, false) {
						t.Fatal("not let in")
					}
					first, second, third := connect(t, v.nodes[test.node]), connect(t, v.nodes[test.other]), connect(t, v.nodes[test.node])
					first.key, second.key, third.key = "k", "k", "k"
					time.Sleep(100 * time.Millisecond)
					goOn := test.hold(v)
					in := first.joins(room, "ann", nil, true)
					time.Sleep(100 * time.Millisecond)
					if known {
						first.end()
					}
					if !second.join(room, "ann", nil, true) {
						t.Fatal("not let in at the other node")
					}
					bob.sees("ann", "bob")
					goOn()
					if <-in {
						t.Error("the join that came late has taken the place")
					}
					time.Sleep(time.Second)
					if codes := first.codes(); !known && !slices.Equal(codes, []string{"unavailable"}) {
						t.Errorf("the client was told %v", codes)
					}
					bob.send("ann", "1")
					second.until("the message", func(m message) bool { return string(m.Data) == "1" })
					if second.wasClosed() {
						t.Error("the connection that lives was closed")
					}
					if !third.join(room, "ann", nil, true) {
						t.Error("who comes last does not get the place")
					}
					second.isClosed(wire.CloseReplaced)
					for _, c := range []*client{first, second, third, bob} {
						c.end()
					}
					time.Sleep(window + time.Second)
				})
			})
		}
	}
}

// A resume is held up, and its client, which has given it up, resumes by another node after as
// many messages: the membership stays with the connection that the client came by last, and who
// resumes later has it.
func TestLateResume(t *testing.T) {
	for _, test := range delays {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomOf("c")
				lost := connect(t, v.nodes["b"])
				if !lost.join(room, "ann", nil, true) {
					t.Fatal("not let in")
				}
				joined := lost.until("joined", func(m message) bool { return m.Type == "joined" })
				lost.sees("ann")
				lost.end()
				first, second, third := connect(t, v.nodes[test.node]), connect(t, v.nodes[test.other]), connect(t, v.nodes[test.node])
				time.Sleep(100 * time.Millisecond)
				goOn := test.hold(v)
				out := first.asksToResume(lost, joined.Session)
				time.Sleep(100 * time.Millisecond)
				if !second.resume(lost, joined.Session) {
					t.Fatal("not resumed at the other node")
				}
				goOn()
				if (<-out).ID != "" {
					t.Error("the resume that came late has taken the membership")
				}
				time.Sleep(time.Second)
				if codes := first.codes(); !slices.Equal(codes, []string{"unavailable"}) {
					t.Errorf("the client was told %v", codes)
				}
				if second.wasClosed() {
					t.Error("the connection that lives was closed")
				}
				if !third.resume(lost, joined.Session) {
					t.Error("who comes last does not get the membership")
				}
				second.isClosed(wire.CloseReplaced)
				for _, c := range []*client{first, second, third} {
					c.end()
				}
				time.Sleep(window + time.Second)
			})
		})
	}
}

// A join is held up until the room has moved to another owner. That knows when the member
// came: whoever asked earlier is refused, and whoever asked later has the place. It is so for
// a member with a connection, and for one that has lost it with the owner before.
func TestLateJoinAfterMove(t *testing.T) {
	for _, test := range []struct {
		name  string
		at    string // the node of the member's connection
		later bool   // the join that is held up came later than the member
		kept  bool   // the owner before hands the member over
	}{
		{"earlier", "b", false, true}, {"later", "b", true, true}, {"earlier than one that has lost its connection", "c", false, true},
		{"earlier than one that cannot resume", "b", false, false}, {"later than one that cannot resume", "b", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomBetween("c", "b")
				held, member, again := connect(t, v.nodes["a"]), connect(t, v.nodes[test.at]), connect(t, v.nodes["b"])
				held.key, member.key = "k", "k"
				time.Sleep(100 * time.Millisecond)
				var in <-chan bool
				goOn := v.hold("a")
				join := func() {
					time.Sleep(100 * time.Millisecond)
					in = held.joins(room, "ann", nil, true)
					time.Sleep(100 * time.Millisecond)
				}
				if !test.later {
					join()
				}
				if !member.join(room, "ann", nil, test.kept) {
					t.Fatal("not let in")
				}
				joined := member.until("joined", func(m message) bool { return m.Type == "joined" })
				member.sees("ann")
				if test.later {
					join()
				}
				drained := make(chan error, 1)
				go func() { drained <- v.nodes["c"].Drain(t.Context()) }()
				time.Sleep(100 * time.Millisecond)
				if test.at == "c" {
					member.isClosed(wire.CloseGoingAway)
					member.end()
				}
				goOn()
				if got := <-in; got != test.later {
					t.Errorf("let in: %v", got)
				}
				if err := <-drained; err != nil {
					t.Fatal(err)
				}
				v.nodes["c"].Close()
				delete(v.nodes, "c")
				switch {
				case test.at == "c":
					if !again.resume(member, joined.Session) {
						t.Error("the member that was kept is lost")
					}
				case test.later:
					member.isClosed(wire.CloseReplaced)
				case member.wasClosed():
					t.Error("the connection that lives was closed")
				}
				for _, c := range []*client{held, member, again} {
					c.end()
				}
				time.Sleep(window + time.Second)
			})
		})
	}
}
