package crowd

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// lonely returns a crowd without connections, and a room of it with so many members.
func lonely(t *testing.T, size int) (*Crowd, *room) {
	t.Helper()
	d, err := dialect.Find("parley")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Dialect: d, Start: time.Now()})
	t.Cleanup(c.Close)
	r := c.newRoom(0)
	r.worker.mu.Lock()
	defer r.worker.mu.Unlock()
	r.grow(size)
	return c, r
}

// However often a member has come and gone before, of those memberships none explains
// that it is dropped later.
func TestForgottenLives(t *testing.T) {
	m := new(member)
	at := int64(0)
	for range 3 * livesKept {
		m.born(at + 1)
		m.life().ended = at + 2
		at += 2
	}
	if ends, joins := m.endsSince(at), m.joinsSince(at); ends != 0 || joins != 0 {
		t.Errorf("%d ends and %d joins after the last", ends, joins)
	}
	if ends := m.endsSince(0); ends != 3*livesKept {
		t.Errorf("%d ends in all", ends)
	}
}

// A message to everybody that was passed over is lost, also if its receiver leaves then.
func TestGapsBeforeLeaving(t *testing.T) {
	c, r := lonely(t, 2)
	r.worker.mu.Lock()
	a, b := r.members[0], r.members[1]
	b.is(present)
	a.spoken = 5
	for _, seq := range []uint32{0, 1, 3} { // 4 may be on its way
		b.hears(a).arrivedAt(seq, a.spoken, 0)
	}
	b.away()
	lost := r.worker.tally.Lost
	r.worker.mu.Unlock()
	if faults := c.Faults.Total(); lost != 1 || faults != 1 {
		t.Errorf("%d lost, %d faults", lost, faults)
	}
}

// A ping that is answered with an error was handled: the member goes on to ask.
func TestRefusedPing(t *testing.T) {
	_, r := lonely(t, 1)
	r.worker.mu.Lock()
	defer r.worker.mu.Unlock()
	m := r.members[0]
	m.is(present)
	m.session = "s"
	m.sent.asked[ping] = question{n: 1, open: true}
	m.sent.unsure, m.sent.pinged = []letter{{sort: ping, n: 1}}, 1
	m.refused(&dialect.Event{Type: dialect.Refused, Ref: []byte("p1"), Code: []byte("rate_limited")})
	if m.sent.asked[ping].open || len(m.sent.unsure) != 0 {
		t.Errorf("%+v", m.sent)
	}
}
