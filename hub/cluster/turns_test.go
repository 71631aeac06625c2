//go:build !race

package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// roomBetween returns a room that one node owns, and another would own if it died.
func (v *virtualCluster) roomBetween(owner, next string) (room string) {
	v.t.Helper()
	var others []string
	for name := range v.nodes {
		if name != owner {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	after := place(others)
	for i := range 1000 {
		room = fmt.Sprint("room ", i)
		p := PartitionOf(room)
		owns := false
		v.nodes[owner].call(v.nodes[owner].post, func() { owns = v.nodes[owner].control.owner.parts[p].state == partReady })
		if owns && after.owners[p] == next {
			return room
		}
	}
	v.t.Fatal("there is no such room")
	return ""
}

// A client joins again and takes the place of its former connection, whose end its node can't
// tell the owner, and the owner dies: the next one keeps the membership that lives, though it
// hears of the other first.
func TestTheLastJoinLives(t *testing.T) {
	for _, next := range []string{"a", "b"} {
		t.Run(next, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				room := v.roomBetween("c", next)
				first, second, bob := connect(t, v.nodes["b"]), connect(t, v.nodes["a"]), connect(t, v.nodes["a"])
				first.key, second.key = "k", "k"
				if !first.join(room, "ann", nil, false) || !bob.join(room, "bob", nil, true) {
					t.Fatal("not let in")
				}
				v.net.set(func() { v.net.blocked[[2]string{"b", "c"}], v.net.blocked[[2]string{"c", "b"}] = true, true })
				first.end()
				if !second.join(room, "ann", nil, true) {
					t.Fatal("the client does not get its place")
				}
				v.nodes["c"].Close()
				delete(v.nodes, "c")
				v.await("the others own all", v.ready)
				bob.send("ann", "1")
				second.until("the message", func(m message) bool { return string(m.Data) == "1" })
				if second.wasClosed() || len(bob.codes()) > 0 {
					t.Errorf("the connection that lives was closed: %v; answers %v", second.wasClosed(), bob.codes())
				}
				second.end()
				bob.end()
				time.Sleep(window + time.Second)
			})
		})
	}
}

// A connection whose place was taken over lives, since its owner died before it could say so:
// the next owner does.
func TestTakenOverConnectionIsClosed(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomBetween("c", "b")
		first, second := connect(t, v.nodes["b"]), connect(t, v.nodes["a"])
		first.key, second.key = "k", "k"
		if !first.join(room, "ann", nil, true) {
			t.Fatal("not let in")
		}
		v.net.set(func() { v.net.blocked[[2]string{"b", "c"}], v.net.blocked[[2]string{"c", "b"}] = true, true })
		if !second.join(room, "ann", nil, true) {
			t.Fatal("the client does not get its place")
		}
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		first.isClosed(wire.CloseReplaced)
		if second.wasClosed() {
			t.Error("the connection that lives was closed")
		}
		first.end()
		second.end()
		time.Sleep(window + time.Second)
	})
}

// A member whose connection is lost is kept for the resume window, and not for longer however
// often its room moves meanwhile.
func TestWindowOutlivesMoves(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomBetween("c", "b")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["a"])
		if !ann.join(room, "ann", nil, true) || !bob.join(room, "bob", nil, true) {
			t.Fatal("not let in")
		}
		bob.sees("ann", "bob")
		ann.end()
		begun := time.Now()
		for _, name := range []string{"c", "b"} {
			time.Sleep(window / 4)
			if err := v.nodes[name].Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.nodes[name].Close()
			delete(v.nodes, name)
		}
		bob.sees("bob")
		if kept := time.Since(begun); kept < window || kept > window+window/8 {
			t.Errorf("the member was kept for %s", kept)
		}
		bob.end()
		time.Sleep(window + time.Second)
	})
}

// A hand-over counts for the epoch that it is for, and for no other.
func TestInheritanceOfAnotherEpoch(t *testing.T) {
	member := func() (*inheritance, *remote) {
		out := &remote{limit: 1 << 20, lost: true, resumable: true, seen: actor.NewSeen(window)}
		out.Send(frame.Text([]byte(`{}`)), 0)
		return &inheritance{Exported: actor.Exported{Members: []actor.Membership{{Room: "r", ID: "a", Session: actor.NewSession(0), Out: out}}}}, out
	}
	for _, test := range []struct {
		name         string
		part         part
		epoch        uint64
		kept, passed bool
	}{
		{"the next", part{epoch: 4}, 5, true, true},
		{"one that is over", part{epoch: 5}, 5, false, false},
		{"an earlier one", part{epoch: 5, state: partRecovering}, 4, false, false},
		{"a later one than we own", part{epoch: 4, state: partRecovering}, 6, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := &Node{options: Options{Logger: zap.NewNop()}}
			o := newOwner(n)
			o.hub = actor.New(actor.Options{ResumeWindow: window})
			defer o.hub.Close()
			in, out := member()
			in.epoch = test.epoch
			o.parts[0] = test.part
			o.inherit(0, in)
			if kept := out.Backlog() > 0; kept != test.kept {
				t.Errorf("kept %v", kept)
			}
			if test.part.state == partNone {
				o.own(0, 5)
			} else {
				o.checkReady(0)
			}
			rooms, err := o.hub.Rooms(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if passed := len(rooms) > 0; passed != test.passed {
				t.Errorf("the hub has its members: %v", passed)
			}
			o.overruled(0, 6)
			if !test.passed && out.Backlog() > 0 {
				t.Error("what nobody takes is kept")
			}
		})
	}
}

// Nodes of the version before and of this one have members in one room, which moves from one
// to the other: nobody misses anything, also who resumes.
func TestVersionsTogether(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		old, err := New(Options{
			Name: "c", Backplane: v.net.join("c"), QueueBytes: 1 << 20, Logger: v.logger, wire: wireMax - 1,
			Hub: hub.Options{ResumeWindow: window},
		})
		if err != nil {
			t.Fatal(err)
		}
		v.nodes["c"] = old
		v.await("all are ready", v.ready)
		time.Sleep(5 * time.Second)
		for _, owner := range []string{"a", "c"} {
			room := v.roomOf(owner)
			ann, bob, cid := connect(t, v.nodes["b"]), connect(t, v.nodes["b"]), connect(t, v.nodes["b"])
			if owner == "a" {
				cid = connect(t, v.nodes["c"])
			}
			for id, c := range map[string]*client{"ann": ann, "bob": bob, "cid": cid} {
				if !c.join(room, id, nil, true) {
					t.Fatal("not let in")
				}
			}
			joined := bob.until("joined", func(m message) bool { return m.Type == "joined" })
			bob.sees("ann", "bob", "cid")
			bob.end()
			time.Sleep(100 * time.Millisecond)
			ann.send("", "1")
			if err := v.nodes[owner].Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.nodes[owner].Close()
			delete(v.nodes, owner)
			ann.send("", "2")
			cid.until("2", func(m message) bool { return string(m.Data) == "2" })
			again := connect(t, v.nodes["b"])
			if !again.resume(bob, joined.Session) {
				t.Fatal("the session is lost")
			}
			again.until("2", func(m message) bool { return string(m.Data) == "2" })
			if had := again.texts() + cid.texts(); had != "1 2 1 2 " {
				t.Errorf("they have had %q", had)
			}
			for _, c := range []*client{ann, again, cid} {
				c.end()
			}
			time.Sleep(window + time.Second)
			v.start(owner)
			v.await("all are ready", v.ready)
			time.Sleep(5 * time.Second)
		}
	})
}

// A client gives up a join or a resume at a node that stands still, and comes by another: what
// it has given up is not begun when the node goes on.
func TestGivenUpIsNotBegun(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("b")
		lost := connect(t, v.nodes["b"])
		if !lost.join(room, "bob", nil, true) {
			t.Fatal("not let in")
		}
		joined := lost.until("joined", func(m message) bool { return m.Type == "joined" })
		lost.sees("bob")
		lost.end()
		n := v.nodes["a"]
		joins, resumes := connect(t, n), connect(t, n)
		goesOn := make(chan struct{})
		n.toEdge(func() { <-goesOn })
		welcome := frame.Text((&wire.Joined{Room: room, From: "ann"}).Text())
		in, out := make(chan bool, 1), make(chan actor.Resumed, 1)
		_ = n.Do(&actor.Join{Client: joins.client, Room: room, ID: "ann", Key: "k", Welcome: welcome, Done: in})
		_ = n.Do(&actor.Resume{Client: resumes.client, Session: joined.Session, Received: 2, Done: out})
		joins.end()
		resumes.end()
		second, again := connect(t, v.nodes["b"]), connect(t, v.nodes["b"])
		second.key = "k"
		if !second.join(room, "ann", nil, true) || !again.resume(lost, joined.Session) {
			t.Fatal("not let in at the other node")
		}
		close(goesOn)
		if <-in || (<-out).ID != "" {
			t.Error("what was given up was begun")
		}
		time.Sleep(time.Second)
		if second.wasClosed() || again.wasClosed() {
			t.Error("the connection that lives has lost its place to one that was given up")
		}
		second.end()
		again.end()
		time.Sleep(window + time.Second)
	})
}
