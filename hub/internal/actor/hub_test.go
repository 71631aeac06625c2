package actor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestJoin(t *testing.T) {
	h := newHub(t, Options{MaxRooms: 2, MaxRoomMembers: 2})
	a, b, c := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)

	if !a.join("r", "a") {
		t.Fatal("a was not let in")
	}
	if m := a.next(); m.Type != "joined" || m.Room != "r" || m.From != "a" {
		t.Errorf("the first message is %+v", m)
	}
	a.sees("a")

	a.join("other", "a")
	a.wantError(wire.CodeAlreadyJoined)
	b.join("r", "a")
	b.wantError(wire.CodeDuplicateID)
	b.join("r", "b")
	if m := b.next(); m.Type != "joined" {
		t.Errorf("the first message is %+v", m)
	}
	a.sees("a", "b")
	b.sees("a", "b")
	c.join("r", "c")
	c.wantError(wire.CodeRoomFull)

	c.join("second", "c")
	c.sees("c")
	d := newPeer(t, h, quietLimit)
	d.join("third", "d")
	d.wantError(wire.CodeServerFull)

	c.do(Leave{c.client}) // and with the last member the room is gone
	if !d.join("third", "d") {
		t.Error("there is no place although a room has closed")
	}
	c.join("third", "c")
	c.sees("c", "d")
}

// The rooms of other servers count for the limit of rooms.
func TestRoomsElsewhereCount(t *testing.T) {
	elsewhere := 1
	l := still(Options{MaxRooms: 3, Elsewhere: func() int { return elsewhere }})
	for i, want := range []bool{true, true, false} {
		c, _ := l.connect(1 << 20)
		if got := l.join(c, fmt.Sprint(i), "a", ""); got != want {
			t.Errorf("room %d of 3, one of them elsewhere: %v", i+1, got)
		}
	}
	elsewhere = 0
	c, _ := l.connect(1 << 20)
	if !l.join(c, "new", "a", "") {
		t.Error("refused, although the room elsewhere has closed")
	}
}

func TestLeave(t *testing.T) {
	h := newHub(t, Options{})
	a, b := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	a.do(Leave{a.client}) // not joined: nothing happens
	a.join("r", "a")
	b.join("r", "b")
	a.sees("a", "b")
	b.do(Leave{b.client})
	a.sees("a")
	a.send("b", "1")
	a.wantError(wire.CodeTargetNotFound)
	b.send("a", "1")
	b.until(func(m message) bool { return m.Type == "error" && m.Code == "not_joined" })
	b.join("r", "b2")
	a.sees("a", "b2")
	b.do(Unregister{b.client, event.ReasonLost})
	a.sees("a")
}

func TestRename(t *testing.T) {
	h := newHub(t, Options{})
	a, b := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	a.do(&Rename{Client: a.client, Name: "A"})
	a.wantError(wire.CodeNotJoined)
	a.join("r", "a")
	b.join("r", "b")
	a.do(&Rename{Client: a.client, Name: "Ann"})
	b.until(func(m message) bool { return m.Type == "room_members" && m.Names["a"] == "Ann" })
	a.do(&Rename{Client: a.client})
	b.until(func(m message) bool { return m.Type == "room_members" && m.Names == nil })
}

func TestForward(t *testing.T) {
	h := newHub(t, Options{})
	a, b, c := newPeer(t, h, quietLimit), newPeer(t, h, quietLimit), newPeer(t, h, quietLimit)
	other := newPeer(t, h, quietLimit)
	a.join("r", "a")
	b.join("r", "b")
	c.join("r", "c")
	other.join("s", "b") // the same id in another room
	isMessage := func(m message) bool { return m.Type == "message" }

	a.send("b", "1")
	if m := b.until(isMessage); string(m.Data) != "1" || m.From != "a" || m.Room != "r" {
		t.Errorf("b got %+v", m)
	}
	a.send("", "2")
	for _, p := range []*peer{b, c} {
		if m := p.until(isMessage); string(m.Data) != "2" {
			t.Errorf("%s got %+v", p.id, m)
		}
	}
	a.send("a", "3")
	if m := a.until(isMessage); string(m.Data) != "3" {
		t.Errorf("a got %+v", m)
	}
	a.send("nobody", "4")
	a.wantError(wire.CodeTargetNotFound)
	other.sync()
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, m := range other.all {
		if isMessage(m) {
			t.Errorf("a message left its room: %+v", m)
		}
	}
}

// 24 members join one room at once and each sends 20 messages to everybody: none is
// lost, none comes from a stranger, and all are in order.
func TestCrowd(t *testing.T) {
	const members, each = 24, 20
	h := newHub(t, Options{})
	peers := make([]*peer, members)
	for i := range peers {
		peers[i] = newPeer(t, h, quietLimit)
	}
	var crowd, in sync.WaitGroup
	in.Add(members)
	for i, p := range peers {
		crowd.Go(func() {
			p.join("r", fmt.Sprintf("m%02d", i))
			for n := range each / 2 {
				p.send("", fmt.Sprint(n)) // who is not in yet does not get these
			}
			in.Done()
			in.Wait()
			for n := each / 2; n < each; n++ {
				p.send("", fmt.Sprint(n))
			}
		})
	}
	crowd.Wait()
	for _, p := range peers {
		checkCrowd(t, p, members, each)
	}
}

// checkCrowd reads until the last message of every other member has come.
func checkCrowd(t *testing.T, p *peer, members, each int) {
	known := map[string]bool{}
	last := map[string]int{}
	if m := p.next(); m.Type != "joined" {
		t.Errorf("%s: the first message is %+v", p.id, m)
	}
	for missing := members - 1; missing > 0; {
		m := p.next()
		if m.Type == "room_members" {
			for _, id := range m.Members {
				known[id] = true
			}
			continue
		}
		var n int
		if _, err := fmt.Sscan(string(m.Data), &n); err != nil {
			t.Fatal(err)
		}
		if !known[m.From] {
			t.Errorf("%s got a message from %s, a stranger", p.id, m.From)
		}
		if before, ok := last[m.From]; ok && n != before+1 || !ok && n > each/2 {
			t.Errorf("%s: from %s came %d after %d", p.id, m.From, n, before)
		}
		last[m.From] = n
		if n == each-1 {
			missing--
		}
	}
}

// A member that left is still named in the list that stands before its messages.
func TestSenderThatLeftIsNoStranger(t *testing.T) {
	h := newHub(t, Options{})
	late := newPeer(t, h, quietLimit)
	late.join("r", "late")
	late.sees("late")
	late.stall()
	gone := newPeer(t, h, quietLimit)
	gone.join("r", "gone")
	gone.send("late", "1")
	gone.do(Leave{gone.client})
	gone.sync()
	late.goOn()
	late.sees("gone", "late")
	if m := late.next(); m.Type != "message" || m.From != "gone" {
		t.Errorf("got %+v", m)
	}
	late.sees("late")
}

// A large room that keeps changing is told at a bounded rate: the first change at
// once, those who join at once, and the last change always.
func TestLargeRoomIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{})
		defer h.Close()
		const members = 400
		first := newPeer(t, h, quietLimit)
		first.join("r", "first")
		first.sees("first")
		var newest *peer
		for i := range members {
			newest = newPeer(t, h, quietLimit)
			id := fmt.Sprintf("%04d", i)
			newest.join("r", id)
			newest.until(func(m message) bool {
				return m.Type == "room_members" && m.Members[len(m.Members)-2] == id
			})
		}
		synctest.Wait()
		first.mu.Lock()
		lists := len(first.all)
		first.mu.Unlock()
		if lists > members/4 {
			t.Errorf("%d lists for %d changes", lists, members)
		}
		first.until(func(m message) bool { return len(m.Members) == members+1 })
		time.Sleep(2 * maxHold)
		newest.do(&Rename{Client: newest.client, Name: "N"})
		first.until(func(m message) bool { return len(m.Names) == 1 })
	})
}

func TestDrain(t *testing.T) {
	h := newHub(t, Options{})
	a := newPeer(t, h, quietLimit)
	a.join("r", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain with a client that stays: %v", err)
	}
	a.sync()
	select {
	case <-h.drained:
		t.Error("drained, although a client is there")
	default:
	}
	late := newPeer(t, h, quietLimit)
	for _, p := range []*peer{a, late} {
		p.mu.Lock()
		for p.closed == 0 {
			p.come.Wait()
		}
		p.mu.Unlock()
		if p.closed != wire.CloseGoingAway {
			t.Errorf("closed with %d", p.closed)
		}
		p.do(Unregister{p.client, event.ReasonDrain})
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if n := h.Stats.Members.Load(); n != 0 {
		t.Errorf("%d members are left", n)
	}
}

func TestClosed(t *testing.T) {
	h := New(Options{})
	h.Close()
	for range commandQueue {
		if err := h.Do(Leave{}); err != nil {
			break
		}
	}
	if err := h.Do(Leave{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Do: %v", err)
	}
	if err := h.Drain(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Drain: %v", err)
	}
}

// All frames are given back and nothing is counted any more when everybody has
// left.
func TestNothingStays(t *testing.T) {
	h := newHub(t, Options{})
	peers := make([]*peer, 20)
	for i := range peers {
		peers[i] = newPeer(t, h, quietLimit)
		peers[i].join("r", fmt.Sprint(i))
	}
	for _, p := range peers {
		p.send("", "1")
	}
	for _, p := range peers {
		p.do(Unregister{p.client, event.ReasonLost})
		p.out.Discard()
	}
	peers[0].sync()
	s := h.Stats
	if s.Clients.Load() != 0 || s.Members.Load() != 0 || s.Rooms.Load() != 0 {
		t.Errorf("%d clients, %d members, %d rooms", s.Clients.Load(), s.Members.Load(), s.Rooms.Load())
	}
	for s.OutboxBytes.Load() != 0 {
		peers[0].sync() // writers that were at work give back what they hold
	}
}
