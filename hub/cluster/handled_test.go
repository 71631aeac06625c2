//go:build !race

package cluster

import (
	"slices"
	"testing"
	"time"
)

// A client is told that its message was handled only when it has arrived where its receivers
// are. Before that its owner may die, and the client resumes by another node: the message comes
// once, or the client is told that its session has ended.
func TestHandledOutlivesItsOwner(t *testing.T) {
	virtual(t, []string{"a", "b", "c", "d"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("c")
		ann, bob, again := connect(t, v.nodes["a"]), connect(t, v.nodes["b"]), connect(t, v.nodes["d"])
		if !ann.join(room, "ann", nil, true) || !bob.join(room, "bob", nil, true) {
			t.Fatal("not let in")
		}
		joined := ann.until("joined", func(m message) bool { return m.Type == "joined" })
		ann.sees("ann", "bob")
		bob.sees("ann", "bob")
		time.Sleep(time.Second)
		goOn := v.block("c", "b")
		ann.send("bob", "1")
		time.Sleep(100 * time.Millisecond)
		ann.end()
		time.Sleep(100 * time.Millisecond)
		resumed := again.asksToResume(ann, joined.Session)
		time.Sleep(500 * time.Millisecond)
		v.net.set(func() { v.net.cut["c"] = true })
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		goOn()
		r := <-resumed
		again.room, again.id = r.Room, r.ID
		if r.Handled == 1 {
			again.send("bob", "1") // as a client does
		}
		time.Sleep(10 * time.Second)
		if expired := slices.Contains(again.codes(), "session_expired"); expired != (r.ID == "") {
			t.Errorf("resumed %+v; told that the session has expired: %v", r, expired)
		}
		if got := bob.texts(); r.ID != "" && got != "1 " {
			t.Errorf("bob had %q", got)
		}
		for _, c := range []*client{ann, bob, again} {
			c.end()
		}
		time.Sleep(window + time.Second)
	})
}

// An owner delivers a message and dies before its sender's node knows: that node has the next
// owner carry it out again, and the receiver does not get it twice.
func TestDeliveredIsNotDeliveredAgain(t *testing.T) {
	for _, resumable := range []bool{true, false} {
		virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
			room := v.roomOf("c")
			ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
			if !ann.join(room, "ann", nil, true) || !bob.join(room, "bob", nil, resumable) {
				t.Fatal("not let in")
			}
			ann.sees("ann", "bob")
			bob.sees("ann", "bob")
			time.Sleep(time.Second)
			goOn := v.block("c", "a")
			ann.send("bob", "1")
			bob.until("the message", func(m message) bool { return string(m.Data) == "1" })
			v.nodes["c"].Close()
			delete(v.nodes, "c")
			goOn()
			time.Sleep(10 * time.Second)
			ann.send("bob", "2")
			bob.until("the next", func(m message) bool { return string(m.Data) == "2" })
			if got := bob.texts(); got != "1 2 " {
				t.Errorf("resumable %v: bob had %q", resumable, got)
			}
			ann.end()
			bob.end()
			time.Sleep(window + time.Second)
		})
	}
}
