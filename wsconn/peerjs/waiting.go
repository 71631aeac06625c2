package peerjs

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/sized"
)

// Bounds of one peer's messages that wait for others. Messages beyond them expire at once.
const (
	maxWaiting      = 1000
	maxWaitingBytes = 1 << 20
)

// Absent peers are tried again every retryEvery, at most maxTries of them at a time: no
// more commands than a client may send messages by default. Those that were tried longest
// ago come first.
const (
	retryEvery = 250 * time.Millisecond
	maxTries   = 50
)

// sender passes on what one peer sends, and keeps what the hub has found nobody for. It
// tries that again until the receiver is there, or the message expires.
//
// Messages to one peer keep their order, but for one case: if the receiver joins after the
// hub has refused a message and before it has carried out the next, the refused one comes
// second.
type sender struct {
	id     string // the peer's
	conn   *wsconn.Conn
	expire time.Duration
	m      *wsconn.Membership // set before the first message

	order sync.Mutex // held while messages are passed on: their order is that of n

	// Guarded by mu, which no one holds for long: goroutines that write take it.
	mu     sync.Mutex
	count  uint64 // n of the last message
	absent map[string]*absent
	line   []*absent // the same; the one that was tried longest ago is the first
	n      int       // messages in all of absent
	bytes  int       // of their sizes
	timer  *time.Timer
	over   bool
}

// message is one that was passed on, or waits.
type message struct {
	wsconn.Outgoing        // its Data is the message
	n               uint64 // which one it is of those that the client has sent
	waits           bool   // for an absent peer; others are forgotten then, unless something waits before them
	again           bool   // it has waited
	buf             []byte // with To and Body
}

// messages are there to be used again.
var messages sized.Pool[message]

// newMessage returns a message with room for size bytes.
func newMessage(size int) *message {
	m, room := messages.Get(size)
	if m == nil {
		m = &message{buf: make([]byte, 0, room)}
	}
	return m
}

// recycle returns a message that has arrived to the pool of newMessage.
func (m *message) recycle() {
	*m = message{buf: m.buf[:0]}
	messages.Put(m, cap(m.buf))
}

// hold makes a buffer the message's: n bytes of the receiver's id, and the body.
func (m *message) hold(b []byte, n int) { m.To, m.Body, m.buf = b[:n:n], b[n:], b }

// size is what a message counts for while it waits, in bytes.
func (m *message) size() int { return len(m.To) + len(m.Body) }

// absent is a peer that is not there.
type absent struct {
	dst    string
	queue  []*message
	since  time.Time
	trying bool // the first message was taken out of queue, to be tried again
	final  bool // for the last time
	there  bool // the peer has come: what waits is to be passed on
}

func newSender(id string, c *wsconn.Conn, expire time.Duration) *sender {
	return &sender{id: id, conn: c, expire: expire, absent: make(map[string]*absent)}
}

// send passes a message on, or has it wait behind others to the same peer.
func (s *sender) send(in *incoming) error {
	m := newMessage(len(in.dst) + len(in.payload) + wrapped)
	in.write(m)
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	s.count++
	m.n = s.count
	if a := s.absent[string(m.To)]; a != nil {
		kept := s.keep(a, m)
		s.mu.Unlock()
		if !kept && m.waits {
			return s.conn.Send(expired(m.To, s.id))
		}
		return nil
	}
	s.mu.Unlock()
	return s.pass(m)
}

// pass passes a message on. The caller holds order.
func (s *sender) pass(m *message) error {
	m.Data = m
	return s.m.Pass(&m.Outgoing)
}

// keep has a message wait, and reports false if too much does. The caller holds mu.
func (s *sender) keep(a *absent, m *message) bool {
	if s.n >= maxWaiting || s.bytes+m.size() > maxWaitingBytes {
		return false
	}
	if cap(m.buf) > 2*len(m.buf) { // it has been a larger message's
		m.hold(bytes.Clone(m.buf), len(m.To))
	}
	i := len(a.queue)
	for i > 0 && a.queue[i-1].n > m.n { // what was sent later may wait already
		i--
	}
	a.queue = slices.Insert(a.queue, i, m)
	s.account(1, m)
	return true
}

// account adds messages to the sums, or with sign -1 takes them out. The caller holds mu.
func (s *sender) account(sign int, all ...*message) {
	for _, m := range all {
		s.n += sign
		s.bytes += sign * m.size()
	}
}

// drop forgets an absent peer, with what waits for it. The caller holds mu.
func (s *sender) drop(a *absent) {
	s.account(-1, a.queue...)
	delete(s.absent, a.dst)
	s.line = slices.DeleteFunc(s.line, func(b *absent) bool { return b == a })
}

// outcome takes what has become of a message. It is a [wsconn.Outcome].
func (s *sender) outcome(o *wsconn.Outgoing, code wire.Code, out *wsconn.Messages) {
	m := o.Data.(*message)
	if code == wire.NoCode && !m.again {
		m.recycle()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	a := s.absent[string(m.To)]
	if a != nil && m.again {
		a.trying = false
	}
	if code == wire.NoCode {
		if a != nil {
			a.there = true
			go s.followUp()
		}
		return
	}
	if s.refused(a, m, code) {
		out.Text(expired(m.To, s.id))
	}
	if a != nil && !a.trying && !a.there && len(a.queue) == 0 {
		s.drop(a)
	}
}

// refused has a message that the hub has refused wait, and reports whether its sender is to
// be told that it has expired. a is nil if nothing waits for its receiver. The caller holds mu.
func (s *sender) refused(a *absent, m *message, code wire.Code) (gone bool) {
	later := code == wire.CodeTargetNotFound || code == wire.CodeCongested || code == wire.CodeUnavailable
	switch {
	case a != nil && m.again && a.final:
		for _, other := range a.queue {
			gone = gone || other.waits
		}
		s.drop(a)
		return gone || m.waits
	case !m.waits:
		if a != nil && later {
			_ = s.keep(a, m) // it takes back what waits
		}
		return false
	case !later:
		return true
	}
	if a == nil {
		a = &absent{dst: string(m.To), since: time.Now()}
		if !s.keep(a, m) {
			return true
		}
		s.absent[a.dst] = a
		s.line = append(s.line, a)
		if s.timer == nil {
			s.timer = time.AfterFunc(retryEvery, s.retry)
		}
		return false
	}
	return !s.keep(a, m)
}

// followUp passes on what has waited for peers that are there now.
func (s *sender) followUp() {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	var all []*message
	for _, a := range slices.Clone(s.line) {
		if a.there {
			all = append(all, a.queue...)
			s.drop(a)
		}
	}
	s.mu.Unlock()
	for _, m := range all {
		m.again = false
		_ = s.pass(m) // an error is of the hub's end: the connection finds out by itself
	}
}

// retry tries absent peers again, for the last time once their messages have waited for long
// enough. The timer calls it.
func (s *sender) retry() {
	s.order.Lock()
	defer s.order.Unlock()
	now := time.Now()
	var again []*message
	s.mu.Lock()
	var rest, tried []*absent
	for _, a := range s.line {
		if a.trying || a.there || len(again) == maxTries {
			rest = append(rest, a)
			continue
		}
		m := a.queue[0]
		a.queue = a.queue[1:]
		s.account(-1, m)
		m.again, a.trying = true, true
		a.final = now.Sub(a.since) >= s.expire
		again = append(again, m)
		tried = append(tried, a)
	}
	s.line = append(rest, tried...)
	if len(s.absent) > 0 && !s.over {
		s.timer.Reset(retryEvery)
	} else {
		s.timer = nil
	}
	s.mu.Unlock()
	for _, m := range again {
		_ = s.pass(m)
	}
}

// stop forgets everything.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.absent, s.line, s.n, s.bytes = true, make(map[string]*absent), nil, 0, 0
	if s.timer != nil {
		s.timer.Stop()
	}
}

// expired returns the message that tells a peer that another is not there.
func expired(absent []byte, id string) []byte {
	b := wire.AppendQuoted([]byte(`{"type":"EXPIRE","src":`), absent)
	return append(wire.AppendQuoted(append(b, `,"dst":`...), id), '}')
}
