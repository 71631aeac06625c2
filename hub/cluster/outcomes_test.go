//go:build !race

package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// A process that has the name of a node that lives refuses to go on, and disturbs nobody.
func TestNameOfALiveNode(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		second, err := New(Options{Name: "a", Backplane: v.net.join("a"), QueueBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		select {
		case err := <-second.Failed():
			if !errors.Is(err, ErrNameTaken) {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the second process of a name goes on")
		}
		if second.available() || !v.nodes["a"].available() {
			t.Error("the second process has the lease")
		}
	})
}

// A node that is killed and comes back at once under its name waits until its lease has run
// out, and is in again.
func TestNameOfADeadNode(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		v.nodes["a"].Close()
		begun := time.Now()
		v.start("a")
		v.await("it is ready", v.ready)
		if waited := time.Since(begun); waited < leaseTime-renewTime || waited > 10*time.Second {
			t.Errorf("it was in again after %s", waited)
		}
	})
}

// catchingUp is a backplane whose register tells what an entry said before, at the pace at
// which it was written, and only then what it says.
type catchingUp struct {
	*port
	past []Entry
}

func (c *catchingUp) Start(receive func([]byte), changed func(Entry), renewed func()) error {
	var mu sync.Mutex
	var now []Entry
	late := true
	go func() {
		for _, e := range c.past {
			changed(e)
			time.Sleep(renewTime)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range now {
			changed(e)
		}
		late = false
	}()
	return c.port.Start(receive, func(e Entry) {
		mu.Lock()
		defer mu.Unlock()
		if late && e.Key == c.past[0].Key {
			now = append(now, e)
		} else {
			changed(e)
		}
	}, renewed)
}

// A node comes back at once under its name, and its register catches up with what its entry
// said while it lived: it is no other process that lives.
func TestNameInARegisterThatCatchesUp(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		var past []Entry
		for range 20 {
			v.net.mu.Lock()
			for _, e := range v.net.all() {
				if e.Key == nodeKey("a") {
					past = append(past, e)
				}
			}
			v.net.mu.Unlock()
			time.Sleep(renewTime)
		}
		v.nodes["a"].Close()
		again, err := New(Options{Name: "a", Backplane: &catchingUp{v.net.join("a"), past}, QueueBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		v.nodes["a"] = again
		v.await("it is ready", func() bool {
			select {
			case err := <-again.Failed():
				t.Fatal(err)
			default:
			}
			return v.ready()
		})
	})
}

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

// A node dies, and the register says nothing for some time, as when it chooses another leader.
// The others do not take the dead one for one that lives and that they do not reach, and
// nobody leaves for it; it comes back and is one of them.
func TestNodeDiesAndRegisterIsSilent(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		for range 3 {
			ann := connect(t, v.nodes["b"])
			ann.join(v.roomOf("a"), "ann", nil, true)
			v.net.set(func() { v.net.silent = true })
			v.nodes["a"].Close()
			ann.send("ann", "1") // so that something is on its way
			time.Sleep(stuckTime + yieldTime)
			v.start("a")
			time.Sleep(time.Second)
			v.net.set(func() { v.net.silent = false })
			v.await("all are ready", v.ready)
			time.Sleep(yieldTime)
			ann.end()
		}
		if yields := v.logged.FilterMessage(EventYield).Len(); yields > 0 {
			t.Errorf("%d nodes left for others", yields)
		}
	})
}

// With a register that takes more than a second for a write, nodes keep their leases, and one that
// dies is found out.
func TestSlowRegister(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.net.set(func() { v.net.putTime = 650 * time.Millisecond })
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			if !v.nodes["a"].available() || !v.nodes["b"].available() || !v.nodes["c"].available() {
				t.Fatal("a node has lost its lease")
			}
		}
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		v.await("the others own all", v.ready)
	})
}

// A renewal that gets lost on its way does not cost a node its lease: there is time for the
// next one.
func TestLostRenewal(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		for range 10 {
			v.net.set(func() { v.net.swallowed["a"] = 1 })
			for range 300 {
				time.Sleep(10 * time.Millisecond)
				if !v.nodes["a"].available() {
					t.Fatal("the lease is lost")
				}
			}
		}
	})
}

// A register that refuses writes at once is not asked without end, and what it has refused
// is written once it takes it.
func TestRegisterThatRefuses(t *testing.T) {
	virtual(t, []string{"a", "b", "c"}, func(t *testing.T, v *virtualCluster) {
		v.net.set(func() { v.net.refuses = true })
		v.nodes["c"].Close()
		delete(v.nodes, "c")
		time.Sleep(fenceTime + 2*time.Second)
		v.net.set(func() {
			v.net.refuses = false
			if least, most := 2, 2*maxClaims*20; v.net.refused < least || v.net.refused > most {
				t.Errorf("%d writes in about 2 s, not %d to %d", v.net.refused, least, most)
			}
		})
		v.await("the others own all", v.ready)
	})
}

// A hub that is busy for long does not cost its node the lease.
func TestBusyHub(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		ann := connect(t, v.nodes["a"])
		ann.join(v.roomOf("b"), "ann", nil, false)
		goesOn := v.stop("b")
		for range 600 {
			time.Sleep(10 * time.Millisecond)
			ann.send("", `"x"`)
			if !v.nodes["b"].available() {
				t.Fatal("the lease is lost")
			}
		}
		close(goesOn)
		ann.end()
		time.Sleep(time.Second)
	})
}

// A register that is made anew is filled again, and rooms go on.
func TestRegisterLost(t *testing.T) {
	virtual(t, []string{"a", "b"}, func(t *testing.T, v *virtualCluster) {
		v.net.wipe()
		time.Sleep(2 * fenceTime)
		v.await("all nodes are ready again", v.ready)
		if v.logged.FilterMessage(EventRegisterLost).Len() != 2 {
			t.Error("the log does not tell")
		}
		room := v.roomOf("a")
		ann, bob := connect(t, v.nodes["a"]), connect(t, v.nodes["b"])
		if !ann.join(room, "ann", nil, false) || !bob.join(room, "bob", nil, false) {
			t.Fatal("nobody is let in")
		}
		ann.sees("ann", "bob")
		ann.end()
		bob.end()
		time.Sleep(time.Second)
	})
}

// What is larger than a packet arrives: a partition with more kept for its members than
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

// What an owner has not carried out is not confirmed, whatever comes behind it: when the
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

// What a node does after its lease has run out, as a process that was stopped does when it
// goes on, its own members do not see either.
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

// What waits for a link that was closed a moment before is confirmed all the same.
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

// What a node said last may be read after it was taken for gone: it owns nothing any more.
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

// What a client sends while the owner of the room that it leaves does not answer is bounded.
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
