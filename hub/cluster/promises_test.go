package cluster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// talk is members of a room who send each other numbered messages without pause, and
// note what comes.
type talk struct {
	t       *testing.T
	clients []*client
	stop    chan struct{}
	done    sync.WaitGroup
	sent    []int // by each, to all others
	// mayClose says that a connection may have been closed: whoever is told so is owed
	// nothing more.
	mayClose bool
}

// wasClosed reports whether the client was told that its connection ends.
func (c *client) wasClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed != 0
}

func newTalk(t *testing.T, clients ...*client) *talk {
	k := &talk{t: t, clients: clients, stop: make(chan struct{}), sent: make([]int, len(clients))}
	for i, c := range clients {
		k.done.Go(func() {
			for {
				select {
				case <-k.stop:
					return
				case <-time.After(2 * time.Millisecond):
					k.sent[i]++
					c.send("", strconv.Itoa(k.sent[i]))
				}
			}
		})
	}
	return k
}

// finish ends the talk, and sees that everybody has had each message once and in
// order, but for those that their senders were told of.
func (k *talk) finish() {
	k.t.Helper()
	close(k.stop)
	k.done.Wait()
	for i, from := range k.clients {
		refused := 0
		from.mu.Lock()
		for _, m := range from.all {
			if m.Type == "error" {
				refused++
			}
		}
		from.mu.Unlock()
		for _, to := range k.clients {
			if to == from || k.mayClose && (from.wasClosed() || to.wasClosed()) {
				continue
			}
			want := k.sent[i] - refused
			last, count, wrong := 0, 0, ""
			await(k.t, fmt.Sprintf("%d messages of %s at %s", want, from.id, to.id), func() bool {
				last, count, wrong = 0, 0, ""
				to.mu.Lock()
				defer to.mu.Unlock()
				for _, m := range to.all {
					if m.Type != "message" || m.From != from.id {
						continue
					}
					n, _ := strconv.Atoi(string(m.Data))
					if n <= last {
						wrong = fmt.Sprintf("%d after %d", n, last)
					}
					last = n
					count++
				}
				return count >= want || wrong != ""
			})
			if wrong != "" || count != want {
				k.t.Errorf("%s had %d messages of %s, want %d; %s", to.id, count, from.id, want, wrong)
			}
		}
	}
}

// roomOwnedBy finds a room that a node owns, once it owns any.
func roomOwnedBy(t *testing.T, n *Node) (room string) {
	t.Helper()
	await(t, "the node owns rooms", func() bool {
		answer := make(chan string, 1)
		n.post(func() {
			for i := range 1000 {
				room := fmt.Sprint("room ", i)
				if n.control.owner.parts[PartitionOf(room)].state == partReady {
					answer <- room
					return
				}
			}
			answer <- ""
		})
		room = <-answer
		return room != ""
	})
	return room
}

// Packets that are lost, late and out of order change nothing.
func TestBadNetwork(t *testing.T) {
	m := newMemory()
	nodes := cluster(t, m, "a", "b", "c")
	room := roomOwnedBy(t, nodes["c"])
	ann, bob := connect(t, nodes["a"]), connect(t, nodes["b"])
	ann.join(room, "ann", nil, false)
	bob.join(room, "bob", nil, false)
	ann.sees("ann", "bob")
	bob.sees("ann", "bob")
	m.set(.1, 30*time.Millisecond)
	k := newTalk(t, ann, bob)
	time.Sleep(3 * time.Second)
	m.set(0, 0)
	k.finish()
}

// A node that dies takes its members with it; others lose nothing, whether it owned
// their room or not.
func TestNodeDies(t *testing.T) {
	for _, dies := range []string{"owner", "other"} {
		t.Run(dies, func(t *testing.T) {
			m := newMemory()
			nodes := cluster(t, m, "a", "b", "c")
			room := roomOwnedBy(t, nodes["c"])
			if dies == "other" {
				room = roomOwnedBy(t, nodes["a"])
			}
			ann, bob, cid := connect(t, nodes["a"]), connect(t, nodes["b"]), connect(t, nodes["c"])
			ann.join(room, "ann", nil, true)
			bob.join(room, "bob", nil, false)
			cid.join(room, "cid", nil, false)
			ann.sees("ann", "bob", "cid")
			bob.sees("ann", "bob", "cid")
			k := newTalk(t, ann, bob)
			time.Sleep(200 * time.Millisecond)
			begun := time.Now()
			nodes["c"].Close()
			delete(nodes, "c")
			ann.sees("ann", "bob")
			bob.sees("ann", "bob")
			if gone := time.Since(begun); gone > 5*time.Second {
				t.Errorf("the members of the dead node were gone after %s", gone)
			}
			time.Sleep(200 * time.Millisecond)
			k.finish()
		})
	}
}

// isClosed waits for a close frame.
func (c *client) isClosed(code wire.CloseCode) {
	c.t.Helper()
	await(c.t, fmt.Sprint("closed with ", code), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed == code
	})
}

// hasAll sees that a member has had the messages of another once and in order, from the
// first on.
func (c *client) hasAll(from string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, m := range c.all {
		if m.Type != "message" || m.From != from {
			continue
		}
		if n++; string(m.Data) != strconv.Itoa(n) {
			c.t.Fatalf("%s got %s of %s, want %d", c.id, m.Data, from, n)
		}
	}
}

// A node that is cut off refuses what its members send to rooms of others. When it is back, those of its
// memberships go on that could be kept for it, and miss nothing; the connections of others
// are closed. Meanwhile the others go on.
func TestCutOff(t *testing.T) {
	for _, owns := range []string{"a", "c"} {
		t.Run("room of "+owns, func(t *testing.T) {
			m := newMemory()
			nodes := cluster(t, m, "a", "b", "c")
			room := roomOwnedBy(t, nodes[owns])
			ann, bob, cid, dee := connect(t, nodes["a"]), connect(t, nodes["b"]), connect(t, nodes["c"]), connect(t, nodes["c"])
			ann.join(room, "ann", nil, false)
			bob.join(room, "bob", nil, false)
			cid.join(room, "cid", nil, true)
			dee.join(room, "dee", nil, false)
			for _, c := range []*client{ann, bob, cid, dee} {
				c.sees("ann", "bob", "cid", "dee")
			}
			m.separate("c", true)
			k := newTalk(t, ann, bob)
			await(t, "c knows", func() bool { return !nodes["c"].available() })
			dee.send("ann", "1")
			if owns == "a" {
				dee.until("unavailable", func(m message) bool { return m.Code == "unavailable" })
			}
			late := connect(t, nodes["c"])
			if late.join(room, "late", nil, false) {
				t.Error("a node that is cut off lets in")
			}
			taker := connect(t, nodes["b"])
			if !taker.join(room, "taker", nil, false) {
				t.Error("the majority does not go on")
			}
			if owns == "a" {
				ann.sees("ann", "bob", "cid", "taker")
			} else {
				ann.sees("ann", "bob", "taker")
			}
			begun := time.Now()
			m.separate("c", false)
			dee.isClosed(wire.CloseGoingAway)
			if owns == "a" {
				cid.sees("ann", "bob", "cid", "taker")
			} else {
				cid.isClosed(wire.CloseGoingAway)
				await(t, "c is back", nodes["c"].Ready)
				cid = connect(t, nodes["c"])
				if !cid.join(room, "cid", nil, true) {
					t.Error("the node that is back lets nobody in")
				}
			}
			if whole := time.Since(begun); whole > 5*time.Second {
				t.Errorf("whole again after %s", whole)
			}
			k.finish()
			ann.send("cid", "77777")
			cid.until("message", func(m message) bool { return string(m.Data) == "77777" })
			if owns == "a" {
				cid.mu.Lock()
				cid.all = slices.DeleteFunc(cid.all, func(m message) bool { return string(m.Data) == "77777" })
				cid.mu.Unlock()
				cid.hasAll("ann")
				cid.hasAll("bob")
			}
		})
	}
}

// resume takes a membership up on another node.
func (c *client) resume(lost *client, session string) bool {
	r, _ := actor.Await(c.t.Context(), c.n, c.asksToResume(lost, session))
	c.room, c.id = r.Room, r.ID
	return r.ID != ""
}

// asksToResume begins to take a membership up, and returns what tells the outcome.
func (c *client) asksToResume(lost *client, session string) <-chan actor.Resumed {
	done := make(chan actor.Resumed, 1)
	lost.mu.Lock()
	received := len(lost.all)
	lost.mu.Unlock()
	_ = c.n.Do(&actor.Resume{
		Client: c.client, Session: session, Received: uint64(received), Asked: actor.Asked{At: time.Now()},
		Refused: frame.Refused{Re: "resume"}, Done: done,
	})
	return done
}

// Nodes leave one after the other and come back: rooms move, members resume elsewhere
// and miss nothing, and nobody sees them go.
func TestRollingRestart(t *testing.T) {
	m := newMemory()
	nodes := cluster(t, m, "a", "b", "c")
	rooms := []string{roomOwnedBy(t, nodes["a"]), roomOwnedBy(t, nodes["b"]), roomOwnedBy(t, nodes["c"])}
	var watchers, movers []*client
	var sessions []string
	for i, room := range rooms {
		w, v := connect(t, nodes["a"]), connect(t, nodes["c"])
		w.join(room, "watcher", nil, true)
		v.join(room, "mover", nil, true)
		w.sees("mover", "watcher")
		joined := v.until("joined", func(m message) bool { return m.Type == "joined" })
		sessions = append(sessions, joined.Session)
		watchers, movers = append(watchers, w), append(movers, v)
		_ = i
	}
	talks := []*talk{}
	for _, w := range watchers {
		talks = append(talks, newTalk(t, w))
	}
	time.Sleep(100 * time.Millisecond)
	// c leaves; its members go on at b.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, v := range movers {
			await(t, "1001", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.closed == 1001 })
			v.end()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := nodes["c"].Drain(ctx); err != nil {
		t.Fatal(err)
	}
	<-ended
	nodes["c"].Close()
	delete(nodes, "c")
	for i, v := range movers {
		again := connect(t, nodes["b"])
		if !again.resume(v, sessions[i]) {
			t.Errorf("the member of %q can't resume: %+v", rooms[i], again.all)
			continue
		}
		movers[i] = again
		again.until("resumed", func(m message) bool { return m.Type == "resumed" })
		v.mu.Lock()
		again.mu.Lock()
		before := v.all
		again.all = append(append([]message{}, before...), again.all...)
		again.mu.Unlock()
		v.mu.Unlock()
	}
	nodes["c"] = start(t, m, "c")
	await(t, "c is back", nodes["c"].Ready)
	await(t, "c owns again", func() bool {
		owns := make(chan int, 1)
		nodes["c"].post(func() {
			n := 0
			for p := range nodes["c"].control.owner.parts {
				if nodes["c"].control.owner.parts[p].state == partReady {
					n++
				}
			}
			owns <- n
		})
		return <-owns > 5
	})
	for i, k := range talks {
		close(k.stop)
		k.done.Wait()
		last := strconv.Itoa(k.sent[0])
		movers[i].until("the last message", func(m message) bool { return string(m.Data) == last })
		n := 0
		movers[i].mu.Lock()
		for _, m := range movers[i].all {
			if m.Type == "message" {
				if n++; string(m.Data) != strconv.Itoa(n) {
					t.Fatalf("got %s, want %d", m.Data, n)
				}
			}
		}
		movers[i].mu.Unlock()
		watchers[i].mu.Lock()
		for _, m := range watchers[i].all {
			if m.Type == "room_members" && len(m.Members) < 2 && m.Members[0] != "watcher" {
				t.Errorf("the room was told %v", m.Members)
			}
		}
		watchers[i].mu.Unlock()
	}
}
