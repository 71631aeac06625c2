//go:build !race

package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// A node drains and a client takes long to answer the close frame: it misses nothing.
func TestDrainWithSlowClose(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("c")
		ann, mover := connect(t, v.nodes["a"]), connect(t, v.nodes["c"])
		ann.join(room, "ann", nil, false)
		mover.join(room, "mover", nil, true)
		joined := mover.until("joined", func(m message) bool { return m.Type == "joined" })
		ann.sees("ann", "mover")
		drained := make(chan error, 1)
		go func() { drained <- v.nodes["c"].Drain(t.Context()) }()
		mover.isClosed(wire.CloseGoingAway)
		for i := range 5 {
			time.Sleep(150 * time.Millisecond)
			ann.send("mover", strconv.Itoa(i))
		}
		time.Sleep(300 * time.Millisecond)
		mover.end() // only now has its close frame come
		if err := <-drained; err != nil {
			t.Error(err)
		}
		again := connect(t, v.nodes["b"])
		if !again.resume(mover, joined.Session) {
			t.Fatal("the session is lost")
		}
		time.Sleep(time.Second)
		if got := mover.texts() + again.texts(); got != "0 1 2 3 4 " {
			t.Errorf("the member has had %q", got)
		}
		ann.end()
		again.end()
		time.Sleep(window + time.Second)
	})
}

// A client that leaves while its node drains has left, whenever its word comes: nobody
// resumes that membership, and its id is free.
func TestLeaveCrossesDrain(t *testing.T) {
	for _, late := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond} {
		for _, drains := range []string{"a", "c"} { // an edge alone, and the owner of the room
			t.Run(fmt.Sprint(drains, " ", late), func(t *testing.T) {
				virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
					room := v.roomOf("c")
					ann, bob := connect(t, v.nodes[drains]), connect(t, v.nodes["b"])
					ann.join(room, "ann", nil, true)
					bob.join(room, "bob", nil, true)
					bob.sees("ann", "bob")
					drained := make(chan error, 1)
					go func() { drained <- v.nodes[drains].Drain(t.Context()) }()
					ann.isClosed(wire.CloseGoingAway)
					time.Sleep(late)
					_ = ann.n.Do(actor.Leave{Client: ann.client})
					ann.end()
					if err := <-drained; err != nil {
						t.Error(err)
					}
					begun := time.Now()
					bob.sees("bob")
					if waited := time.Since(begun); waited >= window/2 {
						t.Errorf("the member that has left was there for %s more", waited)
					}
					bob.end()
					time.Sleep(window + time.Second)
				})
			})
		}
	}
}

// A client that leaves can send only so much while the owner of the room does not answer.
func TestLeaverThatTalks(t *testing.T) {
	long := `"` + strings.Repeat("x", 60_000) + `"`
	for what, say := range map[string]func(c *client){
		"messages": func(c *client) { c.send("", long) },
		"profiles": func(c *client) { _ = c.n.Do(&actor.Update{Client: c.client, Meta: []byte(long)}) },
	} {
		t.Run(what, func(t *testing.T) { leaverThatTalks(t, len(long), say) })
	}
}

func leaverThatTalks(t *testing.T, size int, say func(c *client)) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		ann := connect(t, v.nodes["a"])
		if !ann.join(v.roomOf("b"), "ann", nil, true) {
			t.Fatal("not let in")
		}
		v.net.set(func() { v.net.blocked[[2]string{"b", "a"}] = true })
		_ = v.nodes["a"].Do(actor.Leave{Client: ann.client})
		for range 40 {
			say(ann)
		}
		n, waiting, commands := v.nodes["a"], 0, 0
		n.call(n.toEdge, func() {
			for _, t := range n.edge.clients {
				waiting += t.deferredBytes
				commands += len(t.deferred)
			}
		})
		if most := 1<<20 + 2*size; waiting > most || commands*size > most {
			t.Errorf("%d bytes wait, in %d commands", waiting, commands)
		}
		v.await("the connection is closed", func() bool {
			ann.mu.Lock()
			defer ann.mu.Unlock()
			return ann.closed == wire.CloseSlowConsumer
		})
		v.net.set(func() { clear(v.net.blocked) })
		ann.end()
		v.await("the connection is forgotten", func() bool { return n.connections.Load() == 0 })
	})
}

// A client leaves and joins again, and its membership is ended before the owner has read the
// leave: the join has an answer all the same, and nothing waits for ever.
func TestRemovedWhileLeaving(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("b")
		ann := connect(t, v.nodes["a"])
		if !ann.join(room, "ann", nil, true) {
			t.Fatal("not let in")
		}
		v.net.set(func() { v.net.blocked[[2]string{"a", "b"}] = true })
		_ = v.nodes["a"].Do(actor.Leave{Client: ann.client})
		done := make(chan bool, 1)
		_ = v.nodes["a"].Do(&actor.Join{Client: ann.client, Room: room, ID: "ann", Welcome: frame.Text([]byte(`{}`)), Done: done})
		if err := v.nodes["b"].present().CarryOut(t.Context(), &actor.Kick{Order: actor.Order{Room: room}, To: "ann"}); err != nil {
			t.Fatal(err)
		}
		select {
		case in := <-done:
			if in {
				t.Error("let in, though removed")
			}
		case <-time.After(time.Second):
			t.Error("the join has no answer")
		}
		v.net.set(func() { clear(v.net.blocked) })
		ann.end()
		v.await("the connection is forgotten", func() bool { return v.nodes["a"].connections.Load() == 0 })
	})
}

// A client leaves a room of its own node while that is cut off from the register, and what the
// node has for it waits: it comes when the node is back.
func TestLeavesWhileCutOff(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		ann := connect(t, v.nodes["a"])
		if !ann.join(v.roomOf("a"), "ann", nil, true) {
			t.Fatal("not let in")
		}
		v.net.set(func() { v.net.cut["a"] = true })
		time.Sleep(leaseTime + renewTime)
		_ = v.nodes["a"].Do(actor.Leave{Client: ann.client})
		time.Sleep(10 * time.Second)
		v.net.back("a")
		v.await("the nodes are back", v.ready)
		v.await("the connection is closed, or can join again", func() bool {
			ann.mu.Lock()
			closed := ann.closed
			ann.mu.Unlock()
			return closed != 0 || ann.join(v.roomOf("a"), "ann", nil, true)
		})
		ann.end()
	})
}
