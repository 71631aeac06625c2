package peerjs

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// Bounds of what one peer may have waiting for others. What is beyond them expires at once.
const (
	maxWaiting      = 1000
	maxWaitingBytes = 1 << 20
)

// Absent peers are tried again every retryEvery, at most maxTries of them at a time: no
// more commands than a client may send messages by default.
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
	m      *wsconn.Membership
	conn   *wsconn.Conn
	expire time.Duration

	order sync.Mutex // held while messages are handed over: their order is that of sent

	// Guarded by mu, which no one holds for long: Deliver takes it.
	mu     sync.Mutex
	count  uint64 // n of the last message
	last   uint64 // ref of the last message
	sent   []message
	marked bool // a mark is under way: it tells which messages the hub has carried out
	absent map[string]*absent
	n      int // messages in all of absent
	bytes  int // of their texts
	timer  *time.Timer
	over   bool
}

// message is one that was passed on, or waits.
type message struct {
	n     uint64 // which one it is of those that the client has sent
	ref   uint64 // which one it is of those that were passed on
	dst   string
	text  []byte // of version 1, but for the end, which has the ref
	waits bool   // for an absent peer; others are forgotten then, unless something waits before them
	again bool   // it waited
}

// absent is a peer that is not there.
type absent struct {
	queue  []message
	since  time.Time
	trying bool // the first message was taken out of queue, to be tried again
}

func newSender(m *wsconn.Membership, c *wsconn.Conn, expire time.Duration) *sender {
	return &sender{m: m, conn: c, expire: expire, absent: make(map[string]*absent)}
}

// send passes a message on, or has it wait behind others to the same peer.
func (s *sender) send(in *incoming) error {
	m := message{dst: string(in.dst), text: in.envelope(make([]byte, 0, len(in.payload)+len(in.dst)+96)), waits: waits(in.typ)}
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	s.count++
	m.n = s.count
	if a := s.absent[m.dst]; a != nil {
		kept := s.keep(a, m)
		s.mu.Unlock()
		if !kept && m.waits {
			return s.conn.Send(expired(m.dst, s.m.ID))
		}
		return nil
	}
	s.mu.Unlock()
	return s.pass(m)
}

// pass hands a message over. The caller holds order.
func (s *sender) pass(m message) error {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return nil
	}
	s.last++
	m.ref = s.last
	s.sent = append(s.sent, m)
	mark := !s.marked
	s.marked = true
	s.mu.Unlock()
	ref := strconv.FormatUint(m.ref, 10)
	text := append(append(append(m.text, `,"ref":"`...), ref...), '"', '}')
	err := s.m.Forward(text)
	if errors.As(err, new(*wire.Refusal)) {
		if err = nil; m.waits {
			err = s.conn.Send(expired(m.dst, s.m.ID))
		}
	}
	if err == nil && mark {
		err = s.m.Mark(ref)
	}
	return err
}

// keep has a message wait, and reports false if too much does. The caller holds mu.
func (s *sender) keep(a *absent, m message) bool {
	if s.n >= maxWaiting || s.bytes+len(m.text) > maxWaitingBytes {
		return false
	}
	i := len(a.queue)
	for i > 0 && a.queue[i-1].n > m.n { // what was sent later may wait already
		i--
	}
	a.queue = slices.Insert(a.queue, i, m)
	s.account(m, 1)
	return true
}

func (s *sender) account(m message, sign int) {
	s.n += sign
	s.bytes += sign * len(m.text)
}

// carriedOut says that the hub has carried out all messages up to ref. Deliver calls it.
func (s *sender) carriedOut(ref uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marked = false
	found := s.forget(ref + 1)
	if len(s.sent) > 0 && !s.over {
		s.marked = true
		last := strconv.FormatUint(s.last, 10)
		go func() { _ = s.m.Mark(last) }()
	}
	if found {
		go s.followUp()
	}
}

// forget drops the messages before ref, and reports whether one of them had waited. The
// caller holds mu.
func (s *sender) forget(ref uint64) (found bool) {
	i := 0
	for ; i < len(s.sent) && s.sent[i].ref < ref; i++ {
		if m := &s.sent[i]; m.again {
			if a := s.absent[m.dst]; a != nil {
				a.trying, a.since, found = false, time.Time{}, true
			}
		}
	}
	if s.sent = s.sent[i:]; len(s.sent) == 0 {
		s.sent = nil
	}
	return found
}

// refused says that the hub has refused a message, and returns the peer whose absence the
// client is to be told of; "": nobody's. Deliver calls it.
func (s *sender) refused(ref uint64, code wire.Code) (gone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forget(ref) {
		go s.followUp()
	}
	if len(s.sent) == 0 || s.sent[0].ref != ref || s.over {
		return ""
	}
	m := s.sent[0]
	s.sent = s.sent[1:]
	switch {
	case !m.waits:
		if a := s.absent[m.dst]; a != nil { // it takes back what waits
			_ = s.keep(a, m)
		}
		return ""
	case code != wire.CodeTargetNotFound && code != wire.CodeCongested && code != wire.CodeUnavailable:
		return m.dst
	}
	a := s.absent[m.dst]
	if a == nil {
		a = &absent{since: time.Now()}
		s.absent[m.dst] = a
	}
	if m.again {
		a.trying = false
	}
	if !s.keep(a, m) {
		if len(a.queue) == 0 {
			delete(s.absent, m.dst)
		}
		return m.dst
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(retryEvery, s.retry)
	}
	return ""
}

// followUp passes on what has waited for peers that are there now.
func (s *sender) followUp() {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	var all []message
	for dst, a := range s.absent {
		if a.since.IsZero() {
			for _, m := range a.queue {
				s.account(m, -1)
			}
			all = append(all, a.queue...)
			delete(s.absent, dst)
		}
	}
	s.mu.Unlock()
	for _, m := range all {
		m.again = false
		_ = s.pass(m) // an error is of the hub's end: the connection finds out by itself
	}
}

// retry has what was waited for long enough expire, and tries the rest again. The timer
// calls it.
func (s *sender) retry() {
	s.order.Lock()
	defer s.order.Unlock()
	now := time.Now()
	var gone []string
	var again []message
	s.mu.Lock()
	for dst, a := range s.absent {
		switch {
		case a.trying || a.since.IsZero():
		case now.Sub(a.since) >= s.expire:
			for _, m := range a.queue {
				s.account(m, -1)
			}
			delete(s.absent, dst)
			gone = append(gone, dst)
		case len(again) < maxTries:
			m := a.queue[0]
			a.queue = a.queue[1:]
			s.account(m, -1)
			m.again, a.trying = true, true
			again = append(again, m)
		}
	}
	if len(s.absent) > 0 && !s.over {
		s.timer.Reset(retryEvery)
	} else {
		s.timer = nil
	}
	s.mu.Unlock()
	for _, dst := range gone {
		_ = s.conn.Send(expired(dst, s.m.ID))
	}
	for _, m := range again {
		_ = s.pass(m)
	}
}

// stop forgets everything.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.sent, s.absent, s.n, s.bytes = true, nil, make(map[string]*absent), 0, 0
	if s.timer != nil {
		s.timer.Stop()
	}
}

// expired returns the message that tells a peer that another is not there.
func expired(absent, id string) []byte {
	b := wire.AppendQuoted([]byte(`{"type":"EXPIRE","src":`), absent)
	return append(wire.AppendQuoted(append(b, `,"dst":`...), id), '}')
}
