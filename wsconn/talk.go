package wsconn

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// Conn is a connection that speaks a dialect, for its [Speaker]. Each of its memberships is
// a client of the hub, with a queue of its own, and so is the connection itself, which is in
// no room: its client has the control frames and what [Conn.Send] sends. Writers take from
// the queues in turn, have the speaker translate, and tell the hub that what they have
// taken is written once the translation is.
type Conn struct {
	// Set before start, then read only.
	c       *conn
	of      *DialectHandler
	speaker Speaker
	budget  *hub.Budget // of the queues

	sending   sync.Mutex   // held while the connection's own client gets a command; guards ended
	ended     bool         // the hub gets no further command
	unwritten atomic.Int64 // bytes that are translated and not written
	passing   passing      // has its own lock

	// Guarded by mu.
	mu      sync.Mutex
	members []*Membership
	ready   []*Membership // have something to write, each once; nil: the connection itself
	writing bool          // a writer is at work or has been woken
	over    bool          // nobody enters a room any more
	deaf    bool          // the client gets nothing more of memberships: its close frame is there, or it can't be written to

	// Owned by the writer at work. d and messages are empty between translations.
	out      []byte       // translated; out[off:] is not written yet
	buffer   *translation // with out
	off      int
	taken    []taken
	settled  []sent // carried out, for the outcome to hear of
	d        wire.Delivered
	messages Messages
}

// taken is what a writer has taken from a queue, in bytes.
type taken struct {
	m *Membership // nil: the connection itself
	n int
}

// Remote returns the client's address.
func (c *Conn) Remote() netip.Addr { return c.c.remote }

// Number names the connection in the log.
func (c *Conn) Number() uint64 { return c.c.number }

// Send sends the client a message, in order with others of Send. It may be called from any
// goroutine but those that write.
func (c *Conn) Send(text []byte) error {
	c.of.Stats.MessagesOut.Add(1)
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.ended {
		return nil
	}
	return c.c.client.Reply(text)
}

// Close ends the connection with a close frame behind what waits. reason, at most 123
// bytes, is for the client. It may be called from any goroutine but those that write.
func (c *Conn) Close(code wire.CloseCode, reason string) {
	c.sending.Lock()
	defer c.sending.Unlock()
	if !c.ended {
		_ = c.c.client.Close(code, reason, reasonOf(code))
	}
}

// end is the speaker's last moment: the connection's own client ends next.
func (c *Conn) end(reason string) {
	c.leaveAll(reason)
	c.speaker.Closed()
	c.of.Stats.Connections.Add(-1)
	c.sending.Lock()
	defer c.sending.Unlock()
	c.ended = true
}

// reasonOf returns the reason in the log for a connection that the server closes.
func reasonOf(code wire.CloseCode) string {
	switch code {
	case wire.CloseReplaced:
		return event.ReasonTakenOver
	case wire.CloseKicked:
		return event.ReasonKicked
	case wire.CloseTokenExpired:
		return event.ReasonTokenExpired
	case wire.CloseGoingAway:
		return event.ReasonDrain
	case wire.CloseSlowConsumer:
		return event.ReasonSlow
	case wire.CloseNoJoin:
		return event.ReasonNoJoin
	}
	return event.ReasonClosed
}

// begin has the speaker begin. The read loop calls it.
func (c *Conn) begin() error { return c.speaker.Begin() }

// message handles a text message. Over the limits, the client is not read for a while: its
// protocol has no answer that asks it to try again.
func (c *Conn) message(text []byte) error {
	if !utf8.Valid(text) {
		return errUTF8
	}
	c.of.Stats.MessagesIn.Add(1)
	if err := c.c.pace(c.c.rates.message(c.c.reader.readAt, len(text))); err != nil {
		return err
	}
	if c.c.client.CloseCode() != 0 {
		return nil // nothing counts behind a close frame
	}
	if err := c.mayRead(); err != nil {
		return err
	}
	return c.speaker.Message(text)
}

// Charge counts one more message against the client's limit, for a message that the server
// turns into several. Over the limit, the client is not read for a while. Only
// Begin and Message may call it.
func (c *Conn) Charge() error {
	return c.c.pace(reserve(c.c.rates.messages, c.c.rates.at(time.Now()), 1))
}

// ChangesAtOnce raises the client's limit of membership changes at once to n. Only
// [Dialect] Speaker may call it.
func (c *Conn) ChangesAtOnce(n int) {
	if o := c.c.options; n > o.BurstChanges {
		c.c.rates.changes = limiter(o.RateChanges, n)
	}
}

func (c *Conn) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.members)
}

// add notes a membership, whose frames go to the client from now on. It reports false if the
// connection is over meanwhile.
func (c *Conn) add(m *Membership) bool {
	c.mu.Lock()
	if c.over {
		m.over = true
		c.mu.Unlock()
		return false
	}
	m.joining = false
	c.members = append(c.members, m)
	woken := m.woken
	c.mu.Unlock()
	c.c.keepalive.joined(true)
	c.expire()
	if woken {
		c.wake(m)
	}
	return true
}

// remove forgets a membership, and reports false if that has been done.
func (c *Conn) remove(m *Membership) bool {
	c.mu.Lock()
	was := !m.over
	m.over = true
	c.members = slices.DeleteFunc(c.members, func(x *Membership) bool { return x == m })
	last := len(c.members) == 0 && !c.over
	c.mu.Unlock()
	if was && last {
		c.c.keepalive.joined(false)
	}
	return was
}

// expire sets the clock to the first grant that runs out. If one has run out already, the hub
// has not ended its membership yet: the clock comes again in a second.
func (c *Conn) expire() {
	var first time.Time
	now := time.Now()
	c.mu.Lock()
	for _, m := range c.members {
		t := m.expires
		if t.IsZero() {
			continue
		}
		if !t.After(now) {
			t = now.Add(time.Second)
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	c.mu.Unlock()
	c.c.keepalive.expires(first)
}

// expired has the hub end memberships whose grants have run out. The timer calls it.
func (c *Conn) expired() {
	c.mu.Lock()
	members := slices.Clone(c.members)
	c.mu.Unlock()
	for _, m := range members {
		_ = m.client.CloseExpired(errTokenExpired.reason)
	}
	c.expire()
}

// leaveAll ends all memberships: the connection is over, or about to be. Nobody enters any
// more.
func (c *Conn) leaveAll(reason string) {
	c.mu.Lock()
	members := c.members
	c.members, c.over = nil, true
	for _, m := range members {
		m.over = true
	}
	c.mu.Unlock()
	for _, m := range members {
		m.end(reason)
	}
}

// closeAll has the hub end all memberships, each with a close frame behind what waits for it:
// the connection has been closed. Nobody enters any more.
func (c *Conn) closeAll(code wire.CloseCode) {
	c.mu.Lock()
	c.over = true
	members := slices.Clone(c.members)
	c.mu.Unlock()
	for _, m := range members {
		_ = m.do(func() error { return m.client.Close(code, "", reasonOf(code)) })
	}
}
