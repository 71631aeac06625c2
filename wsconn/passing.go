package wsconn

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// The messages that a connection has passed on and the hub may not have carried out are bounded, in
// bytes of memory: beyond passingBytes, or half of its queue if that is less, the client is
// not read. So copies that come back to the sender fit into its queue.
const (
	passingBytes = 1 << 20
	passingCost  = 512 // of a message, beside its receiver and body
)

// passAgainEvery is the time between two tries of a message.
const passAgainEvery = 250 * time.Millisecond

// passing is what a connection has passed on and the hub may not have carried out.
type passing struct {
	most  int // bytes; set before start, then read only
	mu    sync.Mutex
	bytes int
	again int           // messages that were refused and are tried again
	free  chan struct{} // closed when the client may be read again; nil: nobody waits
}

// passed is what one membership has passed on; guarded by the connection's passing.mu.
type passed struct {
	last   uint64 // number of the last message
	sent   backlog
	marked bool // a pong is under way: it tells what the hub has carried out
	again  []sent
	timer  *time.Timer
	over   bool
}

// sent is a message that was passed on.
type sent struct {
	*Outgoing
	n uint64
}

// cost is the memory that the message holds, in bytes. Reused buffers may be larger than their
// contents.
func (s *sent) cost() int { return cap(s.To) + cap(s.Body) + passingCost }

// refMark begins the refs of messages that were passed on. Speakers have others.
const refMark = '#'

func refOf(n uint64) string {
	var b [21]byte
	b[0] = refMark
	return string(strconv.AppendUint(b[:1], n, 10))
}

// Pass passes a message on. [Entry.Outcome] hears what becomes of it, unless the membership
// ends before. An error ends the connection.
func (m *Membership) Pass(o *Outgoing) error {
	o.since = time.Time{}
	return m.pass(sent{Outgoing: o})
}

func (m *Membership) pass(s sent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return nil
	}
	n, mark := m.note(s)
	err := m.forward(s.Outgoing, n)
	if err != nil {
		err = m.refuse(err, s.Type, n)
	}
	if err == nil && mark {
		err = m.client.Reply(wire.PongText(refOf(n)))
	}
	return err
}

// refuse has the hub answer a message that is refused at once: the answer comes in order with
// the hub's own. Other errors it returns. The caller holds mu.
func (m *Membership) refuse(err error, t wire.Type, n uint64) error {
	var refusal *wire.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	return m.client.Refuse(refusal, hub.Request{Type: t.String(), Ref: refOf(n)}, "", "")
}

// note notes a message that is passed on now, and returns its number and whether a pong is to
// follow it.
func (m *Membership) note(s sent) (n uint64, mark bool) {
	c := &m.conn.passing
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &m.passed
	p.last++
	s.n = p.last
	p.sent.add(s)
	c.account(1, s)
	mark, p.marked = !p.marked, true
	return s.n, mark
}

// composer is the workspace in which a message is composed.
type composer struct {
	envelope wire.Envelope
	text     []byte
	ref      []byte
}

var composers = sync.Pool{New: func() any { return new(composer) }}

func (c *composer) recycle() {
	if cap(c.text) <= keptOut {
		composers.Put(c)
	}
}

// forward checks a message and hands it over as the nth. The caller holds mu.
func (m *Membership) forward(o *Outgoing, n uint64) error {
	switch {
	case !o.Type.Forwarded():
		return errUnforwarded
	case m.Rights&o.Type.Needs() == 0:
		return errMayNotSend
	}
	c := composers.Get().(*composer)
	defer c.recycle()
	c.ref = strconv.AppendUint(append(c.ref[:0], refMark), n, 10)
	e := &c.envelope
	var r *wire.Refusal
	switch c.text, r = e.Compose(c.text[:0], o.Type, o.To, o.Body, c.ref); {
	case r != nil:
		return r
	case len(e.To) > wire.MaxID:
		return hub.ErrTargetNotFound
	}
	switch now := time.Now(); o.Audience {
	case ToAll:
		return m.client.Publish(e, &m.suffixes, now)
	case ToAny:
		return m.client.Scatter(e, &m.suffixes, now, o.Seed, o.Nth)
	default:
		return m.client.Forward(e, &m.suffixes, now)
	}
}

var errUnforwarded = &wire.Refusal{Code: wire.CodeUnknownType, Text: "a message of this type is not passed on"}

// settled takes what the hub says of messages that were passed on, and reports false if d is
// about something else. A writer calls it.
func (m *Membership) settled(d *wire.Delivered, out *Messages) bool {
	if d.Type != wire.TypePong && d.Type != wire.TypeError || len(d.Ref) == 0 || d.Ref[0] != refMark {
		return false
	}
	n, err := strconv.ParseUint(string(d.Ref[1:]), 10, 64)
	if err != nil {
		return false
	}
	code := wire.NoCode
	if d.Type == wire.TypeError {
		code = wire.ParseCode(d.Code)
	}
	carriedOut, refused := m.settle(n, code)
	for _, s := range carriedOut {
		m.outcome(s.Outgoing, wire.NoCode, out)
	}
	m.conn.forgetSettled()
	switch {
	case refused == nil:
	case m.outcome != nil:
		m.outcome(refused.Outgoing, code, out)
	default:
		refused.recycle()
	}
	return true
}

// forgetSettled keeps nothing but some room of what was settled. The writer calls it.
func (c *Conn) forgetSettled() {
	clear(c.settled)
	if cap(c.settled) > keptBacklog {
		c.settled = nil
	}
}

// settle forgets what a pong or a refusal tells of. A pong, without a code, follows on message
// n: those up to it were carried out. A refusal is of message n only: in a cluster it may come
// before the answers to earlier ones. carriedOut is empty if the membership has no Outcome; refused
// is nil if the message is tried again.
func (m *Membership) settle(n uint64, code wire.Code) (carriedOut []sent, refused *sent) {
	c, p := &m.conn.passing, &m.passed
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.over {
		return nil, nil
	}
	i, found := find(p.sent.waiting(), n)
	switch {
	case code == wire.NoCode:
		if found {
			i++
		}
		first := p.sent.waiting()[:i]
		c.account(-1, first...)
		if m.outcome != nil {
			carriedOut = append(m.conn.settled[:0], first...)
			m.conn.settled = carriedOut
		} else {
			for _, s := range first {
				s.recycle()
			}
		}
		p.sent.drop(i)
		p.marked = len(p.sent.waiting()) > 0
		if p.marked {
			go m.mark()
		}
	case found:
		s := p.sent.take(i)
		c.account(-1, s)
		if refused = &s; m.tryAgain(&s, code) {
			refused = nil
		}
	}
	c.release()
	return carriedOut, refused
}

// find returns where message n is among others, which are in order, or where it would be.
func find(all []sent, n uint64) (i int, found bool) {
	return slices.BinarySearchFunc(all, n, func(s sent, n uint64) int { return cmp.Compare(s.n, n) })
}

// mark asks for a pong behind what was passed on so far, if anything was that is not settled.
func (m *Membership) mark() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	c := &m.conn.passing
	c.mu.Lock()
	ref := refOf(m.passed.last)
	m.passed.marked = len(m.passed.sent.waiting()) > 0
	marks := m.passed.marked
	c.mu.Unlock()
	if !marks {
		return
	}
	_ = m.client.Reply(wire.PongText(ref)) // an error is of the hub's end
}

// tryAgain has a refused message tried again, as long as that may help. The caller holds
// passing.mu.
func (m *Membership) tryAgain(s *sent, code wire.Code) bool {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	if code != wire.CodeCongested && code != wire.CodeUnavailable || time.Since(s.since) >= s.Patience {
		return false
	}
	p := &m.passed
	i, _ := find(p.again, s.n)
	p.again = slices.Insert(p.again, i, *s)
	m.conn.passing.account(1, *s)
	if p.timer == nil {
		p.timer = time.AfterFunc(passAgainEvery, m.passAgain)
	}
	return true
}

// passAgain tries what was refused again, in the order in which it was passed on first. The
// client is not read before all of that is carried out. The timer calls it.
func (m *Membership) passAgain() {
	c, p := &m.conn.passing, &m.passed
	c.mu.Lock()
	again := p.again
	p.again, p.timer = nil, nil
	c.account(-1, again...)
	c.again++ // until they are passed on
	c.mu.Unlock()
	for _, s := range again {
		_ = m.pass(s) // an error is of the hub's end
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again--
	c.release()
}

// account adds messages to the sums, or with sign -1 takes them out. The caller holds mu.
func (c *passing) account(sign int, all ...sent) {
	for _, s := range all {
		c.bytes += sign * s.cost()
		if !s.since.IsZero() {
			c.again += sign
		}
	}
}

// forget ends what is known of a membership that ends.
func (m *Membership) forget() {
	c, p := &m.conn.passing, &m.passed
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	c.account(-1, p.again...)
	c.account(-1, p.sent.waiting()...)
	p.sent, p.again = backlog{}, nil
	if p.timer != nil {
		p.timer.Stop()
	}
	c.release()
}

func (c *passing) full() bool { return c.bytes >= c.most || c.again > 0 }

// release lets the client be read again, if it may be. The caller holds mu.
func (c *passing) release() {
	if c.free != nil && !c.full() {
		close(c.free)
		c.free = nil
	}
}

// wait returns what is closed when the client may be read again; nil: it may be now.
func (c *passing) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.full() {
		return nil
	}
	if c.free == nil {
		c.free = make(chan struct{})
	}
	return c.free
}

// mayRead waits until the client's next message may be handled: what it has passed on
// before must not pile up. The hub's word on that comes behind what waits for the
// client, so one that takes nothing for PingTimeout is too slow. The read loop calls it.
func (c *Conn) mayRead() error {
	free := c.passing.wait()
	if free == nil {
		return nil
	}
	last := c.c.traffic()
	for free != nil {
		if !c.c.lull.waitFor(c.c.options.PingTimeout, free) {
			return errEnding
		}
		select {
		case <-free:
		default:
			now := c.c.traffic()
			if now.ahead > 0 && now.arrived == last.arrived && now.written == last.written {
				return errSlow
			}
			last = now
			c.markAll()
		}
		free = c.passing.wait()
	}
	c.c.rates.at(time.Now())
	return nil
}

// markAll asks for pongs again: one may have been lost with the node that was to send it.
func (c *Conn) markAll() {
	c.mu.Lock()
	members := slices.Clone(c.members)
	c.mu.Unlock()
	for _, m := range members {
		m.mark()
	}
}
