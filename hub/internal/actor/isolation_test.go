package actor

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// A client's acts cost itself alone.

// Somebody who joins, says a word and leaves, again and again, throws nobody out who
// reads nothing for that moment, and loses nobody a session.
func TestJoinSayLeaveEvictsNobody(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	for i := range 99 {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", longID(i), "")
	}
	victim, box := l.connect(1 << 20)
	l.join(victim, "r", "victim", "")
	lost, _ := l.connect(1 << 20)
	session := NewSession(0)
	l.join(lost, "r", "lost", session)
	l.finish()
	read(box)
	l.apply(Unregister{lost, event.ReasonLost})
	stranger, _ := l.connect(1 << 30)
	for range 1000 {
		l.join(stranger, "r", "x", "")
		l.apply(forwardIn(stranger, "r", "x", `{"type":"message","data":1}`))
		l.apply(Leave{stranger})
		l.finish()
		l.now = l.now.Add(15 * time.Millisecond)
	}
	if victim.closed || victim.member == nil {
		t.Errorf("closed with %d", box.CloseCode())
	}
	if l.sessions[victimHandle(t, session)] == nil {
		t.Error("the session of a lost connection is over")
	}
}

func victimHandle(t *testing.T, session string) handle {
	t.Helper()
	s, ok := parseSession(session)
	if !ok {
		t.Fatal("no session")
	}
	return s.handle
}

// A sender that has everything that it may send queued for a member without a
// connection is refused, and the session goes on.
func TestSenderCostsNoSession(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	a, _ := l.connect(1 << 20)
	session := NewSession(0)
	l.join(a, "r", "a", session)
	b, box := l.connect(1 << 30)
	l.join(b, "r", "b", "")
	l.finish()
	l.apply(Unregister{a, event.ReasonLost})
	read(box)
	for _, text := range []string{`{"type":"message","to":"a","data":%q}`, `{"type":"message","data":%q}`} {
		text = fmt.Sprintf(text, strings.Repeat("x", 60_000))
		for range 200 {
			l.apply(forwardIn(b, "r", "b", text))
		}
		l.finish()
		refused := strings.Count(strings.Join(read(box), "\n"), `"code":"congested"`)
		if refused == 0 || l.sessions[victimHandle(t, session)] == nil {
			t.Errorf("%d messages were refused; session there: %v", refused, l.sessions[victimHandle(t, session)] != nil)
		}
	}
}

// A message overflows what is kept for a lost connection, and in the same batch its
// client resumes: the session is over, and the client can join anew at once.
func TestResumeInTheBatchOfTheOverflow(t *testing.T) {
	l := still(Options{ResumeWindow: time.Minute})
	a, box := l.connect(2000)
	session := NewSession(0)
	l.join(a, "r", "a", session)
	var senders []*Client
	for i := range 6 {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", fmt.Sprint(i), "")
		senders = append(senders, c)
	}
	l.finish()
	n := len(read(box))
	l.apply(Unregister{a, event.ReasonLost})
	l.finish()
	for i, c := range senders { // one batch: too much for a member that is away
		for range 20 {
			l.apply(forwardIn(c, "r", fmt.Sprint(i), fmt.Sprintf(`{"type":"message","data":%q}`, strings.Repeat("x", 60_000))))
		}
	}
	again, fresh := l.connect(1 << 20)
	done := make(chan Resumed, 1)
	l.apply(&Resume{Client: again, Session: session, Received: uint64(n), Done: done})
	if r := <-done; r.ID != "" {
		t.Error("resumed, although messages are lost")
	}
	if !l.join(again, "r", "a", "") {
		t.Error("could not join anew in the same batch")
	}
	l.finish()
	if texts := read(fresh); again.member == nil || again.closed || !strings.Contains(texts[0], "session_expired") {
		t.Errorf("member %v, closed %v, got %q", again.member, again.closed, texts)
	}
}

// A client that resumes with nearly a queue of missed messages can read them.
func TestResumeNearLimit(t *testing.T) {
	const limit = 8000
	l := still(Options{ResumeWindow: time.Minute})
	a, box := l.connect(limit)
	session := NewSession(0)
	l.join(a, "r", "a", session)
	var senders []*Client
	for i := range 8 {
		c, _ := l.connect(1 << 20)
		l.join(c, "r", fmt.Sprint(i), "")
		senders = append(senders, c)
	}
	l.finish()
	n := len(read(box))
	l.apply(Unregister{a, event.ReasonLost})
	missed := 0
	for o := l.sessions[victimHandle(t, session)].out.(*Outbox); o.counted+320 <= limit; missed++ {
		l.apply(forwardIn(senders[missed%8], "r", fmt.Sprint(missed%8), `{"type":"message","to":"a","data":1}`))
	}
	again, fresh := l.connect(limit)
	done := make(chan Resumed, 1)
	l.apply(&Resume{Client: again, Session: session, Received: uint64(n), Done: done})
	l.apply(forwardIn(senders[0], "r", "0", `{"type":"message","to":"a","data":"new"}`))
	l.finish()
	if r := <-done; r.ID != "a" || again.closed {
		t.Fatalf("resumed as %q, closed with %d", r.ID, fresh.CloseCode())
	}
	got := strings.Join(read(fresh), "\n")
	if n := strings.Count(got, `"data":1`); n != missed || !strings.Contains(got, `"new"`) {
		t.Errorf("%d of %d missed messages came", n, missed)
	}
}

// A room whose list is larger than a queue keeps nobody out.
func TestListLargerThanQueue(t *testing.T) {
	l := still(Options{})
	for i := range 100 {
		c, _ := l.connect(1 << 20)
		l.join(c, "r", longID(i), "")
	}
	l.finish()
	c, box := l.connect(2000) // the list takes 7,000
	if !l.join(c, "r", "new", "") {
		t.Fatal("not let in")
	}
	l.now = l.now.Add(time.Minute)
	l.finish()
	if texts := read(box); c.closed || len(texts) != 2 || !strings.Contains(texts[1], "room_members") {
		t.Errorf("closed with %d after %d messages", box.CloseCode(), len(texts))
	}
}

// A queue's bound is one of memory: small messages count for what they take.
func TestQueueCountsMemory(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	n := 0
	for o.Send(pong(""), 1) {
		n++
	}
	if most := 1 << 20 / (128 + 80); n > most {
		t.Errorf("%d pongs in a queue of 1 MiB, each of which takes 208 bytes and more", n)
	}
}

// The copies that one connection makes the hub send are bounded, by size and by number
// of receivers. Past the bound it is refused, and may go on after a while.
func TestFanOutIsBounded(t *testing.T) {
	const members = 200
	l := still(Options{FanOut: 100_000, FanOutBurst: 1_000_000})
	first, box := l.connect(1 << 30)
	l.join(first, "r", "first", "")
	for i := range members {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", fmt.Sprint(i), "")
	}
	l.finish()
	read(box)
	sent := func(n int) (accepted int) {
		for range n {
			l.apply(forwardIn(first, "r", "first", `{"type":"message","data":1}`))
		}
		l.finish()
		return n - strings.Count(strings.Join(read(box), "\n"), `"congested"`)
	}
	if n := sent(1000); n != 1_000_000/(pong("").Cost()*(members-1)) {
		t.Errorf("%d broadcasts of %d copies were sent at once", n, members)
	}
	l.now = l.now.Add(10 * time.Second)
	if n := sent(1000); n != 1_000_000/(pong("").Cost()*(members-1)) {
		t.Errorf("%d broadcasts after 10 s", n)
	}
	l.apply(forwardIn(first, "r", "first", `{"type":"message","to":"1","data":1}`))
	l.finish()
	if got := read(box); len(got) > 0 {
		t.Errorf("a message to one: %q", got)
	}
}

// A newcomer's first message to a room that was told too shortly before brings the
// list with it, at the newcomer's cost.
func TestForcedListsAreBounded(t *testing.T) {
	const members = 100
	l := still(Options{FanOut: 1, FanOutBurst: 2_000_000})
	for i := range members {
		c, _ := l.connect(1 << 30)
		l.join(c, "r", longID(i), "")
	}
	l.finish()
	stranger, box := l.connect(1 << 30)
	before := l.hub.Stats.OutboxBytes.Load()
	for range 100 {
		l.join(stranger, "r", "x", "")
		l.apply(forwardIn(stranger, "r", "x", `{"type":"message","data":1}`))
		l.apply(Leave{stranger})
	}
	if grown := l.hub.Stats.OutboxBytes.Load() - before; grown > 3_000_000 {
		t.Errorf("the hub has queued %d bytes", grown)
	}
	if got := strings.Join(read(box), "\n"); !strings.Contains(got, `"congested"`) {
		t.Error("nothing was refused")
	}
}

// A room that changes all the time is told less and less often: what it sends is
// bounded in the long run, and the last change is told.
func TestListsAreBoundedInTheLongRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{})
		defer h.Close()
		var all []*peer
		for i := range 100 {
			p := newPeer(t, h, quietLimit)
			p.join("r", longID(i))
			all = append(all, p)
		}
		time.Sleep(time.Minute)
		size := func() (n int) {
			for _, p := range all {
				p.mu.Lock()
				for _, m := range p.all {
					n += 70 * len(m.Members)
				}
				p.mu.Unlock()
			}
			return n
		}
		before, start := size(), time.Now()
		for i := range 400 {
			all[0].do(&Rename{Client: all[0].client, Name: fmt.Sprint("n", i)})
			time.Sleep(50 * time.Millisecond)
		}
		seconds := time.Since(start).Seconds()
		if rate, most := float64(size()-before)/seconds, listsSustained+listBurst/seconds+listsSustained; rate > most {
			t.Errorf("%.0f bytes a second, more than %.0f", rate, most)
		}
		all[1].until(func(m message) bool { return m.Names[longID(0)] == "n399" })
	})
}

// The obvious mistakes of a caller neither stop nor end the loop.
func TestCommandsWithoutAnswer(t *testing.T) {
	h := newHub(t, Options{})
	p := newPeer(t, h, quietLimit)
	for _, c := range []Command{
		&Kick{Order: Order{Room: "r"}, To: "bob"},
		&Lock{Order: Order{Room: "r"}},
		&CloseRoom{Order: Order{Room: "r"}},
		&Export{Of: func(string) bool { return false }},
		&Batch{Commands: []Command{Leave{p.client}}},
		&Resume{Client: p.client},
		&GoAway{Client: newPeer(t, h, quietLimit).client},
		&Join{Client: p.client, Room: "r", ID: "p", Welcome: pong("")},
		&Renew{Client: p.client, Frame: pong("")},
		&Kick{Order: Order{Room: "r", Done: make(chan error)}, To: "bob"},
	} {
		p.do(c)
	}
	rooms, err := h.Rooms(t.Context())
	if err != nil || len(rooms) != 1 {
		t.Errorf("%v %v", rooms, err)
	}
}

// A hub that has been closed takes nothing, and closing it again changes nothing.
func TestClosedTakesNothing(t *testing.T) {
	h := New(Options{})
	h.Close()
	h.Close()
	for range 2000 {
		if h.Do(Leave{NewClient(1, netip.Addr{}, new(Outbox))}) == nil {
			t.Fatal("a closed hub has taken a command")
		}
	}
}
