package wsconn

import (
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file is the writer's side of a [Conn]: it takes from the queues in turn and has the
// speaker translate.

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
	if m == nil && c.c.client.CloseCode() == 0 { // a ping must not wait for what many rooms say
		c.ready = slices.Insert(c.ready, 0, nil)
	} else {
		c.ready = append(c.ready, m)
	}
	start := !c.writing
	c.writing = true
	c.mu.Unlock()
	if start {
		c.c.write()
	}
}

// next takes the queue that has its turn. The connection's own is the last once it has a
// close frame: it waits for those of which something is being written, which may have more. ok
// is false if none has anything: then the writer is to end, unless it has something to write
// already.
func (c *Conn) next(has bool) (m *Membership, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 {
		c.writing = has
		return nil, false
	}
	i := 0
	if c.ready[0] == nil && c.c.client.CloseCode() != 0 {
		switch {
		case len(c.ready) > 1:
			i = 1
		case len(c.taken) > 0:
			c.writing = true
			return nil, false
		}
	}
	m = c.ready[i]
	c.ready = slices.Delete(c.ready, i, i+1)
	return m, true
}

// enough is how much a writer translates before it writes.
const enough = 16 << 10

// translation is the buffer of a writer's translation.
type translation struct{ b []byte }

var translations = sync.Pool{New: func() any { return new(translation) }}

// keptOut is the largest buffer that is kept for others.
const keptOut = 128 << 10

// recycle returns the buffer to the pool. It may have grown to b.
func (t *translation) recycle(b []byte) {
	if cap(b) <= keptOut {
		t.b = b[:0]
		translations.Put(t)
	}
}

// gather returns the bytes to write next, or nil if nothing waits: then wake is called when
// there is more. The writer calls wrote after each write.
func (c *Conn) gather(g *hub.Gathering) []byte {
	if c.off < len(c.out) {
		return c.out[c.off:]
	}
	buffer := translations.Get().(*translation)
	out := buffer.b
	for {
		m, ok := c.next(len(out) > 0)
		if ok {
			out = c.take(m, g, out)
		}
		switch {
		case len(out) >= enough || !ok && len(out) > 0:
			c.out, c.buffer = out, buffer
			c.unwritten.Store(int64(len(out)))
			return out
		case !ok: // another writer may be at work by now
			buffer.recycle(out)
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
	c.messages = Messages{out, &c.of.Stats}
	eachMessage(b, func(h wire.Header, payload []byte) {
		switch {
		case h.Opcode == wire.OpClose:
			c.hubEnded(m, payload)
		case h.Opcode == wire.OpText && c.d.Read(payload) && !m.settled(&c.d, &c.messages):
			c.speaker.Deliver(m, &c.d, &c.messages)
		}
	})
	out = c.messages.b
	c.d, c.messages = wire.Delivered{}, Messages{}
	return out
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
	c.buffer.recycle(c.out)
	c.out, c.buffer, c.off, c.taken = nil, nil, 0, c.taken[:0]
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

// Wake implements [hub.Writer].
func (m *Membership) Wake() { m.conn.wake(m) }

// Closing implements [hub.Writer]. A client that does not read can't be told: its
// connection ends with the membership, and so it does if the membership takes longer to end
// than a connection may.
func (m *Membership) Closing() {
	time.AfterFunc(closeTimeout, func() {
		if !m.isOver() {
			m.conn.c.cut(event.ReasonSlow)
		}
	})
	if m.client.CloseCode() == wire.CloseSlowConsumer {
		go func() { _ = m.conn.c.client.Close(wire.CloseSlowConsumer, errSlow.reason, event.ReasonSlow) }()
	}
}

// isOver reports whether the hub has been told that the membership has ended.
func (m *Membership) isOver() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended
}

// Probe implements [hub.Writer].
func (m *Membership) Probe() { m.conn.c.Probe() }

// Challenge implements [hub.Writer].
func (m *Membership) Challenge(within time.Duration) { m.conn.c.Challenge(within) }

// Abort implements [hub.Writer].
func (m *Membership) Abort() { m.conn.c.Abort() }
