package crowd

import "github.com/parley-rtc/parley/cmd/soak/internal/dialect"

// denial is an answer that says that a member is not there. Whether that is so is known
// later: the server may have ended the membership with the node that kept it, and the member
// learns that when it tries to resume.
type denial struct {
	told  *member // the sender who got the answer
	text  string
	since int64
}

// deny notes that another member was told that this one is not there.
func (m *member) deny(told *member, e *dialect.Event) {
	w := m.worker()
	now := w.crowd.now()
	m.denials = append(m.denials, denial{told, refusedText(e), now})
	w.wheel.add(now+doubtTime, event{do: settleDenials, member: m, gen: m.gen})
}

// denialsDue settles those that have lasted long enough, unless the connection is lost: then
// the answer to the resume settles them.
func (m *member) denialsDue(now int64) {
	for len(m.denials) > 0 && m.state == present {
		since := m.denials[0].since
		if due := since + doubtTime + m.worker().stalls.of(since); now < due {
			m.worker().wheel.add(due, event{do: settleDenials, member: m, gen: m.gen})
			return
		}
		m.denyWrongly(1)
	}
}

// denyWrongly blames the server for the first n denials: the member has been in all the time.
func (m *member) denyWrongly(n int) {
	for _, d := range m.denials[:n] {
		d.told.fault(Refused, d.text)
	}
	if m.denials = m.denials[n:]; len(m.denials) == 0 {
		m.denials = nil
	}
}
