package crowd

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
	"github.com/parley-rtc/parley/hub/wire"
)

// link is a connection of a member. It takes what comes on it; between Begin and
// Finish it holds the worker's mutex.
type link struct {
	member *member
	conn   *socket.Conn
	gen    uint32 // of the membership that it was opened for

	resuming bool // "resume" has not been answered
	cut      bool // it was cut, and its end has not been noted yet
	dirty    bool // among the links that the worker is to flush; owned by its run
}

// current reports whether the link is still the member's.
func (l *link) current() bool { return l.member.link == l }

// Begin implements socket.Handler.
func (l *link) Begin(at time.Time) {
	w := l.member.worker()
	w.mu.Lock()
	w.at = int64(at.Sub(w.crowd.Start))
	if lag, ok := l.conn.ReadLag(); ok {
		record(w.tally.ReadLate, int64(lag))
	}
}

// Finish implements socket.Handler.
func (l *link) Finish() { l.member.worker().mu.Unlock() }

// Message implements socket.Handler.
func (l *link) Message(text []byte) {
	m := l.member
	w := m.worker()
	w.tally.Bytes += uint64(len(text))
	if !l.current() {
		return
	}
	e := &w.event
	if err := w.crowd.Dialect.Read(text, e); err != nil {
		m.fault(Garbage, fmt.Sprintf("got %.80q: %v", text, err))
		return
	}
	m.had++
	if l.resuming && e.Type != dialect.Resumed && e.Type != dialect.Refused {
		m.fault(Untimely, fmt.Sprintf("got %.40q before the answer to its resume", text))
	}
	m.follow(e)
	switch e.Type {
	case dialect.Forwarded:
		m.forwarded(e, w.at)
	case dialect.Members:
		m.told(e, w.at)
	case dialect.Changes:
		m.changed(e, w.at)
	case dialect.Joined:
		if m.state == present {
			m.fault(Untimely, "got a list of members, or was told twice that it is in")
		}
		m.rightSelf(e)
		m.full, m.session, m.had = len(e.Room) > 0, string(e.Session), 1
		m.entered(w.at)
	case dialect.Resumed:
		l.resumed(e)
	case dialect.Renewed:
		w.tally.Renewals++
	case dialect.Pong:
		m.confirmed(e.Ref)
	case dialect.Refused:
		m.refused(e)
	}
}

// forwarded holds a message against what was sent.
func (m *member) forwarded(e *dialect.Event, at int64) {
	w := m.worker()
	c := w.crowd
	if c.Dialect.Shared && (string(e.From) == m.id || len(e.To) > 0 && string(e.To) != m.id) {
		return
	}
	s, err := payload.Check(e.Body, e.Kind, c.Run)
	fault := func(kind, text string, args ...any) {
		f := Fault{At: time.Duration(at), To: m.id, Message: e.Kind.String(), Text: fmt.Sprintf(text, args...)}
		if err == nil || errors.Is(err, payload.ErrReencoded) {
			f.Message, f.From = fmt.Sprintf("%s %d", e.Kind, s.Seq), fmt.Sprintf("%s-%d-%d", c.name, s.Room, s.From)
		}
		c.Faults.Add(kind, f)
	}
	switch {
	case err != nil && len(e.Body) > 0 && !dialect.Valid(e.Body):
		c.Faults.Add(Garbage, Fault{At: time.Duration(at), To: m.id, Text: fmt.Sprintf("%s got a payload that is not JSON: %.80q", m.id, e.Body)})
		return
	case errors.Is(err, payload.ErrReencoded):
		if c.Dialect.Exact && m.full {
			fault(Reencoded, "its bytes are not those that were sent")
		}
	case errors.Is(err, payload.ErrForeign):
		fault(Invented, "came from %q, and nobody sent it: %.60q", e.From, e.Body)
		return
	case err != nil:
		fault(Altered, "came from %q: %v", e.From, err)
		return
	}
	if s.Room != m.room.number || s.To != m.number && s.To != payload.Everybody || int(s.From) >= len(m.room.members) {
		fault(Misdelivered, "was sent to member %d of room %d and came to %s", s.To, s.Room, m.id)
		return
	}
	from := m.room.members[s.From]
	switch {
	case len(e.Room) > 0 && string(e.Room) != m.room.name:
		fault(Misdelivered, "came as of room %q", e.Room)
	case len(e.To) > 0 && string(e.To) != m.id:
		fault(Misdelivered, "came as to %q", e.To)
	case string(e.From) != from.id:
		fault(Forged, "came as from %q", e.From)
	case from == m:
		fault(Misdelivered, "came back to its sender")
		return
	case m.state == joining:
		fault(Untimely, "came before its receiver was in")
	case c.Dialect.Membership && !m.view.listed.has(s.From) && m.state == present:
		fault(Stranger, "came from somebody whom the receiver had not been told of")
	}
	m.account(from, &s, at, fault)
}

// account takes a message that came to the right member into the books.
func (m *member) account(from *member, s *payload.Stamp, at int64, fault func(kind, text string, args ...any)) {
	w := m.worker()
	var what arrival
	if s.To == payload.Everybody {
		what = m.hears(from).arrivedAt(s.Seq, from.spoken, at)
	} else {
		what = from.flowTo(m.number).arrived(s.Seq, at)
	}
	switch what {
	case again:
		fault(Repeated, "came again")
		return
	case neverSent:
		fault(Invented, "nobody has sent it yet")
		return
	case overtaken:
		fault(Disorder, "came after a later one")
	case tooLate:
		w.tally.TooLate++
		return
	}
	w.tally.Received++
	m.view.floor = max(m.view.floor, s.Due)
	if m.slow {
		return
	}
	took := at - max(s.Due, m.backAt, from.backAt)
	if s.Due < max(m.backAt, from.backAt) {
		w.tally.Kept++
	} else {
		record(w.tally.Latency[s.Kind], took)
	}
	if late := int64(w.crowd.Late); late > 0 && took-w.stalls.of(s.Due) > late && !w.traffic.Tolerant {
		fault(Delayed, "took %s", time.Duration(took).Round(time.Millisecond))
	}
	m.inCall(from, s, at)
}

// refused takes an error into the books.
func (m *member) refused(e *dialect.Event) {
	w := m.worker()
	if m.probed(e) {
		return
	}
	w.tally.Errors[string(e.Code)]++
	expected := w.traffic.Tolerant
	switch to, seq, ok := readRef(e.Ref); {
	case ok:
		expected = m.refusedTo(to, seq, e.Code) || expected
	case bytes.HasPrefix(e.Ref, []byte("p")):
		m.confirmed(e.Ref) // handled, if not answered with a pong
	case m.state == joining && string(e.Code) == "duplicate_id":
		expected = expected || w.crowd.now() < m.orphaned
	case m.state == joining && string(e.Code) == "unavailable":
		expected = expected || w.traffic.Breaks
	case string(e.Code) == "target_not_found":
		expected = m.mayMiss(string(e.To)) || expected
	}
	if m.state == lost { // the answer to resume, which is none of the membership's messages
		m.had--
		m.link.resuming = false
		if string(e.Code) == "unavailable" && m.resumesLater() {
			return
		}
		m.fault(SessionLost, fmt.Sprintf("could not take its membership up again: %s (%s)", e.Code, e.Text))
		m.again()
		return
	}
	if denied := m.denied(e); denied != nil && !expected {
		denied.deny(m, e)
	} else if !expected {
		m.fault(Refused, refusedText(e))
	}
	if m.state == joining {
		m.link.conn.Close(leaveTime)
	}
}

func refusedText(e *dialect.Event) string {
	return fmt.Sprintf("was answered to %q with %s: %s", e.Re, e.Code, e.Text)
}

// denied returns the member that an error says is not there; nil: it says nothing like it.
func (m *member) denied(e *dialect.Event) *member {
	to, _, ok := readRef(e.Ref)
	if !ok || int(to) >= len(m.out) || string(e.Code) != "target_not_found" {
		return nil
	}
	return m.room.members[to]
}

// refusedTo notes that a message was answered with an error, and reports whether it
// might have been lost anyway.
func (m *member) refusedTo(to uint16, seq uint32, code []byte) (expected bool) {
	if to == payload.Everybody {
		for _, o := range m.room.members {
			if o != m && (o.state == present || o.state == lost) {
				o.hears(m).refuse(seq)
			}
		}
		return false
	}
	if int(to) >= len(m.out) {
		return false
	}
	o := m.room.members[to]
	return m.out[to].refuse(seq) || o.state != present && o.state != lost || o.slow && string(code) == "congested"
}

// mayMiss reports whether a member with an id is not there, or was not a short time ago:
// what is sent to it may be refused. Where the server does not say whom it means, any may
// be meant.
func (m *member) mayMiss(id string) bool {
	now := m.worker().crowd.now()
	for _, o := range m.room.members {
		if o != m && (id == "" || id == o.id) && (o.state != present && o.state != lost || len(o.lives) > 1 && now < o.life().entered+ghostTime) {
			return true
		}
	}
	return false
}

// again joins anew after a session is over.
func (m *member) again() {
	conn := m.link.conn
	m.excuse()
	m.rejoins()
	conn.Close(leaveTime)
}

// Closed implements socket.Handler.
func (l *link) Closed(why socket.Close) {
	m := l.member
	w := m.worker()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connections--
	if !l.current() || w.crowd.stopped.Load() {
		return
	}
	m.link = nil
	m.awaited = 0
	if !why.Ours {
		w.tally.Closes[closeName(why)]++
		if m.state != leaving && !m.slow {
			m.broke(why)
		}
	}
	switch {
	case m.state == leaving:
		m.left(why)
	case m.session != "" && resumable(why) && (m.state == present || m.state == lost):
		m.lose(why.Ours)
	default:
		m.ended(why)
		m.excuse()
		if w.traffic.Rejoin {
			m.rejoins()
		} else {
			m.gone()
		}
	}
}

// closeName names the end of a connection for the books.
func closeName(why socket.Close) string {
	if why.Code != wire.CloseAbnormal {
		return why.Code.String()
	}
	return "broken"
}
