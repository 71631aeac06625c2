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

	// Owned by the writer at work.
	out   []byte // translated; out[off:] is not written yet
	off   int
	taken []taken
	d     wire.Delivered
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

// expire sets the clock to the first grant that runs out.
func (c *Conn) expire() {
	var first time.Time
	c.mu.Lock()
	for _, m := range c.members {
		if t := m.expires; !t.IsZero() && (first.IsZero() || t.Before(first)) && t.After(time.Now()) {
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

// wake notes that a queue has something to write; nil: the connection's own.
func (c *Conn) wake(m *Membership) {
	c.mu.Lock()
	if m != nil && m.joining {
		m.woken = true
		c.mu.Unlock()
		return
	}
	if m != nil && c.deaf {
		c.mu.Unlock()
		m.client.Failed()
		return
	}
	c.ready = append(c.ready, m)
	start := !c.writing
	c.writing = true
	c.mu.Unlock()
	if start {
		c.c.write()
	}
}

// next takes the queue that has its turn. The connection's own is the last once it has a
// close frame. ok is false if none has anything: then the writer is to end, unless it has
// something to write already.
func (c *Conn) next(has bool) (m *Membership, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 {
		c.writing = has
		return nil, false
	}
	i := 0
	if c.ready[0] == nil && len(c.ready) > 1 && c.c.client.CloseCode() != 0 {
		i = 1
	}
	m = c.ready[i]
	c.ready = slices.Delete(c.ready, i, i+1)
	return m, true
}

// enough is how much a writer translates before it writes.
const enough = 16 << 10

// outs are buffers of translations.
var outs = sync.Pool{New: func() any { return new([]byte) }}

// keptOut is the largest buffer that is kept for others.
const keptOut = 128 << 10

func putOut(b []byte) {
	if cap(b) <= keptOut {
		b = b[:0]
		outs.Put(&b)
	}
}

// gather returns the bytes to write next, or nil if nothing waits: then wake is called when
// there is more. The writer calls wrote after each write.
func (c *Conn) gather(g *hub.Gathering) []byte {
	if c.off < len(c.out) {
		return c.out[c.off:]
	}
	out := *outs.Get().(*[]byte)
	for {
		m, ok := c.next(len(out) > 0)
		if ok {
			out = c.take(m, g, out)
		}
		switch {
		case len(out) >= enough || !ok && len(out) > 0:
			c.out = out
			c.unwritten.Store(int64(len(out)))
			return out
		case !ok: // another writer may be at work by now
			putOut(out)
			return nil
		}
	}
}

// take appends to out what waits in one queue, translated.
func (c *Conn) take(m *Membership, g *hub.Gathering, out []byte) []byte {
	b := c.clientOf(m).Gather(g)
	if b == nil {
		return out
	}
	before := len(out)
	if m == nil {
		out = append(out, b...)
	} else {
		out = c.translate(m, b, out)
	}
	if t := (taken{m, len(b)}); len(out) == before {
		c.confirm(t)
	} else {
		c.taken = append(c.taken, t)
	}
	if m == nil && closes(b) {
		c.deafen()
	}
	return out
}

// closes reports whether there is a close frame in what a client has gathered.
func closes(b []byte) (is bool) {
	eachMessage(b, func(h wire.Header, _ []byte) { is = is || h.Opcode == wire.OpClose })
	return is
}

// deafen has nothing more of memberships written: a close frame is the last. Their queues are
// given up. The writer calls it.
func (c *Conn) deafen() {
	c.mu.Lock()
	c.deaf = true
	own := false
	var others []*Membership
	for _, m := range c.ready {
		if m == nil {
			own = true
		} else {
			others = append(others, m)
		}
	}
	if c.ready = nil; own {
		c.ready = append(c.ready, nil)
	}
	c.mu.Unlock()
	for _, m := range others {
		m.client.Failed()
	}
}

func (c *Conn) clientOf(m *Membership) *hub.Client {
	if m == nil {
		return &c.c.client
	}
	return &m.client
}

func (c *Conn) translate(m *Membership, b, out []byte) []byte {
	messages := Messages{out, &c.of.Stats}
	eachMessage(b, func(h wire.Header, payload []byte) {
		switch {
		case h.Opcode == wire.OpClose:
			c.hubEnded(m, payload)
		case h.Opcode == wire.OpText && c.d.Read(payload) && !m.settled(&c.d, &messages):
			c.speaker.Deliver(m, &c.d, &messages)
		}
	})
	c.d = wire.Delivered{}
	return messages.b
}

// hubEnded takes a close frame that was for a membership.
func (c *Conn) hubEnded(m *Membership, payload []byte) {
	code, err := parseClose(payload)
	if err != nil || !c.remove(m) {
		return
	}
	reason := ""
	if len(payload) > 2 {
		reason = string(payload[2:])
	}
	closes := c.speaker.Ended(m, code, reason)
	go func() { // a writer must not wait for the hub
		m.end(reasonOf(code))
		if closes {
			c.Close(code, reason)
		}
	}()
}

// confirm tells the hub that what was taken is written. A queue with more gets in line.
func (c *Conn) confirm(t taken) {
	if !c.clientOf(t.m).Wrote(t.n, time.Now()) {
		return
	}
	c.mu.Lock()
	deaf := c.deaf && t.m != nil
	if !deaf {
		c.ready = append(c.ready, t.m)
	}
	c.mu.Unlock()
	if deaf {
		t.m.client.Failed()
	}
}

// wrote accounts for n written bytes, and reports whether more waits; if not, wake is
// called when there is more.
func (c *Conn) wrote(n int) (more bool) {
	c.unwritten.Add(int64(-n))
	if c.off += n; c.off < len(c.out) {
		return true
	}
	for _, t := range c.taken {
		c.confirm(t)
	}
	putOut(c.out)
	c.out, c.off, c.taken = nil, 0, c.taken[:0]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = len(c.ready) > 0
	return c.writing
}

// failed says that the connection can't be written any more. The writer calls it.
func (c *Conn) failed() {
	c.deafen()
	for _, t := range c.taken {
		if t.m != nil {
			t.m.client.Failed()
		}
	}
}
