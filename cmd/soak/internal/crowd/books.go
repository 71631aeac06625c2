package crowd

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// outstanding counts the messages to the member's peers that must come and have
// not.
func (m *member) outstanding() (n int) {
	for i := range m.out {
		n += m.out[i].outstanding()
	}
	n += m.open()
	if m.awaited > 0 && m.listens() {
		n++
	}
	if m.state == present || m.state == lost {
		for _, o := range m.room.members {
			if o.spoken > 0 && o != m {
				h := m.hears(o)
				h.sent, h.next = o.spoken, max(h.next, min(h.start, o.spoken))
				n += h.outstanding()
			}
		}
	}
	return n
}

// closeBooks counts the messages that have not come.
func (m *member) closeBooks() {
	w := m.worker()
	now := w.crowd.now()
	m.closeQuestions(now)
	m.closeMissed(now)
	m.settleDoubts()
	for i := range m.out {
		w.settle(m.out[i].close(now), m, m.room.members[i], "message")
	}
	if m.state != present && m.state != lost {
		return
	}
	for _, o := range m.room.members {
		if o.spoken > 0 && o != m {
			h := m.hears(o)
			h.sent, h.next = o.spoken, max(h.next, min(h.start, o.spoken))
			w.settle(h.close(now), o, m, "message to everybody")
		}
	}
}

// closeHeard counts the messages to everybody that were passed over, and forgets the
// others: the member is about to leave.
func (m *member) closeHeard() {
	w := m.worker()
	for i := range m.heard {
		if h := &m.heard[i]; h.odd != nil {
			h.sent = h.next
			w.settle(h.close(w.crowd.now()), m.room.members[i], m, "message to everybody")
		}
	}
	m.heard = nil
}

// settle counts what has not come of a flow.
func (w *worker) settle(b balance, from, to *member, name string) {
	w.tally.Explained += uint64(b.refused)
	w.tally.Expected += uint64(b.expected)
	w.tally.Lost += uint64(len(b.lost))
	for _, seq := range slices.Sorted(maps.Keys(b.lost)) {
		w.crowd.Faults.Add(Lost, Fault{At: time.Duration(b.lost[seq]), From: from.id, To: to.id,
			Message: fmt.Sprintf("%s %d", name, seq), Text: "never came"})
	}
}
