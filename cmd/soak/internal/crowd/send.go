package crowd

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
	"github.com/parley-rtc/parley/cmd/soak/internal/socket"
)

// send sends a message to another member, or to everybody.
func (m *member) send(to *member, kind payload.Kind, due int64) (seq uint32, ok bool) {
	w := m.worker()
	c := w.crowd
	stamp := payload.Stamp{Run: c.Run, Room: m.room.number, From: m.number, To: payload.Everybody, Due: due, Kind: kind,
		Template: uint8(w.random.IntN(payload.Templates(kind)))}
	var f *flow
	if to != nil {
		f = m.flowTo(to.number)
		if *f == (flow{}) && to.mayBeGone(w.crowd.now()) {
			f.away() // it left before anything was sent to it
		}
		stamp.To, stamp.Seq = to.number, f.sent
	} else {
		stamp.Seq = m.spoken
	}
	if !m.write(&stamp) {
		if m.link.conn.Queued() >= socket.MaxQueue/2 {
			c.Faults.Add(NotSent, Fault{At: c.Now(), From: m.id, To: w.message.To, Message: kind.String(), Text: "the server has stopped reading"})
		}
		return stamp.Seq, false
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
	m.note(letter{stamp: stamp}, due)
	return stamp.Seq, true
}

// mayBeGone reports whether the member has left, and the server may not know that yet.
func (m *member) mayBeGone(now int64) bool {
	over := m.life().over
	return m.state != present && m.state != lost && (over == 0 || now < over+ghostTime)
}

// say sends a message to everybody, and reports false where it can't be sent.
func (m *member) say(due int64) bool {
	_, ok := m.send(nil, payload.Message, due)
	return ok
}

// write hands a message to the connection, and reports false where that takes none.
func (m *member) write(s *payload.Stamp) bool {
	w := m.worker()
	message := &w.message
	*message = dialect.Message{Room: m.room.name, From: m.id, Stamp: *s}
	if s.To != payload.Everybody {
		message.To = m.room.members[s.To].id
	}
	if m.full {
		w.ref = appendRef(w.ref[:0], s.To, s.Seq)
		message.Ref = w.ref
	}
	conn := m.link.conn
	return conn.Done(w.crowd.Dialect.Message(conn.Append(), message))
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
func readRef(b []byte) (to uint16, seq uint32, ok bool) {
	first, second, ok := bytes.Cut(b, []byte("."))
	if !ok {
		return 0, 0, false
	}
	t, err1 := strconv.ParseUint(string(first), 16, 16)
	n, err2 := strconv.ParseUint(string(second), 16, 32)
	return uint16(t), uint32(n), err1 == nil && err2 == nil
}

// sort is what a letter is.
type sort uint8

const (
	message sort = iota // with a stamp
	ping
	probe   // something that the server must refuse
	renewal // of the token
)

// letter is what a member has sent.
type letter struct {
	sort
	n     uint32 // of a ping or a probe
	stamp payload.Stamp
}

// mailbox is what a member has sent and the server has not confirmed. It numbers the
// messages of a membership as the server does in "handled". Owned by the room's worker.
type mailbox struct {
	sure   uint64   // so many messages are handled for certain
	unsure []letter // those that follow

	asked  [probe + 1]question // the last ping, and the last probe
	pinged int                 // so many of unsure went before the ping that is under way
}

// question is a message that must be answered.
type question struct {
	n    uint32
	at   int64
	open bool   // it has not been answered
	void uint32 // an answer to this one or to an earlier one may still come, or never
}

// Times of questions, in nanoseconds.
const (
	confirmTime = int64(1e9) // between pings that confirm what was sent
	probeTime   = int64(2e9) // between probes
	recentTime  = int64(2e9) // in which what can't be confirmed may be under way
	answerTime  = int64(5e9) // in which a question must be answered, or in Late where that is longer,
	quietTime   = int64(2e9) // and where nothing else comes
)

// begin empties the mailbox for a new membership, whose first message is its join.
func (b *mailbox) begin() {
	b.sure, b.unsure, b.pinged = 1, nil, 0
	for i := range b.asked {
		if q := &b.asked[i]; q.open {
			q.open, q.void = false, q.n
		}
	}
}

// note remembers a message until it is known to have reached the server, and asks
// for that with a ping now and then.
func (m *member) note(l letter, now int64) {
	b := &m.sent
	if m.session == "" {
		b.recent(l, now)
		return
	}
	b.unsure = append(b.unsure, l)
	if q := &b.asked[probe]; !q.open && (q.n == 0 || now >= q.at+probeTime) && m.worker().crowd.Dialect.Probe != nil {
		m.ask(probe, now)
	}
	if q := &b.asked[ping]; !q.open && now >= q.at+confirmTime {
		m.ask(ping, now)
	}
}

// recent remembers messages of a member whose server can't confirm any: the last ones
// may be lost with the connection.
func (b *mailbox) recent(l letter, now int64) {
	old := 0
	for old < len(b.unsure) && b.unsure[old].stamp.Due < now-recentTime {
		old++
	}
	b.unsure = append(b.unsure[old:], l)
}

// greet sends a ping to find out whether the server still knows the member.
func (m *member) greet(now int64) {
	b := &m.sent
	if m.session == "" || !m.listens() || b.asked[ping].open {
		return
	}
	m.ask(ping, now)
	m.link.conn.Flush()
}

// ask sends a ping or a probe.
func (m *member) ask(what sort, now int64) {
	b := &m.sent
	q := &b.asked[what]
	*q = question{n: q.n + 1, at: now, open: true, void: q.void}
	l := letter{sort: what, n: q.n}
	if b.unsure = append(b.unsure, l); what == ping {
		b.pinged = len(b.unsure)
	}
	m.put(&l)
	m.answerDue(now)
}

// put hands a letter to the connection.
func (m *member) put(l *letter) {
	w := m.worker()
	conn := m.link.conn
	switch l.sort {
	case message:
		m.write(&l.stamp)
		return
	case ping:
		conn.Done(fmt.Appendf(conn.Append(), `{"type":"ping","ref":"p%x"}`, l.n))
	case renewal:
		conn.Done(w.crowd.Dialect.Renew(conn.Append(), m.token))
	case probe:
		conn.Done(w.crowd.Dialect.Probe(conn.Append(), fmt.Sprintf("x%x", l.n), m.room.name+"-nobody", m.anybody(), l.n%2 == 0))
	}
}

// anybody returns the id of a member that this one has been told of.
func (m *member) anybody() string {
	for n := range m.view.listed.all() {
		if n != m.number {
			return m.room.members[n].id
		}
	}
	return m.id
}

// answerDue has the open questions checked once they must have been answered.
func (m *member) answerDue(now int64) {
	m.worker().wheel.add(now+m.answerTime(), event{do: checkAnswers, member: m, gen: m.gen})
}

func (m *member) answerTime() int64 { return max(answerTime, int64(m.worker().crowd.Late)) }

// checkAnswers tells of questions that were not answered in time. Time without a
// connection does not count.
func (m *member) checkAnswers(now int64) {
	for what := range m.sent.asked {
		if q := &m.sent.asked[what]; m.listens() && q.open {
			since := max(q.at, m.backAt)
			if due := since + m.answerTime() + m.worker().stalls.of(since); now < due {
				m.worker().wheel.add(due, event{do: checkAnswers, member: m, gen: m.gen})
			} else {
				m.unanswered(sort(what), now)
			}
		}
	}
}

// listens reports whether answers to the member must come in time.
func (m *member) listens() bool {
	return m.state == present && m.link != nil && !m.slow && !m.worker().traffic.Tolerant
}

// unanswered tells of a question without an answer.
func (m *member) unanswered(what sort, now int64) {
	q := &m.sent.asked[what]
	q.open, q.void = false, q.n
	m.fault(Unanswered, fmt.Sprintf("got no answer to its %s within %s", map[sort]string{
		ping: "ping", probe: "message to nobody or in another's name"}[what], seconds(now-max(q.at, m.backAt))))
}

// open counts the questions that must still be answered.
func (m *member) open() (n int) {
	for i := range m.sent.asked {
		if m.listens() && m.sent.asked[i].open {
			n++
		}
	}
	return n
}

// closeQuestions tells of questions without an answer, once nothing else comes.
func (m *member) closeQuestions(now int64) {
	for what := range m.sent.asked {
		if q := &m.sent.asked[what]; m.listens() && q.open && now >= max(q.at, m.backAt)+quietTime {
			m.unanswered(sort(what), now)
		}
	}
}

// confirmed takes the answer to a ping: what went before it has been handled.
func (m *member) confirmed(ref []byte) {
	b := &m.sent
	q := &b.asked[ping]
	switch n, err := strconv.ParseUint(string(bytes.TrimPrefix(ref, []byte("p"))), 16, 32); {
	case m.session == "":
		return
	case err != nil || uint32(n) > q.n:
		m.fault(Unanswered, fmt.Sprintf("got a pong with the ref %q, which answers nothing", ref))
		return
	case uint32(n) < q.n || !q.open:
		if uint32(n) > q.void {
			m.fault(Repeated, fmt.Sprintf("got a second answer to its ping %d", n))
		}
		return
	}
	q.open = false
	b.sure += uint64(b.pinged)
	b.unsure = append(b.unsure[:0], b.unsure[b.pinged:]...)
	b.pinged = 0
}

// probed takes the answer to a probe, and reports whether it is one.
func (m *member) probed(e *dialect.Event) bool {
	digits, ok := bytes.CutPrefix(e.Ref, []byte("x"))
	if !ok {
		return false
	}
	q := &m.sent.asked[probe]
	switch n, err := strconv.ParseUint(string(digits), 16, 32); {
	case err != nil || uint32(n) > q.n:
		return false
	case uint32(n) < q.n || !q.open:
		if uint32(n) > q.void {
			m.fault(Repeated, fmt.Sprintf("got a second answer to its probe %d", n))
		}
		return true
	}
	q.open = false
	want := "target_not_found"
	if q.n%2 == 0 {
		want = "forbidden"
	}
	switch code := string(e.Code); code {
	case want, "rate_limited", "congested", "unavailable", "unauthorized":
	default:
		m.fault(Refused, fmt.Sprintf("was answered with %s, not with %s", code, want))
	}
	return true
}

// handled takes the server's word on how many messages of the membership it has
// handled, and sends the others again. -1: it does not say.
func (m *member) handled(n int64) {
	b := &m.sent
	if n == -1 {
		m.excuse()
		return
	}
	said := b.sure + uint64(len(b.unsure))
	if h := uint64(n); n < 0 || h < b.sure || h > said {
		m.fault(Miscounted, fmt.Sprintf("was told that %d of its messages were handled: it has sent %d, and knows of %d that they were", n, said, b.sure))
		m.excuse()
		b.sure = uint64(max(n, 1))
		return
	}
	done := int(uint64(n) - b.sure)
	b.sure, b.unsure, b.pinged = uint64(n), append(b.unsure[:0], b.unsure[done:]...), max(b.pinged-done, 0)
	for i := range b.unsure {
		m.put(&b.unsure[i])
		m.worker().tally.Resent++
	}
	m.link.conn.Flush()
	m.answerDue(m.worker().crowd.now())
}

// excuse notes that what was sent last may not have reached the server: the
// connection took the answer with it.
func (m *member) excuse() {
	b := &m.sent
	for _, l := range b.unsure {
		if l.sort != message {
			continue
		}
		if l.stamp.To != payload.Everybody {
			m.flowTo(l.stamp.To).excuse(l.stamp.Seq)
			continue
		}
		for _, o := range m.room.members {
			if o != m && (o.state == present || o.state == lost) {
				o.hears(m).excuse(l.stamp.Seq)
			}
		}
	}
	b.begin()
}
