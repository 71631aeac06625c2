package actor

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// A room that moves to another hub is there as it was: its lock and age, its bans, and
// its resumable members with what they are, what was handled and what they have missed.
// Nothing of it stays behind, and other rooms stay.
func TestMove(t *testing.T) {
	old := still(Options{ResumeWindow: time.Minute, KickBan: time.Minute})
	enter := func(room, id string) (*Client, *Outbox) {
		c, box := old.connect(1 << 20)
		old.join(c, room, id, "")
		return c, box
	}
	for _, room := range []string{"first", "stays", "last"} {
		enter(room, "x")
	}
	stays, _ := enter("stays", "y")
	first, _ := enter("first", "y")
	bad, _ := enter("last", "bad")
	old.apply(&Kick{Order: Order{Room: "last"}, To: "bad"})
	session := NewSession(0)
	lost, box := old.connect(1 << 20)
	old.join(lost, "last", "lost", session)
	old.apply(&Update{Client: lost, Meta: []byte("1")})
	old.apply(&Rename{Client: lost, Name: "L"})
	old.finish()
	received := uint64(len(read(box)))
	old.apply(Unregister{lost, event.ReasonLost})
	old.apply(&Announce{Order: Order{Room: "last"}, Data: []byte(`"missed"`)})
	old.apply(&Lock{Order: Order{Room: "last"}, Locked: true})
	old.finish()

	done := make(chan Exported, 1)
	old.apply(&Export{Of: func(room string) bool { return room != "stays" }, Done: done})
	out := <-done
	if len(old.rooms) != 1 || old.rooms["stays"] == nil || len(old.roomList) != 1 || !bad.closed || !first.closed || stays.closed {
		t.Errorf("%d rooms are left; closed: bad %v, first %v, stays %v", len(old.rooms), bad.closed, first.closed, stays.closed)
	}
	s := old.hub.Stats
	if s.Members.Load() != 2 || s.Suspended.Load() != 0 || s.Rooms.Load() != 1 || len(old.sessions) != 0 || len(old.bans) != 0 {
		t.Errorf("%d members, %d suspended, %d rooms, %d sessions, %d bans are left", s.Members.Load(), s.Suspended.Load(), s.Rooms.Load(), len(old.sessions), len(old.bans))
	}

	fresh := still(Options{ResumeWindow: time.Minute})
	fresh.now = old.now.Add(30 * time.Second)
	fresh.apply(&Restore{Rooms: out.Rooms, Members: out.Members})
	r := fresh.rooms["last"]
	if r == nil || !r.locked || !r.opened.Equal(old.now) || len(r.members) != 1 {
		t.Fatalf("restored %+v", r)
	}
	guest, _ := fresh.connect(1 << 20)
	if fresh.join(guest, "last", "bad", "") || fresh.join(guest, "last", "guest", "") {
		t.Error("the ban or the lock was left behind")
	}
	again, fresher := fresh.connect(1 << 20)
	resumed := make(chan Resumed, 1)
	fresh.apply(&Resume{Client: again, Session: session, Received: received, Done: resumed, Refused: frame.Refused{Re: "resume"}})
	if r := <-resumed; r.ID != "lost" || r.Room != "last" || r.Name != "L" || string(r.Meta) != "1" || r.Handled != 3 || !r.Joined.Equal(old.now) {
		t.Errorf("resumed %+v", r)
	}
	fresh.finish()
	if got := strings.Join(read(fresher), "\n"); !strings.Contains(got, `"missed"`) || !strings.Contains(got, `"locked":true`) {
		t.Errorf("got %s", got)
	}
	if n := fresh.hub.Stats.Suspended.Load(); n != 0 {
		t.Errorf("%d members are suspended", n)
	}
}

// Restoring a room that is not there changes nothing but its bans.
func TestRestoreOfNoRoom(t *testing.T) {
	l := still(Options{})
	l.apply(&Restore{Rooms: []RoomMeta{{Room: "r", Locked: true, Opened: l.now}}})
	c, _ := l.connect(1 << 20)
	if !l.join(c, "r", "a", "") {
		t.Error("a room that was not there is locked")
	}
}

// A membership that was taken for lost gets its connection back, with what it has missed,
// under its own session only, and only while nobody has it.
func TestReunite(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	b, _ := l.connect(1 << 20)
	l.join(b, "r", "b", "")
	session := NewSession(0)
	lost, box := l.connect(1 << 20)
	l.join(lost, "r", "a", session)
	l.finish()
	had := uint64(len(read(box)))
	l.apply(Unregister{lost, event.ReasonLost})
	l.apply(forwardIn(b, "r", "b", `{"type":"message","to":"a","data":"missed"}`))
	comes := func(k Membership) (in bool, got string) {
		c, box := l.connect(1 << 20)
		box.Reset(k.Session != "", Turn{})
		k.Room, k.Client = "r", c
		l.apply(&Restore{Members: []Membership{k}})
		l.finish()
		got = strings.Join(read(box), "\n")
		if c.closed && box.CloseCode() != wire.CloseGoingAway {
			t.Errorf("closed with %d", box.CloseCode())
		}
		return !c.closed && c.member != nil, got
	}
	for name, k := range map[string]Membership{
		"another session":                    {ID: "a", Session: NewSession(0), Had: had},
		"no session":                         {ID: "a", Had: had},
		"a member that is not resumable":     {ID: "b", Session: session, Had: had},
		"more messages than there ever were": {ID: "a", Session: session, Had: had + 100},
	} {
		if in, got := comes(k); in {
			t.Errorf("%s: in, and got %s", name, got)
		}
	}
	if n := l.hub.Stats.Suspended.Load(); n != 1 || l.sessionOf(session) == nil {
		t.Fatalf("%d members wait for their connections", n)
	}
	in, got := comes(Membership{ID: "a", Session: session, Had: had, Handled: 9})
	if !in || !strings.Contains(got, `"missed"`) || !strings.Contains(got, "room_members") {
		t.Errorf("in %v, got %s", in, got)
	}
	if m := l.sessionOf(session); m == nil || m.handled != 9 || l.hub.Stats.Suspended.Load() != 0 {
		t.Errorf("restored %+v, %d are suspended", m, l.hub.Stats.Suspended.Load())
	}
	if in, _ := comes(Membership{ID: "a", Session: session}); in {
		t.Error("two connections have one membership")
	}
}

// A restored member whose connection is elsewhere lost and whose place is taken is
// forgotten.
func TestRestoreOfATakenPlace(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	a, _ := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	out, _ := newOutbox(1 << 20)
	out.Send(pong("x"), 1)
	l.apply(&Restore{Members: []Membership{{Room: "r", ID: "a", Session: NewSession(0), Out: out}}})
	if n := out.Backlog(); n != 0 || a.member == nil || a.closed {
		t.Errorf("%d bytes are kept; the holder of the id is closed: %v", n, a.closed)
	}
}

// Frames for a member of a room that has moved, and has come back, stay in their order: a
// list that messages needed is not taken for one of the room as it is now.
func TestListsOfTheOwnerBefore(t *testing.T) {
	for _, changes := range []bool{false, true} {
		before := still(Options{ResumeWindow: time.Minute})
		session := NewSession(0)
		lost, box := before.connect(1 << 20)
		before.joinWith(lost, &Join{Room: "r", ID: "lost", Session: session, Changes: changes})
		before.finish()
		received := uint64(len(read(box)))
		before.apply(Unregister{lost, event.ReasonLost})
		gone, _ := before.connect(1 << 20)
		before.join(gone, "r", "gone", "")
		before.apply(forwardIn(gone, "r", "gone", `{"type":"message","data":1}`))
		before.finish()
		done := make(chan Exported, 1)
		before.apply(&Export{Of: func(string) bool { return true }, Done: done})
		out := <-done
		for i := range out.Members {
			out.Members[i].Client = nil
		}

		after := still(Options{ResumeWindow: time.Minute})
		after.now = before.now
		after.apply(&Restore{Rooms: out.Rooms, Members: out.Members})
		after.finish()
		fresh, _ := after.connect(1 << 20)
		after.join(fresh, "r", "fresh", "")
		after.apply(forwardIn(fresh, "r", "fresh", `{"type":"message","data":2}`))
		after.finish()
		again, box := after.connect(1 << 20)
		resumed := make(chan Resumed, 1)
		after.apply(&Resume{Client: again, Session: session, Received: received, Done: resumed, Refused: frame.Refused{Re: "resume"}})
		if m := <-resumed; m.ID != "lost" {
			t.Fatalf("changes %v: resumed %+v", changes, m)
		}
		after.finish()
		members, messages := map[string]bool{}, 0
		for _, text := range read(box) {
			var m struct {
				Type, From            string
				Members, Joined, Left []string
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			if m.Type == "room_members" {
				clear(members)
			}
			for _, id := range append(m.Members, m.Joined...) {
				members[id] = true
			}
			for _, id := range m.Left {
				delete(members, id)
			}
			if m.Type == "message" {
				if messages++; !members[m.From] {
					t.Errorf("changes %v: a message of %s comes to one who knows of %v", changes, m.From, members)
				}
			}
		}
		if messages != 2 || !members["fresh"] || members["gone"] {
			t.Errorf("changes %v: %d messages, and %v in the end", changes, messages, members)
		}
	}
}

// Of several memberships with one id the one of the last turn is the member, in whatever
// order they are restored; the connections of the others are told that they were replaced.
func TestRestoreTheLastTurn(t *testing.T) {
	first, second := NewSession(0), NewSession(0)
	for _, test := range []struct {
		name             string
		before, last     Turn
		sessions         [2]string
		beforeHad, inHad uint64
	}{
		{name: "two joins of one owner", before: Turn{3, 4}, last: Turn{3, 5}, sessions: [2]string{first, second}},
		{name: "two joins of two owners", before: Turn{3, 4}, last: Turn{4, 1}, sessions: [2]string{first, second}},
		{name: "two that can't be resumed", before: Turn{3, 4}, last: Turn{3, 5}},
		{name: "two resumes", before: Turn{3, 4}, last: Turn{3, 5}, sessions: [2]string{first, first}, beforeHad: 9, inHad: 2},
	} {
		for _, lastFirst := range []bool{false, true} {
			l := still(Options{ResumeWindow: time.Minute})
			old, _ := l.connect(1 << 20)
			living, _ := l.connect(1 << 20)
			both := []Membership{
				{Room: "r", ID: "a", Session: test.sessions[0], Client: old, Turn: test.before, Had: test.beforeHad},
				{Room: "r", ID: "a", Session: test.sessions[1], Client: living, Turn: test.last, Had: test.inHad},
			}
			if lastFirst {
				slices.Reverse(both)
			}
			l.apply(&Restore{Members: both})
			l.finish()
			if living.closed || living.member == nil || living.member.turn != test.last {
				t.Errorf("%s, last first %v: the last is not in", test.name, lastFirst)
			}
			if code := old.out.(*Outbox).CloseCode(); !old.closed || old.member != nil || code != wire.CloseReplaced {
				t.Errorf("%s, last first %v: the one before was closed with %d", test.name, lastFirst, code)
			}
			if n := len(l.rooms["r"].members); n != 1 {
				t.Errorf("%s: %d members", test.name, n)
			}
		}
	}
}

// A membership that was resumed elsewhere does not go back to the connection before, though
// that says that it has had as much.
func TestReuniteWithTheLastTurnOnly(t *testing.T) {
	for _, test := range []struct {
		turn Turn
		in   bool
	}{{Turn{3, 4}, false}, {Turn{3, 5}, true}, {Turn{}, true}} {
		l := still(Options{ResumeWindow: time.Minute})
		session := NewSession(0)
		kept, _ := l.connect(1 << 20)
		kept.out.Reset(true, Turn{})
		l.unregister(kept)
		c, box := l.connect(1 << 20)
		l.apply(&Restore{Members: []Membership{{Room: "r", ID: "a", Session: session, Out: kept.out, Turn: Turn{3, 5}}}})
		l.apply(&Restore{Members: []Membership{{Room: "r", ID: "a", Session: session, Client: c, Turn: test.turn, Lost: true}}})
		l.finish()
		if in := c.member != nil; in != test.in {
			t.Errorf("turn %v: in %v", test.turn, in)
		}
		if code := box.CloseCode(); !test.in && code != wire.CloseReplaced {
			t.Errorf("turn %v: closed with %d", test.turn, code)
		}
		if test.in == (l.hub.Stats.Suspended.Load() == 1) {
			t.Errorf("turn %v: %d wait for their connections", test.turn, l.hub.Stats.Suspended.Load())
		}
	}
}

// Each join and each resume has a greater turn than those before it, also than those that
// owners before have given.
func TestTurns(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute, PartitionOf: func(string) int { return 7 }})
	session := NewSession(7)
	last := Turn{Epoch: 4, Count: 1000}
	look := func(what string) {
		t.Helper()
		now := l.rooms["r"].members[0].turn
		if now.Compare(last) <= 0 {
			t.Errorf("%s: turn %v after %v", what, now, last)
		}
		last = now
	}
	l.apply(Own{Partition: 7, Epoch: 5})
	a, box := l.connect(1 << 20)
	l.join(a, "r", "a", session)
	look("a join")
	had := uint64(len(read(box)))
	l.apply(Unregister{a, event.ReasonLost})
	again, _ := l.connect(1 << 20)
	l.apply(&Resume{Client: again, Session: session, Received: had})
	look("a resume")
	l.apply(Leave{again})
	l.join(again, "r", "a", "")
	look("another join")
}

// The rest of the time that a membership outlives its connection moves with it: moves do
// not make it longer.
func TestWindowMovesToo(t *testing.T) {
	const window = time.Minute
	hub := still(Options{ResumeWindow: window})
	lost, _ := hub.connect(1 << 20)
	hub.join(lost, "r", "a", NewSession(0))
	hub.apply(Unregister{lost, event.ReasonLost})
	ends := hub.now.Add(window)
	for range 2 {
		hub.now = hub.now.Add(window / 3)
		done := make(chan Exported, 1)
		hub.apply(&Export{Of: func(string) bool { return true }, Done: done})
		out := <-done
		next := still(Options{ResumeWindow: window})
		next.now = hub.now
		next.apply(&Restore{Rooms: out.Rooms, Members: out.Members})
		hub = next
	}
	m := memberOf(hub.rooms["r"], "a")
	if !m.expires.Equal(ends) {
		t.Errorf("it ends %s late", m.expires.Sub(ends))
	}
	expire{m, m.session.lost}.apply(hub)
	if len(hub.rooms) != 0 {
		t.Error("the timer of the move does not end it")
	}
}
