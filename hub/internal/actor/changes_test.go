package actor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// watcher is a member of room "r" that is told of changes, and has read the first list.
func (l *loop) watcher(t *testing.T, id, session string) (*Client, *Outbox) {
	t.Helper()
	c, box := l.connect(1 << 20)
	if !l.joinWith(c, &Join{ID: id, Session: session, Changes: true}) {
		t.Fatalf("%s is not in", id)
	}
	l.finish()
	if got := read(box); len(got) != 2 || !strings.HasPrefix(got[1], `{"type":"room_members","room":"r","members":[`) {
		t.Fatalf("%s got %q", id, got)
	}
	return c, box
}

// joinWith joins room "r".
func (l *loop) joinWith(c *Client, j *Join) bool {
	done := make(chan bool, 1)
	j.Client, j.Room, j.Done = c, "r", done
	j.Welcome = frame.Text((&wire.Joined{Room: "r", From: j.ID, Session: j.Session}).Text())
	l.apply(j)
	return <-done
}

// Each kind of change is told in one message, with the number of members; a message that
// says nothing is not sent.
func TestChanges(t *testing.T) {
	l := still(Options{})
	_, box := l.watcher(t, "a", "")
	b, _ := l.connect(1 << 20)
	for _, c := range []struct {
		do   func()
		want string
	}{
		{func() { l.joinWith(b, &Join{ID: "b", Name: "B", Meta: []byte("1")}) }, `"joined":["b"],"names":{"b":"B"},"meta":{"b":1},"count":2`},
		{func() { l.apply(&Rename{Client: b, Name: "C"}) }, `"names":{"b":"C"},"count":2`},
		{func() { l.apply(&Update{Client: b, Meta: []byte("2")}) }, `"meta":{"b":2},"count":2`},
		{func() { l.apply(&Rename{Client: b}); l.apply(&Update{Client: b}) }, `"names":{"b":""},"meta":{"b":null},"count":2`},
		{func() { l.apply(Leave{b}); l.join(b, "r", "b", "") }, `"rejoined":["b"],"count":2`},
		{func() { l.apply(&Rename{Client: b, Name: "B"}) }, `"names":{"b":"B"},"count":2`},
		{func() { l.apply(Leave{b}); l.join(b, "r", "b", "") }, `"rejoined":["b"],"names":{"b":""},"count":2`},
		{func() { l.apply(&Lock{Order: Order{Room: "r"}, Locked: true}) }, `"locked":true,"count":2`},
		{func() {
			l.apply(&Lock{Order: Order{Room: "r"}})
			l.apply(&Lock{Order: Order{Room: "r"}, Locked: true})
		}, ""},
		{func() { l.apply(&Lock{Order: Order{Room: "r"}}) }, `"locked":false,"count":2`},
		{func() { l.apply(Leave{b}) }, `"left":["b"],"count":1`},
		{func() { l.join(b, "r", "b", ""); l.apply(Leave{b}) }, ""},
	} {
		c.do()
		l.finish()
		got := strings.Join(read(box), "\n")
		if c.want != "" {
			c.want = `{"type":"room_changes","room":"r",` + c.want + "}"
		}
		if got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// Changes that wait are folded into one message: a join and a leave cancel each other out.
func TestWaitingChangesFold(t *testing.T) {
	l := still(Options{})
	_, box := l.watcher(t, "a", "")
	clients := map[string]*Client{}
	join := func(id string) {
		clients[id], _ = l.connect(1 << 20)
		l.join(clients[id], "r", id, "")
		l.finish()
	}
	for _, id := range []string{"b", "c", "d"} {
		join(id)
	}
	l.apply(Leave{clients["c"]})
	l.finish()
	l.apply(&Rename{Client: clients["d"], Name: "D"})
	l.finish()
	if got := read(box); len(got) != 1 || got[0] != `{"type":"room_changes","room":"r","joined":["b","d"],"names":{"d":"D"},"count":3}` {
		t.Errorf("got %q", got)
	}
	join("e")
	l.apply(Leave{clients["b"]})
	l.finish()
	join("b")
	l.apply(Leave{clients["e"]})
	l.finish()
	if got := read(box); len(got) != 1 || got[0] != `{"type":"room_changes","room":"r","rejoined":["b"],"count":3}` {
		t.Errorf("got %q", got)
	}
}

// The messages of a member that was replaced come before the message that tells of
// that: peers would take it for the new member's.
func TestRejoinedComesInOrder(t *testing.T) {
	l := still(Options{})
	_, box := l.watcher(t, "a", "")
	b, _ := l.connect(1 << 20)
	l.joinWith(b, &Join{ID: "b", Grant: of("b")})
	l.finish()
	l.apply(forwardIn(b, "r", "b", `{"type":"message","to":"a","data":"old"}`))
	again, _ := l.connect(1 << 20)
	l.joinWith(again, &Join{ID: "b", Grant: of("b"), Takeover: true})
	l.finish()
	l.apply(forwardIn(again, "r", "b", `{"type":"message","to":"a","data":"new"}`))
	l.finish()
	got := strings.Join(read(box), "\n")
	var at []int
	for _, part := range []string{`"joined":["b"]`, `"old"`, `"rejoined":["b"]`, `"new"`} {
		at = append(at, strings.Index(got, part))
	}
	if !slices.IsSorted(at) || at[0] < 0 {
		t.Errorf("got %s", got)
	}
}

// Changes are encoded once for all who need the same, and lists once beside them.
func TestChangesAreSharedByAll(t *testing.T) {
	l := still(Options{})
	var boxes []*Outbox
	for i := range 10 {
		_, box := l.watcher(t, fmt.Sprint("m", i), "")
		boxes = append(boxes, box)
	}
	for _, box := range boxes {
		read(box)
	}
	lister, _ := l.connect(1 << 20)
	l.join(lister, "r", "x", "")
	l.finish()
	first, _ := boxes[0].Take(nil, 1)
	for _, box := range boxes[1:] {
		if f, _ := box.Take(nil, 1); len(f) != 1 || f[0] != first[0] {
			t.Fatal("the same changes were encoded twice")
		}
	}
}

// A member that has fallen far behind gets one whole list.
func TestFarBehindGetsAList(t *testing.T) {
	l := still(Options{})
	for _, steps := range []int{10, 3 * maxFold} {
		_, box := l.watcher(t, fmt.Sprint("slow", steps), "")
		writing, _ := l.watcher(t, fmt.Sprint("other", steps), "")
		l.finish()
		read(box)
		l.apply(&Rename{Client: writing, Name: "first"})
		l.finish()
		held, _ := box.Take(nil, 1) // the connection is stuck with this
		for i := range steps {
			l.apply(&Rename{Client: writing, Name: fmt.Sprint(i)})
			l.now = l.now.Add(time.Second)
			l.finish()
		}
		box.Wrote(held[0].Size(), time.Now())
		got := read(box)
		l.apply(CaughtUp{l.rooms["r"].members[len(l.rooms["r"].members)-1].client})
		l.finish()
		got = append(got, read(box)...)
		last := got[len(got)-1]
		if list := strings.Contains(last, "room_members"); list != (steps > maxFold) || !strings.Contains(last, fmt.Sprintf(`:"%d"`, steps-1)) {
			t.Errorf("after %d steps: %q", steps, got)
		}
		if len(got) > 2 {
			t.Errorf("after %d steps %d messages waited", steps, len(got))
		}
	}
}

// A room keeps no more steps than a multiple of its members, and none while nobody wants
// changes.
func TestStepsAreBounded(t *testing.T) {
	l := still(Options{})
	a, _ := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	rename := func(n int) {
		for i := range n {
			l.apply(&Rename{Client: a, Name: fmt.Sprint("n", i)})
		}
		l.finish()
	}
	rename(100)
	if n := len(l.rooms["r"].log.steps); n > 0 {
		t.Errorf("%d steps are kept for nobody", n)
	}
	l.watcher(t, "b", "")
	rename(1000)
	if n := len(l.rooms["r"].log.steps); n > 2*minSteps {
		t.Errorf("%d steps are kept in a room of two", n)
	}
}

// Whether a member takes changes belongs to its session: it stays over a resume, a move to
// another hub, and both.
func TestChangesStayWithTheSession(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	session := NewSession(0)
	c, _ := l.watcher(t, "a", session)
	resume := func(l *loop, received uint64) (*Client, *Outbox) {
		t.Helper()
		again, box := l.connect(1 << 20)
		done := make(chan Resumed, 1)
		l.apply(&Resume{Client: again, Session: session, Received: received, Done: done})
		if r := <-done; r.ID != "a" {
			t.Fatal("was not resumed")
		}
		l.finish()
		if got := read(box); len(got) != 2 || !strings.Contains(got[1], "room_members") {
			t.Fatalf("after the resume: %q", got)
		}
		return again, box
	}
	changes := func(l *loop, box *Outbox, id string) {
		t.Helper()
		x, _ := l.connect(1 << 20)
		l.join(x, "r", id, "")
		l.finish()
		if got := read(box); len(got) != 1 || !strings.Contains(got[0], `"room_changes","room":"r","joined":["`+id+`"]`) {
			t.Errorf("got %q", got)
		}
	}
	l.apply(Unregister{c, event.ReasonLost})
	again, box := resume(l, 2)
	changes(l, box, "x")
	l.apply(Unregister{again, event.ReasonLost})
	done := make(chan Exported, 1)
	l.apply(&Export{Of: func(string) bool { return true }, Done: done})
	out := <-done
	fresh := still(Options{ResumeWindow: time.Minute})
	fresh.apply(&Restore{Rooms: out.Rooms, Members: out.Members})
	_, box = resume(fresh, 5)
	changes(fresh, box, "y")
}

// Members that each know another version of their room do not make the loop fold and keep a
// message for each of them: beyond a bound they share the one whole list.
func TestManyVersionsShareAList(t *testing.T) {
	l, clients, boxes := crowd(t, 300, sliceMembers)
	r := l.rooms["r"]
	r.heldTo = l.now.Add(time.Hour)
	for i, c := range clients {
		l.apply(&Rename{Client: clients[0], Name: fmt.Sprint("n", i)})
		l.apply(CaughtUp{c})
	}
	for _, box := range boxes {
		read(box)
	}
	x, _ := l.connect(1 << 20)
	l.join(x, "r", "x", "")
	l.apply(forwardIn(x, "r", "x", `{"type":"message","data":"hello"}`))
	steps := 0
	for since := range r.log.encoded {
		steps += r.log.behind(since)
	}
	if most := (maxFolds + 1) * maxFold; steps == 0 || steps > most {
		t.Errorf("%d steps were folded for one message, want at most %d", steps, most)
	}
	for range 20 {
		l.finish()
	}
	for _, box := range boxes {
		got := strings.Join(read(box), "\n")
		told := max(strings.Index(got, `"joined":["x"]`), strings.Index(got, `room_members`))
		if hello := strings.Index(got, "hello"); told < 0 || hello < told {
			t.Fatalf("%s got %s", l.idOfBox(box), got)
		}
	}
}
