//go:build !race

package cluster

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// A node whose control, edge or hub is busy for longer than a lease lasts keeps its lease: it is
// not taken for lost.
func TestBusyNodeIsNotLost(t *testing.T) {
	const long = leaseTime + 1900*time.Millisecond
	for name, stall := range map[string]func(n *Node){
		"control": func(n *Node) { n.post(func() { time.Sleep(long) }) },
		"edge":    func(n *Node) { n.toEdge(func() { time.Sleep(long) }) },
		"hub":     func(n *Node) { _ = n.present().Do(&actor.Batch{After: func(uint64) { time.Sleep(long) }}) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
				stall(v.nodes["a"])
				for end := time.Now().Add(2 * long); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
					if !v.nodes["a"].available() {
						t.Fatal("its lease has run out")
					}
				}
				if n := v.logged.FilterMessage(EventFenced).Len(); n > 0 {
					t.Error("it was taken for lost")
				}
				v.await("all are ready", v.ready)
			})
		})
	}
}

// With a register that takes between 0.7 and 1.5 s for a write, a node that
// dies is taken for lost nearly as soon as ever.
func TestSlowRegisterFindsTheDead(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.net.set(func() {
			v.net.putTime, v.net.putDelay, v.net.watchDelay = 350*time.Millisecond, 400*time.Millisecond, 100*time.Millisecond
		})
		time.Sleep(10 * time.Second)
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		time.Sleep(fenceTime + 4*time.Second)
		if n := v.logged.FilterMessage(EventNodeDown).Len(); n != 2 {
			t.Errorf("%d of two nodes know that the third is dead", n)
		}
	})
}

// What was said on one link is confirmed although another node is not reached: it has had no
// effect there.
func TestConfirmationsWaitForNobodyElse(t *testing.T) {
	virtual(t, []string{"a", "b", "c", "d"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("c")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
		if !ann.join(room, "ann", nil, true) || !bob.join(room, "bob", nil, true) {
			t.Fatal("not let in")
		}
		ann.sees("ann", "bob")
		time.Sleep(time.Second)
		goOn := v.block("c", "d")
		c := v.nodes["c"]
		c.call(c.post, func() {
			l := c.control.nodes["d"].link
			l.write(func(w *writer) { w.b = append(w.b, recConfirm, 0) })
			l.flush()
		})
		ann.send("bob", "1")
		time.Sleep(time.Second)
		a := v.nodes["a"]
		a.call(a.toEdge, func() {
			for _, t2 := range a.edge.clients {
				if len(t2.pending.all()) > 0 {
					t.Errorf("%d commands wait", len(t2.pending.all()))
				}
			}
		})
		goOn()
		ann.end()
		bob.end()
		time.Sleep(window + time.Second)
	})
}
