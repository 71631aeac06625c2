package crowd

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// view is what a member has been told of the others. Owned by the room's worker.
//
// The members that a list must and must not hold follow from what the members themselves know,
// by four rules:
//
//  1. Whoever read that it is in before the list was made, and has not left since, is
//     listed.
//  2. Nobody is dropped more often than its memberships have ended: else it is a flap.
//  3. Nobody comes back more often than it has joined.
//  4. Whoever's leave was confirmed some time before the list was made is not listed.
//
// When a list was made is not known. But the server has made all that a member reads
// after it asked to join, and after it got a message that was due then: floor is the
// latest such time.
type view struct {
	listed set // whom the server says to be in; nil: it has said nothing yet
	floor  int64
	turns  map[uint16]turns // of those who were dropped
	doubts map[uint16]doubt // about those who are missing, until it is clear whether they are in
	blamed set              // whom a fault has named since they were last told of rightly
}

// turns counts how often somebody was dropped and came back.
type turns struct{ drops, returns, flaps int }

// doubt is about a member who is missing from a list.
type doubt struct {
	kind  uint8
	since int64
}

const (
	omitted  uint8 = iota + 1 // it was not listed before either
	vanished                  // it was in the list before
)

// Times that a server may take, in nanoseconds.
const (
	// doubtTime is how long a connection may take to tell a member what the others
	// know already: that the server has closed it.
	doubtTime = int64(2 * time.Second)
	// ghostTime is how long after a confirmed leave a list may still have the member.
	ghostTime = int64(5 * time.Second)
)

// told takes a list of who is in the room.
func (m *member) told(e *dialect.Event, at int64) {
	if !m.rightRoom(e) {
		return
	}
	if m.full && m.had < 2 {
		m.fault(Untimely, "got a list of members")
	}
	w := m.worker()
	next := w.scratch[:0]
	m.read(&next, e.Members, m.full, "a list")
	w.scratch = next
	m.learn(next, at)
}

// changed takes what has changed in the room.
func (m *member) changed(e *dialect.Event, at int64) {
	if !m.rightRoom(e) {
		return
	}
	if m.view.listed == nil || !m.worker().crowd.Changes {
		m.fault(Membership, "got changes before any list, or without having asked for them")
		return
	}
	w := m.worker()
	next := append(w.scratch[:0], m.view.listed...)
	var joined, left, rejoined set
	m.read(&joined, e.Joined, false, "changes")
	m.read(&left, e.Left, false, "changes")
	m.read(&rejoined, e.Rejoined, false, "changes")
	for n := range joined.all() {
		if next.has(n) {
			m.fault(Membership, fmt.Sprintf("was told that %s has joined, of whom it had been told", m.room.members[n].id))
		}
		next.add(n)
	}
	for n := range left.all() {
		if !next.has(n) {
			m.fault(Membership, fmt.Sprintf("was told that %s has left, of whom it had not been told", m.room.members[n].id))
		}
		next.remove(n)
	}
	for n := range rejoined.all() {
		m.dropped(n)
		m.returned(n)
	}
	w.scratch = next
	if n := next.count(); n != e.Count {
		m.fault(Membership, fmt.Sprintf("was told that there are %d members after a change that makes them %d", e.Count, n))
	}
	m.learn(next, at)
}

func (m *member) rightRoom(e *dialect.Event) bool {
	right := len(e.Room) == 0 || string(e.Room) == m.room.name
	if !right {
		m.fault(Membership, fmt.Sprintf("in %s was told of %q", m.room.name, e.Room))
	}
	return right
}

// read reads an array of ids.
func (m *member) read(to *set, array []byte, sorted bool, what string) {
	if array == nil && what != "a list" {
		return
	}
	var last []byte
	ok := dialect.Strings(array, func(id []byte) {
		n := m.room.numberOf(id)
		switch {
		case n < 0:
			m.fault(Membership, fmt.Sprintf("was told of %q, who is none of the room", id))
			return
		case m.room.members[n].gen == 0:
			m.fault(Membership, fmt.Sprintf("was told of %q, who never joined", id))
		case to.has(uint16(n)):
			m.fault(Membership, fmt.Sprintf("was told of %q twice", id))
		case sorted && string(last) > string(id):
			m.fault(Membership, fmt.Sprintf("got %s that is not sorted: %q stands before %q", what, last, id))
		}
		to.add(uint16(n))
		last = append(last[:0], id...)
	})
	if !ok {
		m.fault(Membership, fmt.Sprintf("got %s that is none: %.80q", what, array))
	}
}

// learn holds a new list against what is known, and takes it over.
func (m *member) learn(next set, at int64) {
	v := &m.view
	switch self := next.has(m.number); {
	case self && m.state == joining:
		m.entered(at) // a server of the base protocol says no more
	case !self && m.state == present:
		m.fault(Membership, "was told of a room without itself")
	}
	first := v.listed == nil
	for i := range (len(m.room.members) + 63) / 64 {
		was, is := v.listed.word(i), next.word(i)
		if !first {
			for b := was &^ is; b != 0; b &= b - 1 {
				m.dropped(uint16(64*i + bits.TrailingZeros64(b)))
			}
			for b := is &^ was; b != 0; b &= b - 1 {
				m.returned(uint16(64*i + bits.TrailingZeros64(b)))
			}
		}
		for b := is; b != 0; b &= b - 1 {
			m.listedRightly(m.room.members[64*i+bits.TrailingZeros64(b)])
		}
		for b := ^is; b != 0; b &= b - 1 {
			if n := 64*i + bits.TrailingZeros64(b); n < len(m.room.members) {
				m.omittedRightly(m.room.members[n])
			}
		}
	}
	if v.listed = append(v.listed[:0], next...); v.listed == nil {
		v.listed = set{}
	}
}

// dropped notes that a member is in the list no more.
func (m *member) dropped(n uint16) {
	if n == m.number {
		return
	}
	v := &m.view
	o := m.room.members[n]
	t := v.turns[n]
	t.drops++
	if t.drops-t.flaps > o.endsSince(m.life().asked-ghostTime) {
		t.flaps++
		m.doubt(o, vanished)
	}
	if v.turns == nil {
		v.turns = map[uint16]turns{}
	}
	v.turns[n] = t
}

// doubt notes that a member is missing who should not be, as far as is known yet: it
// may be about to learn that its connection has ended.
func (m *member) doubt(o *member, kind uint8) {
	v := &m.view
	if o.slow || m.worker().traffic.Tolerant || v.doubts[o.number].kind != 0 {
		return
	}
	if v.doubts == nil {
		v.doubts = map[uint16]doubt{}
	}
	now := m.worker().crowd.now()
	v.doubts[o.number] = doubt{kind, now}
	m.settleLater(o.number, now+doubtTime)
}

func (m *member) settleLater(n uint16, due int64) {
	m.worker().wheel.add(due, event{do: settleDoubt, member: m, gen: m.gen, other: n})
}

// doubtDue settles a doubt that has lasted long enough. The event may be that of an
// earlier doubt about the same member, which a later list has settled.
func (m *member) doubtDue(n uint16, now int64) {
	d, ok := m.view.doubts[n]
	if !ok {
		return
	}
	if due := d.since + doubtTime + m.worker().stalls.of(d.since); now < due {
		m.settleLater(n, due)
		return
	}
	m.settleDoubt(n)
}

// settleDoubt decides about a member who is connected and believes that it is in. One
// whose connection is lost settles it when it resumes, or can't.
func (m *member) settleDoubt(n uint16) {
	if o := m.room.members[n]; m.view.doubts[n].kind != 0 && o.state == present {
		m.wronged(o)
	}
}

// settleDoubts settles all doubts, once nothing is under way any more.
func (m *member) settleDoubts() {
	if m.state == present {
		m.denyWrongly(len(m.denials))
	}
	for n := range m.view.doubts {
		m.settleDoubt(n)
	}
}

// wronged tells that a member was missing who has been in all the time.
func (m *member) wronged(o *member) {
	d := m.view.doubts[o.number]
	delete(m.view.doubts, o.number)
	m.view.blamed.add(o.number)
	if d.kind == vanished {
		m.worker().tally.Flaps++
		m.fault(Flap, fmt.Sprintf("was told that %s has left, and it has not", o.id))
		return
	}
	m.fault(Membership, fmt.Sprintf("was not told of %s, who was in", o.id))
}

// returned notes that a member is in the list who was not in the last.
func (m *member) returned(n uint16) {
	v := &m.view
	t, ok := v.turns[n]
	if !ok || n == m.number {
		return
	}
	t.returns++
	o := m.room.members[n]
	if t.returns-t.flaps > o.joinsSince(m.life().asked-ghostTime) {
		m.fault(Membership, fmt.Sprintf("was told again of %s, who has left and not come back: the list goes back in time", o.id))
	}
	v.turns[n] = t
}

// listedRightly checks that a member who is listed may be (rule 4).
func (m *member) listedRightly(o *member) {
	v := &m.view
	over := o.life().over
	if over == 0 || v.floor < over+ghostTime {
		v.blamed.remove(o.number)
		if v.doubts[o.number].kind == omitted {
			delete(v.doubts, o.number) // the list was late, no more
		}
		return
	}
	if !v.blamed.has(o.number) {
		v.blamed.add(o.number)
		m.fault(Membership, fmt.Sprintf("was told of %s, who left %s before", o.id, time.Duration(v.floor-over).Round(time.Millisecond)))
	}
}

// omittedRightly checks that a member who is not listed need not be (rule 1).
func (m *member) omittedRightly(o *member) {
	v := &m.view
	in := o.life().entered
	if o == m || in == 0 || in >= v.floor || v.blamed.has(o.number) {
		return
	}
	if o.state == present || o.state == lost {
		m.doubt(o, omitted)
	}
}

// vindicated settles the doubts about a member that has resumed: it has been in all the
// time.
func (m *member) vindicated() {
	for _, o := range m.room.members {
		if o.view.doubts[m.number].kind != 0 {
			o.wronged(m)
		}
	}
	m.denyWrongly(len(m.denials))
}

// undoubted settles the doubts about a member that has left, or is out.
func (m *member) undoubted() {
	m.denials = nil
	for _, o := range m.room.members {
		v := &o.view
		if v.doubts[m.number].kind == vanished {
			t := v.turns[m.number]
			t.flaps--
			v.turns[m.number] = t
		}
		delete(v.doubts, m.number)
		v.blamed.remove(m.number)
	}
}

// knows reports whether the member has been told that another is in. Where the server
// tells nobody, members know of each other by other means.
func (m *member) knows(o *member) bool {
	if !m.worker().crowd.Dialect.Membership {
		return o.ready()
	}
	return m.view.listed.has(o.number)
}
