package crowd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
)

// letter names a message of a member.
type letter struct {
	to  uint16
	seq uint32
}

// send sends a message to another member, or to everybody.
func (m *member) send(to *member, kind payload.Kind, due int64) (seq uint32, ok bool) {
	w := m.worker()
	c := w.crowd
	message := &w.message
	*message = dialect.Message{Room: m.room.name, From: m.id, Stamp: payload.Stamp{
		Run: c.Run, Room: m.room.number, From: m.number, To: payload.Everybody, Due: due, Kind: kind,
		Template: uint8(w.random.IntN(payload.Templates(kind))),
	}}
	var f *flow
	if to != nil {
		f = m.flowTo(to.number)
		message.To, message.Stamp.To, message.Stamp.Seq = to.id, to.number, f.sent
	} else {
		message.Stamp.Seq = m.spoken
	}
	seq = message.Stamp.Seq
	if m.full {
		w.ref = appendRef(w.ref[:0], message.Stamp.To, seq)
		message.Ref = w.ref
	}
	conn := m.link.conn
	if !conn.Done(c.Dialect.Message(conn.Append(), message)) {
		if conn.Queued() >= socket.MaxQueue/2 {
			c.Faults.Add(NotSent, Fault{At: c.Now(), From: m.id, To: message.To, Message: kind.String(), Text: "the server has stopped reading"})
		}
		return seq, false
	}
	w.touch(m.link)
	w.dues = append(w.dues, due)
	w.tally.Sent++
	if f != nil {
		f.sent++
		w.tally.Due++
	} else {
		m.spoken++
		w.tally.Due += uint64(max(m.room.here-1, 0))
	}
	m.note(letter{message.Stamp.To, seq}, due)
	return seq, true
}

// flowTo returns the account of the messages to another member.
func (m *member) flowTo(number uint16) *flow {
	if n := len(m.room.members); len(m.out) < n {
		m.out = append(m.out, make([]flow, n-len(m.out))...)
	}
	return &m.out[number]
}

// appendRef appends the tag of a message, which an error brings back.
func appendRef(b []byte, to uint16, seq uint32) []byte {
	return strconv.AppendUint(append(strconv.AppendUint(b, uint64(to), 16), '.'), uint64(seq), 16)
}

// readRef reads such a tag.
func readRef(b []byte) (letter, bool) {
	var to, seq uint64
	if n, err := fmt.Sscanf(string(b), "%x.%x", &to, &seq); n != 2 || err != nil || to > payload.Everybody || seq > 1<<32-1 {
		return letter{}, false
	}
	return letter{uint16(to), uint32(seq)}, true
}

// note remembers a message until it is known to have reached the server, and asks
// for that with a ping now and then.
func (m *member) note(l letter, now int64) {
	if m.session == "" {
		return
	}
	m.unsure = append(m.unsure, l)
	if m.pinged > 0 || now < m.pingAt+confirmTime {
		return
	}
	m.pinged, m.pingAt = len(m.unsure), now
	m.link.conn.Done(append(m.link.conn.Append(), `{"type":"ping"}`...))
}

// confirmed takes the answer to the ping.
func (m *member) confirmed() {
	m.unsure = append(m.unsure[:0], m.unsure[m.pinged:]...)
	m.pinged = 0
}

// excuse notes that what was sent last may not have reached the server: the
// connection took the answer with it.
func (m *member) excuse() {
	for _, l := range m.unsure {
		if l.to != payload.Everybody {
			m.flowTo(l.to).excuse(l.seq)
			continue
		}
		for _, o := range m.room.members {
			if o != m && (o.state == present || o.state == lost) {
				o.hears(m).excuse(l.seq)
			}
		}
	}
	m.unsure, m.pinged = nil, 0
}

// outstanding counts the messages to the member's peers that must come and have
// not.
func (m *member) outstanding() (n int) {
	for i := range m.out {
		n += m.out[i].outstanding()
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
	settle := func(b balance, from, to *member, name string) {
		w.tally.Explained += uint64(b.refused)
		w.tally.Expected += uint64(b.expected)
		w.tally.Lost += uint64(len(b.lost))
		for _, seq := range slices.Sorted(maps.Keys(b.lost)) {
			w.crowd.Faults.Add(Lost, Fault{At: time.Duration(b.lost[seq]), From: from.id, To: to.id,
				Message: fmt.Sprintf("%s %d", name, seq), Text: "never came"})
		}
	}
	for i := range m.out {
		settle(m.out[i].close(now), m, m.room.members[i], "message")
	}
	if m.state != present && m.state != lost {
		return
	}
	for _, o := range m.room.members {
		if o.spoken > 0 && o != m {
			h := m.hears(o)
			h.sent, h.next = o.spoken, max(h.next, min(h.start, o.spoken))
			settle(h.close(now), o, m, "message to everybody")
		}
	}
}
