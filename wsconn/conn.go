package wsconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// closeTimeout is how long a connection may take to end after a close frame was
// queued for it, or its client sent one.
const closeTimeout = 5 * time.Second

// conn is one WebSocket connection.
type conn struct {
	// Set before start, then read only.
	h       *Handler
	options *Options // of the handler when the connection came
	nc      net.Conn
	raw     syscall.RawConn // of a plain socket, else nil
	below   *socket         // under TLS, else nil; if both are nil, writes may block
	number  uint64
	remote  netip.Addr    // the client's address
	client  hub.Client    // the hub's side; has its own locks
	opened  time.Duration // since the handler was made

	keepalive keepalive     // has its own lock
	bytesOut  atomic.Uint64 // written
	lull      lull          // has its own lock
	closed    atomic.Bool   // the client's close frame came
	// Neighbours in one of the writers' lines, and whether that is the later one; guarded
	// by their lock.
	late          bool
	behind, ahead *conn

	// Owned by the read loop.
	reader reader
	v1     v1
	rates  rates
	talk   *Conn // of a dialect; nil: version 1. Set before start

	// Guarded by mu.
	mu        sync.Mutex
	cutReason string             // why the connection was cut, when it was not closed
	decision  context.CancelFunc // of the gate's decision under way; nil: there is none
}

// start registers the connection with the hub and goes on in goroutines of its
// own. early is what the client sent behind its request.
func (h *Handler) start(nc net.Conn, early []byte, remote netip.Addr) *conn {
	return h.startTalk(nc, early, remote, nil)
}

// startTalk is start for a connection that speaks a dialect; nil: version 1. It returns nil if
// the dialect has no speaker for it: then the connection is over.
func (h *Handler) startTalk(nc net.Conn, early []byte, remote netip.Addr, talks func(*conn) *Conn) *conn {
	c := &conn{h: h, options: h.options.Load(), nc: nc, number: h.numbers.Add(1), remote: remote, opened: time.Since(h.started)}
	c.reader.deep = &h.deep
	c.reader.init(nc, early, c.options.MaxMessageBytes, &h.Stats.BytesIn)
	c.v1.c = c
	c.raw, c.below = c.reader.raw, c.reader.below
	c.rates.init(c.options, time.Now())
	opened := []zap.Field{zap.Uint64(event.FieldConn, c.number), zap.Stringer(event.FieldRemote, remote)}
	if talks != nil {
		if c.guard("Speaker", func() { c.talk = talks(c) }) != nil {
			h.dismiss(remote)
			_ = nc.Close()
			return nil
		}
		opened = append(opened, zap.String(FieldDialect, c.talk.of.dialect.Name()))
	}
	h.writers.enter()
	if c.below != nil {
		h.deep.enter()
	}
	h.log.Info(EventConnect, opened...)
	as := hub.Connection{Number: c.number, Remote: remote, QueueBytes: c.options.QueueBytes, Writer: c}
	if c.talk != nil {
		as.Budget = c.talk.budget
	}
	c.client = h.hub.Connect(as)
	c.keepalive.start(c) // first: the hub may close the connection at once
	if c.client.Start() != nil {
		c.end(event.ReasonDrain)
		return c
	}
	go c.readLoop()
	return c
}

// readLoop reads until the connection ends.
func (c *conn) readLoop() {
	reason := event.ReasonLost
	begun := c.talk == nil
	for {
		err := error(nil)
		if begun {
			err = c.next()
		} else {
			begun, err = true, c.talk.begin()
		}
		if err == nil {
			continue
		}
		var v *violation
		if errors.As(err, &v) {
			if reason = v.reasonLogged(); c.talk != nil {
				reason = v.reasonOfDialect()
				c.talk.leaveAll(reason) // others need not wait until it has closed too
			}
			_ = c.client.Close(v.code, v.reason, reason)
			// Closing at once would make TCP throw away what the client has not read yet.
			c.reader.drain()
		} else if errors.Is(err, errPeerClosed) {
			reason = event.ReasonClosed
			c.reader.drain()
		} else if errors.Is(err, errEnding) {
			c.reader.drain()
		}
		break
	}
	c.end(reason)
}

var (
	// errPeerClosed ends the read loop after the client's close frame.
	errPeerClosed = errors.New("the client closed the connection")
	// errEnding ends it when the server has closed or cut the connection meanwhile.
	errEnding = errors.New("the server is closing the connection")
)

// next reads and handles the next frame.
func (c *conn) next() error {
	h, payload, err := c.reader.next()
	if err == nil {
		err = c.frame(h, payload)
	}
	return err
}

// frame handles one frame.
func (c *conn) frame(h wire.Header, payload []byte) error {
	switch h.Opcode {
	case wire.OpText:
		if c.talk != nil {
			return c.talk.message(payload)
		}
		return c.v1.message(payload)
	case wire.OpContinuation:
		return c.pace(c.rates.frame(c.reader.readAt))
	case wire.OpPing:
		c.sent(c.client.Pong(payload))
		return c.pace(c.rates.frame(c.reader.readAt))
	case wire.OpPong:
		if c.keepalive.answer(payload) {
			c.client.Acknowledged()
		}
		c.reader.releaseTLS()
		return c.pace(c.rates.frame(c.reader.readAt))
	case wire.OpClose:
		code, err := closeCode(h, payload)
		if err != nil {
			return err
		}
		return c.peerClose(code)
	}
	return nil
}

// pace keeps the client from being read for d, so that it sends no faster than it
// may.
func (c *conn) pace(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if !c.lull.wait(d) {
		return errEnding
	}
	c.rates.at(time.Now())
	return nil
}

// overLimit paces the refusal of a message of n bytes that was over a limit. Too
// many of them end the connection.
func (c *conn) overLimit(n int) error {
	wait, tooLong := c.rates.refuse(n)
	if tooLong {
		return errRateTooLong
	}
	return c.pace(wait)
}

// sent closes the connection if a frame of its own could not be queued.
func (c *conn) sent(ok bool) {
	if !ok {
		_ = c.client.Close(errSlow.code, errSlow.reason, event.ReasonSlow)
	}
}

// noJoin closes the connection unless the client has joined meanwhile. The timer
// calls it.
func (c *conn) noJoin() {
	if c.talk == nil || c.talk.count() == 0 {
		_ = c.client.CloseOutside(errNoJoin.reason)
	}
}

// tokenExpired closes the connection unless the grant was renewed meanwhile. The
// timer calls it.
func (c *conn) tokenExpired() {
	if c.talk != nil {
		c.talk.expired()
		return
	}
	_ = c.client.CloseExpired(errTokenExpired.reason)
}

// peerClose answers the client's close frame. Its membership ends first, so that
// no frame comes behind the answer. With 1001 a resumable membership goes on: proxies
// send that on a client's behalf. The error ends the read loop.
func (c *conn) peerClose(code wire.CloseCode) error {
	if c.talk != nil {
		c.talk.leaveAll(event.ReasonClosed)
	}
	if code == wire.CloseGoingAway {
		if stays, err := c.client.GoAway(); err != nil || stays {
			c.cut(event.ReasonGoneAway)
			return errEnding
		}
	} else {
		_ = c.client.Close(code, "", event.ReasonClosed)
	}
	c.closed.Store(true)
	c.hangUp()
	return errPeerClosed
}

// hangUp ends the server's side of the TCP connection once its close frame is
// written, and all of it once the client's has come too. A membership may go on after
// 1001, unless the client leaves: what it has sent last is still awaited then, and a proxy
// would throw that away if our side ended. Any goroutine calls it.
func (c *conn) hangUp() {
	if !c.client.Finished() {
		return
	}
	if c.closed.Load() {
		_ = c.nc.Close()
	} else if half, ok := c.nc.(closeWriter); ok && c.client.CloseCode() != wire.CloseGoingAway {
		_ = half.CloseWrite()
	}
}

// cut ends the connection without a close frame. Any goroutine calls it.
func (c *conn) cut(reason string) {
	c.mu.Lock()
	c.cutReason = reason
	cancel := c.decision
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.lull.end()
	_ = c.nc.Close()
}

// whileDeciding notes what ends a decision of the gate when the connection is cut; nil:
// there is none any more.
func (c *conn) whileDeciding(cancel context.CancelFunc) {
	c.mu.Lock()
	c.decision = cancel
	c.mu.Unlock()
}

// end is the read loop's last act: the connection is over.
func (c *conn) end(reason string) {
	c.keepalive.stop()
	_ = c.nc.Close()
	c.mu.Lock()
	if c.cutReason != "" && reason == event.ReasonLost {
		reason = c.cutReason
	}
	c.mu.Unlock()
	if c.talk != nil {
		c.talk.end(reason)
	}
	c.client.End(reason)

	c.reader.unseal()
	if c.below != nil {
		c.h.deep.leave()
	}

	code := c.client.CloseCode()
	switch {
	case code == 0 && reason == event.ReasonGoneAway:
		code = wire.CloseGoingAway
	case code == 0:
		code = wire.CloseAbnormal
	}
	c.h.Stats.Closes.add(code)
	c.h.writers.leave()
	c.h.dismiss(c.remote)
	c.h.log.Info(EventDisconnect,
		zap.Uint64(event.FieldConn, c.number),
		zap.Stringer(event.FieldRemote, c.remote),
		zap.Uint16(event.FieldCode, uint16(code)),
		zap.String(event.FieldReason, reason),
		zap.Duration(event.FieldDuration, time.Since(c.h.started)-c.opened),
		zap.Uint64(FieldBytesIn, c.reader.total.Load()),
		zap.Uint64(FieldBytesOut, c.bytesOut.Load()),
	)
}
