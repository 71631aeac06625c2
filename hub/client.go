package hub

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// Client is a connection's standing with the hub, from Register to Unregister.
// While it has joined it speaks for a member of a room.
type Client struct {
	// Set by NewClient, then read only.
	conn   uint64
	remote netip.Addr
	node   string // that the connection is with, where there are several
	out    Receiver

	// Owned by the loop.
	opened  time.Time
	index   int     // in the loop's list of clients; -1: not registered
	member  *member // nil: not joined
	touched bool    // is in the loop's list of touched clients
	closed  bool    // has been closed: gets and does nothing more

	lastRefusal time.Time // when a refused message was last logged
	suppressed  int       // refused messages since then
}

// NewClient makes a client for connection number conn, a number that stands in
// log lines, from the address remote, whose frames go to out.
func NewClient(conn uint64, remote netip.Addr, out Receiver) *Client {
	return &Client{conn: conn, remote: remote, out: out, index: -1}
}

// NewClientOf is NewClient for a connection with another server of several.
func NewClientOf(node string, conn uint64, remote netip.Addr, out Receiver) *Client {
	c := NewClient(conn, remote, out)
	c.node = node
	return c
}

// fields are the log fields that name the client, followed by more.
func (c *Client) fields(more ...zap.Field) []zap.Field {
	f := make([]zap.Field, 0, 8)
	f = append(f, zap.Uint64(FieldConn, c.conn))
	if c.node != "" {
		f = append(f, zap.String(FieldNode, c.node))
	}
	if m := c.member; m != nil {
		f = append(f, zap.String(FieldRoom, m.room.name), zap.String(FieldID, m.id))
	}
	return append(f, more...)
}

// refusalLogInterval is the time between two log lines about refused messages
// of one client, so that it can't fill the log.
const refusalLogInterval = time.Second

func (l *loop) logRefusal(c *Client, r *wire.Refusal, m wire.Refused) {
	if l.now.Sub(c.lastRefusal) < refusalLogInterval {
		c.suppressed++
		return
	}
	l.log.Info(EventRefused, c.fields(
		zap.Stringer(FieldCode, r.Code),
		zap.Stringer(FieldType, wire.ClientType(m.Re)),
		zap.Int(FieldSuppressed, c.suppressed),
	)...)
	c.lastRefusal, c.suppressed = l.now, 0
}

// send queues a frame for a member, which takes its own reference. It may have no
// connection at the moment.
func (l *loop) send(m *member, f *wire.Frame) {
	if m.client != nil {
		l.deliver(m.client, f)
		return
	}
	f.Retain(1)
	l.kept(m, m.out.Send(f))
}

// kept notes the outcome of queueing something for a member without a connection.
func (l *loop) kept(m *member, ok bool) {
	if !ok {
		l.gone = append(l.gone, m)
	}
}

// deliver queues a frame for the client, which takes its own reference.
func (l *loop) deliver(c *Client, f *wire.Frame) {
	if c.closed {
		return
	}
	f.Retain(1)
	l.queued(c, c.out.Send(f))
}

// SlowConsumer is the reason in the close frame of CloseSlowConsumer.
const SlowConsumer = "your queue of messages is full: you read too slowly"

// queued notes the outcome of queueing something for c: it is to be flushed, or
// its queue is full and it goes.
func (l *loop) queued(c *Client, ok bool) {
	l.touch(c)
	if ok || c.closed {
		return
	}
	l.log.Warn(EventEvicted, c.fields()...)
	l.close(c, wire.CloseSlowConsumer, SlowConsumer)
	if c.member != nil {
		l.gone = append(l.gone, c.member)
	}
}

// touch puts c among those that are flushed at the end of the batch.
func (l *loop) touch(c *Client) {
	if !c.touched {
		c.touched = true
		l.touched = append(l.touched, c)
	}
}

// close ends a client's connection. Leaving its room is the caller's to do.
func (l *loop) close(c *Client, code wire.CloseCode, reason string) {
	c.closed = true
	l.touch(c)
	c.out.Close(code, reason)
}

// refuse answers a message that was refused.
func (l *loop) refuse(c *Client, r *wire.Refusal, m wire.Refused) {
	if c.closed {
		return
	}
	l.hub.Stats.Refusals[r.Code].Add(1)
	l.logRefusal(c, r, m)
	l.queued(c, c.out.Send(wire.ErrorFrame(r, m)))
}

// Conn returns the number of the client's connection.
func (c *Client) Conn() uint64 { return c.conn }

// Remote returns the address that the client connects from.
func (c *Client) Remote() netip.Addr { return c.remote }

// Receiver returns where the client's frames go.
func (c *Client) Receiver() Receiver { return c.out }
