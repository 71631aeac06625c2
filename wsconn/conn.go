package wsconn

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// closeTimeout is how long a connection may take to end after a close frame was
// queued for it, or its client sent one.
const closeTimeout = 5 * time.Second

// conn is one WebSocket connection.
type conn struct {
	// Set before start, then read only.
	h      *Handler
	nc     net.Conn
	raw    syscall.RawConn // nil: writes may block, see writers
	number uint64
	remote netip.Addr // the client's address
	client *hub.Client
	out    *hub.Outbox // has its own lock; may outlive the connection
	opened time.Time

	keepalive keepalive     // has its own lock
	bytesOut  atomic.Uint64 // written
	closed    atomic.Bool   // the client's close frame came

	// Owned by the read loop.
	reader reader
	v1     v1
	rate   bucket

	// Guarded by mu.
	mu        sync.Mutex
	cutReason string // why the connection was cut, when it was not closed
}

// start registers the connection with the hub and goes on in goroutines of its
// own. early is what the client sent behind its request.
func (h *Handler) start(nc net.Conn, early []byte, remote netip.Addr) {
	c := &conn{h: h, nc: nc, number: h.numbers.Add(1), remote: remote, opened: time.Now(), out: new(hub.Outbox)}
	c.reader.init(nc, early, h.options.MaxMessageBytes, &h.Stats.BytesIn)
	c.v1.c = c
	c.raw = c.reader.raw
	c.rate.init(h.options.Rate, h.options.Burst, c.opened)
	c.out.Init(c, h.hub.Counters(), h.options.QueueBytes)
	c.client = hub.NewClient(c.number, remote, c.out)
	h.log.Info(EventConnect, zap.Uint64(hub.FieldConn, c.number), zap.Stringer(hub.FieldRemote, remote))
	if c.do(hub.Register{Client: c.client}) != nil {
		c.end(hub.ReasonDrain)
		return
	}
	c.keepalive.start(c)
	go c.readLoop()
}

// do hands a command to the hub.
func (c *conn) do(command hub.Command) error { return c.h.hub.Do(command) }

// readLoop reads until the connection ends.
func (c *conn) readLoop() {
	reason := hub.ReasonLost
	for {
		h, payload, err := c.reader.next()
		if err == nil {
			err = c.frame(h, payload)
		}
		if err == nil {
			continue
		}
		var v *violation
		if errors.As(err, &v) {
			reason = hub.ReasonBadFrame
			if v == errRateTooLong {
				reason = hub.ReasonRateLimit
			}
			c.violated(v, reason)
		} else if errors.Is(err, errPeerClosed) {
			reason = hub.ReasonClosed
			c.reader.drain()
		}
		break
	}
	c.end(reason)
}

// errPeerClosed ends the read loop after the client's close frame.
var errPeerClosed = errors.New("the client closed the connection")

// frame handles one frame.
func (c *conn) frame(h wire.Header, payload []byte) error {
	switch h.Opcode {
	case wire.OpText:
		return c.v1.message(payload)
	case wire.OpPing:
		if allowed, tooLong := c.rate.take(c.reader.readAt); tooLong {
			return errRateTooLong
		} else if allowed {
			c.urgent(wire.WSPong(payload))
		}
	case wire.OpPong:
		if c.keepalive.pong(payload) {
			c.out.Acknowledged()
			c.h.hub.Acknowledged(c.client)
		}
	case wire.OpClose:
		code, err := parseClose(payload)
		if err != nil {
			return err
		}
		c.peerClose(code)
		return errPeerClosed
	}
	return nil
}

// urgent queues a control frame of the connection's own.
func (c *conn) urgent(f *wire.Frame) { c.sent(c.out.Urgent(f)) }

// sent lets a frame go that the connection itself has queued, or closes the
// connection if it could not be.
func (c *conn) sent(ok bool) {
	if ok {
		c.out.Flush()
	} else {
		c.disconnect(errSlow, hub.ReasonSlow)
	}
}

// disconnect has the hub close the connection for v.
func (c *conn) disconnect(v *violation, reason string) {
	_ = c.do(&hub.Disconnect{Client: c.client, Code: v.code, Text: v.reason, Reason: reason})
}

// violated closes the connection for what it sent, and reads on until the client
// has taken notice: closing at once would make TCP throw away what it has not
// read yet.
func (c *conn) violated(v *violation, reason string) {
	c.disconnect(v, reason)
	c.reader.drain()
}

// peerClose answers the client's close frame. Its membership ends first, so that
// no frame comes behind the answer.
func (c *conn) peerClose(code wire.CloseCode) {
	c.closed.Store(true)
	_ = c.do(&hub.Disconnect{Client: c.client, Code: code, Reason: hub.ReasonClosed})
	c.hangUp()
}

// hangUp ends the server's side of the TCP connection once its close frame is
// written, and all of it once the client's has come too.
func (c *conn) hangUp() {
	if !c.out.Finished() {
		return
	}
	if c.closed.Load() {
		_ = c.nc.Close()
	} else if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// cut ends the connection without a close frame.
func (c *conn) cut(reason string) {
	c.mu.Lock()
	c.cutReason = reason
	c.mu.Unlock()
	_ = c.nc.Close()
}

// end is the read loop's last act: the connection is over.
func (c *conn) end(reason string) {
	c.keepalive.stop()
	_ = c.nc.Close()
	c.mu.Lock()
	if c.cutReason != "" && reason == hub.ReasonLost {
		reason = c.cutReason
	}
	c.mu.Unlock()
	if c.do(hub.Unregister{Client: c.client, Reason: reason}) != nil {
		c.out.Discard()
	}

	code := c.out.CloseCode()
	if code == 0 {
		code = wire.CloseAbnormal
	}
	c.h.Stats.Closes.add(code)
	c.h.dismiss(c.remote)
	c.h.log.Info(EventDisconnect,
		zap.Uint64(hub.FieldConn, c.number),
		zap.Stringer(hub.FieldRemote, c.remote),
		zap.Uint16(hub.FieldCode, uint16(code)),
		zap.String(hub.FieldReason, reason),
		zap.Duration(hub.FieldDuration, time.Since(c.opened)),
		zap.Uint64(FieldBytesIn, c.reader.total),
		zap.Uint64(FieldBytesOut, c.bytesOut.Load()),
	)
}
