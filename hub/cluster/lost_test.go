//go:build !race

package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// A node whose renewals come as late as its lease allows lives, and one that is not reached
// though it lives is not reached until its link moves: what a slow register does to single
// renewals changes nothing about that. Whoever has not lived since is dead perhaps.
func TestNotReachedUntilTheLinkMoves(t *testing.T) {
	now := time.Now()
	l := newLink(&link{node: "b"})
	l.write(func(w *writer) { w.b = append(w.b, recMeta) })
	l.moved = now.Add(-stuckTime - time.Second)
	b := &nodeView{link: l}
	c := &control{n: &Node{options: Options{Name: "a"}}, nodes: map[string]*nodeView{"b": b}}
	for _, step := range []struct {
		what  string
		quiet time.Duration // since its last renewal
		moves bool
		stuck bool
	}{
		{"no renewal for longer than a lease", leaseTime, false, false},
		{"a renewal that comes late", leaseTime - time.Millisecond, false, true},
		{"no renewal for longer than a lease, after that", leaseTime, false, true},
		{"the link moves", 0, true, false},
	} {
		b.seen = now.Add(-step.quiet)
		if step.moves {
			l.moved = now
		}
		if stuck := len(c.stuck(now)) == 1; stuck != step.stuck {
			t.Errorf("%s: not reached %v", step.what, stuck)
		}
	}
}

// A renewal counts from when the register told it: a node that has much else to do does not
// take a dead one for one that lives.
func TestRenewalsCountFromWhenTheyCome(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		n := v.nodes["a"]
		n.post(func() { time.Sleep(2 * time.Second) })
		time.Sleep(renewTime)
		v.nodes["b"].Close()
		delete(v.nodes, "b")
		died := time.Now()
		time.Sleep(2 * time.Second)
		n.call(n.post, func() {
			if late := n.control.nodes["b"].seen.Sub(died); late > 10*time.Millisecond {
				t.Errorf("its last renewal came %s after it died", late)
			}
		})
	})
}

// Whoever would come in by what was on its way from an owner when that took this node for lost
// is not in: the owner has ended that membership.
func TestComesInWhileTakenForLost(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		n, room := v.nodes["a"], v.roomOf("b")
		ann := connect(t, n)
		v.net.set(func() { v.net.blocked[[2]string{"a", "b"}] = true })
		done := make(chan bool, 1)
		welcome := frame.Text((&wire.Joined{Room: room, From: "ann"}).Text())
		_ = n.Do(&actor.Join{Client: ann.client, Room: room, ID: "ann", Welcome: welcome, Done: done})
		time.Sleep(time.Second)
		n.call(n.post, func() {
			l := n.control.nodes["b"].link
			n.call(n.toEdge, func() {
				n.edge.takenForLost([]*link{l, n.control.nodes["a"].link})
				for key := range n.edge.keys {
					n.edge.take(recordsOf(l, joinedRecord(key)))
				}
			})
			n.control.fenced(time.Time{})
		})
		if len(done) > 0 {
			t.Error("a client is in by the word of an owner that has given it up")
		}
		v.net.set(func() { clear(v.net.blocked) })
		if in := <-done; !in {
			t.Error("the next owner does not let it in")
		}
		ann.end()
		v.await("the connection is forgotten", func() bool { return n.connections.Load() == 0 })
	})
}

// joinedRecord is what an owner sends to a client that it lets in.
func joinedRecord(key uint64) []byte {
	f := frame.Text([]byte(`{"type":"joined"}`))
	f.Origin = frame.Origin{Key: key, Seq: 1}
	l := newLink(&link{version: wireMax})
	l.deliver(frameHead{key: key, begins: true}, f)
	return l.chunks[0].b[headerBytes+lengthBytes:]
}

// Nobody sees what the hub of a node did after its lease had run out, when the node has a
// lease again, as another incarnation, however late its edge hears of that.
func TestNextLeaseShowsNothingOfTheLast(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		n, room := v.nodes["a"], v.roomOf("a")
		ann, bob := connect(t, n), connect(t, n)
		if !ann.join(room, "ann", nil, true) || !bob.join(room, "bob", nil, true) {
			t.Fatal("not let in")
		}
		before := n.holder.Load()
		v.net.set(func() { v.net.swallowed["a"] = 1000 })
		for n.available() {
			time.Sleep(10 * time.Millisecond)
		}
		bob.send("ann", "1")
		time.Sleep(10 * time.Millisecond)
		goesOn := make(chan struct{})
		n.toEdge(func() { <-goesOn })
		time.Sleep(fenceTime)
		v.net.set(func() { v.net.swallowed["a"] = 0 })
		for !n.available() || n.holder.Load() == before {
			time.Sleep(10 * time.Millisecond)
		}
		ann.out.Flush()
		time.Sleep(10 * time.Millisecond)
		if got := ann.texts(); got != "" {
			t.Errorf("the client has had %q of an owner that was none", got)
		}
		close(goesOn)
		ann.isClosed(wire.CloseGoingAway)
		ann.end()
		bob.end()
		v.await("the connections are forgotten", func() bool { return n.connections.Load() == 0 })
	})
}

// A client can send only so much behind its leave while the hub of its node is busy: then its
// connection is closed.
func TestLocalLeaverThatTalks(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		n := v.nodes["a"]
		ann := connect(t, n)
		if !ann.join(v.roomOf("a"), "ann", nil, true) {
			t.Fatal("not let in")
		}
		goesOn := v.stop("a")
		_ = n.Do(actor.Leave{Client: ann.client})
		meta := []byte(`"` + strings.Repeat("x", 60_000) + `"`)
		for range 40 {
			_ = n.Do(&actor.Update{Client: ann.client, Meta: meta})
		}
		waiting, commands := 0, 0
		n.call(n.toEdge, func() {
			for _, t := range n.edge.clients {
				waiting += t.behindBytes
				commands += len(t.behind)
			}
		})
		if most := 1<<20 + 2*len(meta); waiting > most || commands*len(meta) > most {
			t.Errorf("%d bytes wait in %d commands", waiting, commands)
		}
		ann.isClosed(wire.CloseSlowConsumer)
		ann.end()
		close(goesOn)
		v.await("the connection is forgotten", func() bool { return n.connections.Load() == 0 })
	})
}

// An owner without a lease holds back only so much for members of its own node: past it
// senders are refused. The rest comes when the lease is good again.
func TestHeldBackIsBounded(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomBetween("c", "a")
		n := v.nodes["a"]
		bob := connect(t, v.nodes["b"])
		if !bob.join(room, "bob", nil, true) {
			t.Fatal("not let in")
		}
		var all []*client
		for i := range 8 {
			c := connect(t, n)
			if !c.join(room, fmt.Sprint("m", i), nil, true) {
				t.Fatal("not let in")
			}
			all = append(all, c)
		}
		if err := v.nodes["c"].Drain(t.Context()); err != nil { // their room is their node's now, and they are not local
			t.Fatal(err)
		}
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		v.await("the others own all", v.ready)
		n.call(n.post, func() { n.control.nodes["a"].link.limit, n.options.LinkBytes = 1<<20, 1<<20 })
		long := `"` + strings.Repeat("x", 60_000) + `"`
		for until := n.validUntil.Load(); n.validUntil.Load() == until; {
			time.Sleep(time.Millisecond)
		}
		n.validUntil.Store(0) // until the next renewal
		for i := range 80 {
			bob.send(all[i%8].id, long)
			time.Sleep(5 * time.Millisecond)
		}
		if n.available() {
			t.Fatal("the lease is good again too early")
		}
		if held := n.edge.heldBytes.Load(); held > 1<<20+2*packetBytes {
			t.Errorf("%d bytes are held", held)
		}
		if codes := bob.codes(); !slices.Contains(codes, "unavailable") {
			t.Errorf("the sender was answered %v", codes)
		}
		v.await("what was not refused comes", func() bool {
			come := 0
			for _, c := range all {
				come += strings.Count(c.texts(), `x" `)
			}
			return come == 80-len(bob.codes())
		})
		if held := n.edge.heldBytes.Load(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
		for _, c := range append(all, bob) {
			c.end()
		}
		time.Sleep(window + time.Second)
	})
}
