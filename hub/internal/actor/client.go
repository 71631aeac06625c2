package actor

import (
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Client is the hub's side of one connection, from Register to Unregister.
// While it has joined, it belongs to a member of a room.
type Client struct {
	// Set by NewClient, then read only.
	conn   uint64
	remote netip.Addr
	node   string // the node of the connection, in a cluster
	out    Receiver
	sender uint64 // names the client in the queues of others

	ended atomic.Bool // see End

	own   bool  // of this node itself, in a cluster: it may be local, see local.go; set before Register, then read only
	route route // has its own lock

	// Owned by the loop.
	opened    time.Time
	index     int           // in the loop's list of clients; -1: not registered
	member    *member       // nil: not joined
	touched   bool          // is in the loop's list of touched clients
	moved     bool          // its membership is the edge's: see local.go
	later     bool          // was touched by nothing but rounds
	closed    bool          // has been closed: gets and does nothing more
	suspended bool          // its queue belongs to a membership without a connection
	tally     *tally        // see tallyOf; nil: nothing is counted yet, or set before Register
	begun     *rate.Limiter // calls, see calls.go; nil: it has not begun any
	reports   *rate.Limiter // likewise
}

// lastSender counts clients. 0 is no client.
var lastSender atomic.Uint64

// NewClient makes a client for connection number conn, a number that stands in
// log lines, from the address remote, whose frames go to out.
func NewClient(conn uint64, remote netip.Addr, out Receiver) *Client {
	return &Client{conn: conn, remote: remote, out: out, index: -1, sender: lastSender.Add(1)}
}

// NewClientOf is NewClient for a connection of another node.
func NewClientOf(node string, conn uint64, remote netip.Addr, out Receiver) *Client {
	c := NewClient(conn, remote, out)
	c.node = node
	return c
}

// fields are the log fields that name the client, followed by more.
func (c *Client) fields(more ...zap.Field) []zap.Field {
	f := make([]zap.Field, 0, 8)
	f = append(f, zap.Uint64(event.FieldConn, c.conn))
	if c.node != "" {
		f = append(f, zap.String(event.FieldNode, c.node))
	}
	if m := c.member; m != nil {
		f = append(f, zap.String(event.FieldRoom, m.room.name), zap.String(event.FieldID, m.id))
	}
	return append(f, more...)
}

// send queues a frame for a member, which takes its own reference. The member may
// have no connection at the moment. sender is the client that caused the frame, see
// Client.sender; 0: none.
func (l *loop) send(m *member, f *frame.Frame, sender uint64) {
	l.catchUp(m)
	l.sendNow(m, f, sender)
}

// sendNow is send for a member that has caught up.
func (l *loop) sendNow(m *member, f *frame.Frame, sender uint64) {
	if m.evicted {
		return
	}
	if m.client != nil {
		l.deliver(m.client, f, sender)
		return
	}
	f.Retain(1)
	if !m.out.Send(f, sender) {
		l.evict(m)
	}
}

// deliver queues a frame for the client, which takes its own reference.
func (l *loop) deliver(c *Client, f *frame.Frame, sender uint64) {
	if c.closed {
		return
	}
	f.Retain(1)
	l.touch(c)
	if !c.out.Send(f, sender) {
		l.closeSlow(c)
	}
}

// answer queues a frame for the client that its own message caused, and takes over
// the caller's reference.
func (l *loop) answer(c *Client, f *frame.Frame) {
	if c.member != nil {
		l.catchUp(c.member)
	}
	l.deliver(c, f, c.sender)
	f.Release()
}

// SlowConsumer is the reason in the close frame of CloseSlowConsumer.
const SlowConsumer = "your queue of messages is full: you read too slowly"

// closeSlow closes a client that reads too slowly. Its member leaves after the present
// command, see evict.
func (l *loop) closeSlow(c *Client) {
	if c.closed {
		return
	}
	l.log.Warn(event.Evicted, c.fields()...)
	if c.member != nil {
		l.evict(c.member)
	}
	l.close(c, wire.CloseSlowConsumer, SlowConsumer)
}

// evict has a member leave after the present command. Until then nothing more is sent
// to it.
func (l *loop) evict(m *member) {
	if !m.evicted {
		m.evicted = true
		l.evicted = append(l.evicted, m)
	}
}

// touch puts c among those that are flushed at the end of the batch. Frames that it gets in a
// round may be written when others have had their turn.
func (l *loop) touch(c *Client) {
	if !c.touched {
		c.touched, c.later = true, true
		l.touched = append(l.touched, c)
	}
	c.later = c.later && l.bulk
}

// close ends a client's connection. Leaving its room is the caller's to do.
func (l *loop) close(c *Client, code wire.CloseCode, reason string) {
	if c.member != nil {
		l.catchUp(c.member)
	}
	c.closed = true
	l.touch(c)
	c.out.Close(code, reason)
}

// handled counts a message of the client as handled, if it is a member's: see
// member.handled. Every command that carries out or answers a message calls it.
func (c *Client) handled() {
	if c.member != nil {
		c.member.handled++
	}
}

// End says that the connection has ended. The hub may hear of it later: commands of the
// connection that still wait need not be begun.
func (c *Client) End() { c.ended.Store(true) }

// Ended reports whether End was called.
func (c *Client) Ended() bool { return c.ended.Load() }

// Conn returns the number of the client's connection.
func (c *Client) Conn() uint64 { return c.conn }

// Remote returns the address that the client connects from.
func (c *Client) Remote() netip.Addr { return c.remote }

// Receiver returns where the client's frames go.
func (c *Client) Receiver() Receiver { return c.out }

// Sender names the client in the queues of others.
func (c *Client) Sender() uint64 { return c.sender }
