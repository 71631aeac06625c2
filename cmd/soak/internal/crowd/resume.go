package crowd

import (
	"fmt"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
	"github.com/parley-rtc/parley/hub/wire"
)

// resumable reports whether a client takes its membership up again after such an end of
// its connection.
func resumable(why socket.Close) bool {
	return why.Code == wire.CloseAbnormal || why.Code == wire.CloseGoingAway
}

// broke notes a connection that the server or the network has ended: a fault, unless
// the run expects that.
func (m *member) broke(why socket.Close) {
	w := m.worker()
	c := w.crowd
	w.tally.Breaks++
	if w.traffic.Tolerant || c.breaks.Add(-1) >= 0 {
		return
	}
	coming := 0
	for _, o := range m.room.members {
		if int(m.number) < len(o.out) {
			coming += o.out[m.number].outstanding()
		}
	}
	m.fault(Broken, fmt.Sprintf("%s; in flight: %d messages from it, %d to it", why.String(), len(m.sent.unsure), coming))
}

// ExpectBreaks lets so many connections break from now on without that being a fault.
func (c *Crowd) ExpectBreaks(n int) { c.breaks.Store(int64(n)) }

// lose notes that the connection is lost, and has the member resume.
func (m *member) lose(ours bool) {
	if m.state == present {
		m.lostAt = m.worker().crowd.now()
		m.ours = ours
		m.pause = resumePause
		m.is(lost)
		m.worker().wheel.add(m.lostAt+resumeTime+answerTime, event{do: giveUp, member: m, gen: m.gen})
	}
	m.resumesLater()
}

// ended notes that the server or the network has ended the connection, and with it the
// membership.
func (m *member) ended(why socket.Close) {
	w := m.worker()
	switch {
	case why.Ours:
	case m.state == joining:
		m.orphan() // perhaps the server has let it in
	case m.session != "" && !m.slow && !w.traffic.Tolerant:
		m.fault(SessionLost, "lost its membership: "+why.String())
	}
}

// orphan notes that the server may keep a membership for a time that nobody can take up
// again.
func (m *member) orphan() {
	m.orphaned = m.worker().crowd.now() + resumeTime + ghostTime
	m.life().ended = m.orphaned
}

// givesUp ends a membership that could not be taken up again, whatever the server did
// instead of an answer.
func (m *member) givesUp(now int64) {
	if m.state != lost {
		return
	}
	w := m.worker()
	if due := m.lostAt + resumeTime + answerTime + w.stalls.of(m.lostAt); now < due {
		w.wheel.add(due, event{do: giveUp, member: m, gen: m.gen})
		return
	}
	m.fault(SessionLost, fmt.Sprintf("could not take its membership up again within %s", seconds(now-m.lostAt)))
	l := m.link
	m.excuse()
	m.rejoins()
	if l != nil {
		l.conn.Cut()
	}
}

// resumesLater schedules the next try to resume, as a browser would: soon, and then
// less and less often. It reports false where it is too late for that.
func (m *member) resumesLater() bool {
	w := m.worker()
	now := w.crowd.now()
	if now >= m.lostAt+resumeTime {
		return false
	}
	if m.trying {
		return true
	}
	m.trying = true
	w.wheel.add(now+m.pause, event{do: resume, member: m, gen: m.gen})
	m.pause = min(2*m.pause, resumeMost)
	return true
}

// resumes tries to take the membership up again: on a new connection, or once more on
// one whose server had no answer.
func (m *member) resumes() {
	switch {
	case m.state != lost:
	case m.link == nil:
		m.connect(m.session)
	case !m.link.resuming:
		m.trying = false
		m.link.resuming = true
		m.askToResume()
	}
}

func (m *member) askToResume() {
	conn := m.link.conn
	conn.Done(fmt.Appendf(conn.Append(), `{"type":"resume","session":%q,"received":%d}`, m.session, m.had))
	conn.Flush()
}

// resumed notes that the membership goes on.
func (l *link) resumed(e *dialect.Event) {
	m := l.member
	w := m.worker()
	if !l.resuming {
		m.fault(Untimely, "was told that it has resumed, and had not asked for that")
		return
	}
	l.resuming = false
	if m.state != lost {
		return
	}
	m.is(present)
	w.tally.Resumes++
	m.backAt = w.at
	outage := m.backAt - m.lostAt
	record(w.tally.Outage, outage)
	if late := int64(w.crowd.Late); late > 0 && !m.ours && outage-w.stalls.of(m.lostAt) > late+resumePause && !w.traffic.Tolerant {
		m.fault(Delayed, fmt.Sprintf("was without its membership for %s", seconds(outage)))
	}
	m.rightSelf(e)
	if m.awaited = e.Missed + 1; e.Missed < 0 {
		m.fault(Miscounted, "was not told how many messages it has missed")
		m.awaited = 0
	}
	m.vindicated()
	m.handled(e.Handled)
	if m.recuts > 0 {
		m.recuts--
		w.wheel.add(w.at+w.random.Int64N(recutSpread), event{do: cutAgain, member: m, gen: m.gen})
	}
}

// follow counts the missed messages that come after "resumed": the next one must be a
// list.
func (m *member) follow(e *dialect.Event) {
	if m.awaited == 0 {
		return
	}
	if m.awaited--; m.awaited == 0 && e.Type != dialect.Members {
		m.fault(Miscounted, "was told of another number of missed messages than came before the list of members")
	}
}

// closeMissed tells of missed messages that have not come, once nothing else comes.
func (m *member) closeMissed(now int64) {
	if m.awaited > 0 && m.listens() && now >= m.backAt+quietTime {
		m.fault(Miscounted, fmt.Sprintf("was told of %d missed messages more than came", m.awaited-1))
		m.awaited = 0
	}
}

// rightSelf checks that the server means this member when it lets it in or on.
func (m *member) rightSelf(e *dialect.Event) {
	if len(e.Room) > 0 && string(e.Room) != m.room.name || len(e.From) > 0 && string(e.From) != m.id {
		m.fault(Membership, fmt.Sprintf("was told that it is %q in %q", e.From, e.Room))
	}
}

// left notes that the connection of a member that leaves has ended. From some time on
// the server must refuse what is sent to it.
func (m *member) left(why socket.Close) {
	w := m.worker()
	if why.Code != wire.CloseNormal && why.Code != wire.CloseNoStatus {
		m.orphan() // no answer to its close frame: perhaps the server has not read what came last, nor the leave
		m.excuse()
	} else {
		now := w.crowd.now()
		m.life().over = now
		w.wheel.add(now+ghostTime, event{do: mustRefuse, member: m, gen: m.gen + 1})
	}
	if m.returns {
		m.rest(restLeast, restSpread)
	} else {
		m.gone()
	}
}

// mustRefuse notes that the member has been out for so long that nobody may be left
// unanswered who sends to it.
func (m *member) mustRefuse() {
	if m.state == present || m.state == lost {
		return
	}
	for _, o := range m.room.members {
		if int(m.number) < len(o.out) {
			o.out[m.number].back()
		}
	}
}

func seconds(ns int64) string { return time.Duration(ns).Round(time.Millisecond).String() }
