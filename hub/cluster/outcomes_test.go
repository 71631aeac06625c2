//go:build !race

package cluster

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// Nodes of neighbouring versions work together; one that is too new is told from the log,
// and nobody waits for it.
func TestVersions(t *testing.T) {
	for _, test := range []struct {
		name     string
		min, max int
		linked   bool
	}{{"before", wireMin, wireMin, true}, {"next", wireMin, wireMax + 1, true}, {"too far", wireMax + 1, wireMax + 2, false}} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, []string{"a"}, func(t *testing.T, v *virtualCluster) {
				port := v.net.join("z")
				if err := port.Start(func([]byte) {}, func(Entry) {}, func() {}); err != nil {
					t.Fatal(err)
				}
				defer port.Close()
				b, _ := json.Marshal(nodeEntry{Incarnation: 1, State: "draining", Beat: 1, Min: test.min, Max: test.max})
				if _, err := port.Put(t.Context(), nodeKey("z"), b, 0); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				a := v.nodes["a"]
				linked := false
				a.call(a.post, func() { linked = a.control.nodes["z"].link != nil })
				if linked != test.linked {
					t.Errorf("linked %v, want %v", linked, test.linked)
				}
				if told := v.logged.FilterMessage(EventVersion).Len(); (told == 1) == test.linked {
					t.Errorf("the log has %d lines about the version", told)
				}
				if !test.linked && !a.Ready() {
					t.Error("a node waits for one that it does not work with")
				}
			})
		})
	}
}

// Of two nodes that live and do not reach each other one leaves within a stated time, and
// the rooms of a third that dies go on.
func TestNodesThatDoNotReachEachOther(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.net.set(func() {
			v.net.blocked[[2]string{"a", "b"}], v.net.blocked[[2]string{"b", "a"}] = true, true
		})
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		begun := time.Now()
		v.await("a knows that c is dead", func() bool { return !v.nodes["a"].Ready() })
		v.await("a is ready", v.nodes["a"].Ready)
		if waited := time.Since(begun); waited > fenceTime+yieldTime+2*time.Second {
			t.Errorf("it took %s", waited)
		}
		if v.nodes["b"].available() {
			t.Error("none of the two has left")
		}
	})
}

// A hand-over larger than a packet arrives: a partition with more kept for its members than
// any broker takes at once is handed over.
func TestLargeHandOver(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("b")
		var all []*client
		for i := range 12 {
			c := connect(t, v.nodes["a"])
			c.join(room, fmt.Sprint("m", i), nil, true)
			all = append(all, c)
		}
		big := `"` + strings.Repeat("x", 60<<10) + `"`
		for i := range 14 {
			all[i%12].send("", big)
			time.Sleep(50 * time.Millisecond)
		}
		begun := time.Now()
		if err := v.nodes["b"].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the node left after %s", took)
		}
		v.nodes["b"].Close()
		delete(v.nodes, "b")
		all[0].send("", `"last"`)
		all[1].until("the last message", func(m message) bool { return string(m.Data) == `"last"` })
		for _, c := range all {
			c.end()
		}
		time.Sleep(window + time.Second)
	})
}

// A client resumes, its room moves, and it resumes again before it has answered a ping: it
// misses nothing and has nothing twice.
func TestResumeMoveResume(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("c")
		ann, first := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
		ann.join(room, "ann", nil, false)
		first.join(room, "bob", nil, true)
		joined := first.until("joined", func(m message) bool { return m.Type == "joined" })
		first.sees("ann", "bob")
		first.end()
		time.Sleep(100 * time.Millisecond)
		second := connect(t, v.nodes["b"])
		if !second.resume(first, joined.Session) {
			t.Fatal("the first resume")
		}
		second.sees("ann", "bob")
		if err := v.nodes["c"].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		ann.send("bob", "1")
		second.until("1", func(m message) bool { return string(m.Data) == "1" })
		second.end()
		time.Sleep(200 * time.Millisecond)
		ann.send("bob", "2")
		ann.send("bob", "3")
		time.Sleep(200 * time.Millisecond)
		second.mu.Lock()
		second.all = append(append([]message{}, first.all...), second.all...)
		second.mu.Unlock()
		third := connect(t, v.nodes["a"])
		if !third.resume(second, joined.Session) {
			t.Fatal("the second resume")
		}
		time.Sleep(200 * time.Millisecond)
		if got := third.texts(); got != "2 3 " {
			t.Errorf("the member missed 2 3 and has had %q", got)
		}
		ann.end()
		third.end()
		time.Sleep(window + time.Second)
	})
}

// A command that the owner has not carried out is not confirmed, whatever comes behind it: when the
// owner dies the next one carries it out.
func TestNothingIsConfirmedTooEarly(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("c")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
		ann.join(room, "ann", nil, true)
		bob.join(room, "bob", nil, false)
		ann.sees("ann", "bob")
		bob.sees("ann", "bob")
		time.Sleep(time.Second)
		goesOn := v.stop("c")
		ann.send("bob", "1")
		ann.send("nobody", "2")
		time.Sleep(20 * time.Millisecond)
		v.nodes["a"].Acknowledged(ann.client)
		time.Sleep(300 * time.Millisecond)
		v.net.set(func() { v.net.cut["c"] = true })
		close(goesOn)
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		time.Sleep(10 * time.Second)
		if got := bob.texts(); got != "1 " {
			t.Errorf("bob had %q", got)
		}
		if codes := ann.codes(); len(codes) != 1 || codes[0] != "target_not_found" {
			t.Errorf("ann was answered %v", codes)
		}
		ann.end()
		bob.end()
		time.Sleep(window + time.Second)
	})
}

// A list of which a node can't tell its part is an error, and not a shorter list.
func TestListsLackNoNode(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		if list, err := v.nodes["a"].Nodes(t.Context()); err != nil || len(list) != 2 {
			t.Fatalf("%v: %v", list, err)
		}
		v.nodes["b"].present().Close()
		if list, err := v.nodes["a"].Rooms(t.Context()); err == nil {
			t.Errorf("a list without a node: %v", list)
		}
	})
}

// A node may go on after its lease has run out, as a process that was stopped does when it
// goes on. Its own members see nothing of that either.
func TestNothingIsSeenAfterTheLease(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		room := v.roomOf("a")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["a"])
		ann.join(room, "ann", nil, false)
		bob.join(room, "bob", nil, false)
		bob.sees("ann", "bob")
		goesOn := v.stop("a")
		ann.send("bob", "1")
		v.net.set(func() { v.net.cut["a"] = true })
		v.await("the lease runs out", func() bool { return !v.nodes["a"].available() })
		close(goesOn)
		time.Sleep(100 * time.Millisecond)
		if got := bob.texts(); got != "" {
			t.Errorf("bob had %q of a node without a lease", got)
		}
		time.Sleep(5 * time.Second)
		v.net.back("a")
		bob.isClosed(wire.CloseGoingAway)
		if got := bob.texts(); got != "" {
			t.Errorf("bob had %q", got)
		}
		ann.end()
		bob.end()
		time.Sleep(time.Second)
	})
}

// Batches that wait for a link that was closed a moment before are confirmed all the same.
func TestConfirmationsOfAClosedLink(t *testing.T) {
	edge, dead := newLink(&link{}), newLink(&link{})
	dead.write(func(w *writer) { w.b = append(w.b, recMeta) })
	needs := []position{{dead, dead.mark()}}
	dead.close()
	var c confirmations
	c.drop(dead)
	confirmed := 0
	c.add(edge, needs, func() { confirmed++ })
	c.add(edge, nil, func() { confirmed++ })
	if confirmed != 2 {
		t.Errorf("%d of 2 packets are confirmed", confirmed)
	}
}

// The last records of a node may be read after it was taken for gone: it owns nothing any more.
func TestLastWordsOfAGoneNode(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		n := v.nodes["b"]
		var l *link
		n.call(n.post, func() { l = n.control.nodes["a"].link })
		v.nodes["a"].Close()
		delete(v.nodes, "a")
		v.await("b owns all", func() bool {
			owned := 0
			n.call(n.toEdge, func() {
				for p := range n.edge.parts {
					if part := &n.edge.parts[p]; part.ready && part.owner.peer == part.owner.own {
						owned++
					}
				}
			})
			return owned == Partitions
		})
		for p := range Partitions {
			w := writer{b: make([]byte, lengthBytes)}
			w.b = append(w.b, recOwn)
			w.number(uint64(p))
			w.number(1000)
			binary.LittleEndian.PutUint32(w.b, uint32(len(w.b)-lengthBytes))
			n.deliver(l, 1, w.b)
		}
		wrong := 0
		n.call(n.toEdge, func() {
			for p := range n.edge.parts {
				if part := &n.edge.parts[p]; part.owner == l || part.next == l {
					wrong++
				}
			}
		})
		if wrong > 0 {
			t.Errorf("%d partitions go to a node that is gone", wrong)
		}
	})
}
