package actor

import (
	"encoding/json"
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

// What is told of a room that is not there changes nothing but its bans.
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
		box.Reset(k.Session != "")
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

// What waits for a member of a room that has moved, and has come back, stays in its order: a
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
