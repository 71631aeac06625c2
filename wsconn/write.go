package wsconn

import (
	"sync"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
)

// gather is a writer's workspace.
type gather struct {
	hub.Gathering

	// For one write that does not wait.
	out   []byte
	n     int
	err   error
	onRaw func(fd uintptr) bool

	// Likewise, over TLS.
	conn   *conn
	behind int // bytes of which the socket has not taken all

	breath *breath // nil: none was taken yet
}

// takeBreath lets others have a turn.
func (g *gather) takeBreath() {
	if g.breath == nil {
		g.breath = newBreath()
	}
	g.breath.take()
}

var gathers = sync.Pool{New: func() any {
	g := new(gather)
	g.onRaw = g.tryWrite
	return g
}}

// tryWrite writes what the socket takes now.
func (g *gather) tryWrite(fd uintptr) bool {
	for {
		g.n, g.err = tryWrite(fd, g.out)
		if g.err != syscall.EINTR {
			return true
		}
	}
}

// write writes as much of out as the socket takes now, and leaves the number of bytes in
// g.n.
func (g *gather) write(raw syscall.RawConn, out []byte) error {
	g.out, g.n, g.err = out, 0, nil
	err := raw.Write(g.onRaw)
	if err == nil && g.err != syscall.EAGAIN {
		err = g.err
	}
	g.out, g.n = nil, max(g.n, 0)
	return err
}

// wrote accounts for n bytes that are on their way, and reports whether more
// waits.
func (c *conn) wrote(n int) (more bool) {
	c.bytesOut.Add(uint64(n))
	c.h.Stats.BytesOut.Add(uint64(n))
	if c.talk != nil {
		more = c.talk.wrote(n)
	} else {
		more = c.client.Wrote(n, time.Now())
	}
	if !more {
		c.hangUp()
	}
	return more
}

// Closing implements [hub.Writer].
func (c *conn) Closing() {
	c.keepalive.closing()
	c.lull.end()
	if c.talk != nil {
		go c.talk.closeAll(c.client.CloseCode()) // the hub must not wait for itself
	}
}

// Probe implements [hub.Writer].
func (c *conn) Probe() { c.keepalive.probe() }

// Abort implements [hub.Writer].
func (c *conn) Abort() { c.cut(event.ReasonDrain) }

// Challenge sends a ping at once, whether or not another is under way, and cuts the
// connection as after a ping timeout if the client shows no sign of life within the
// given time. While one challenge is under way others change nothing. It does not
// block, and may be called from any goroutine.
func (c *conn) Challenge(within time.Duration) { c.keepalive.ask(within) }

// takesTurns reports whether the writers write for the connection: its writes need not
// wait for the socket.
func (c *conn) takesTurns() bool { return c.raw != nil || c.below != nil }

// gather returns what to write next, or nil if nothing waits.
func (c *conn) gather(g *gather) []byte {
	if c.talk != nil {
		return c.talk.gather(&g.Gathering)
	}
	return c.client.Gather(&g.Gathering)
}

// Wake implements [hub.Writer].
func (c *conn) Wake() {
	if c.talk != nil {
		c.talk.wake(nil)
		return
	}
	c.write()
}

// write has the connection written to, by the writers or a goroutine of its own.
func (c *conn) write() {
	if !c.takesTurns() {
		go c.writeBlocking(0)
		return
	}
	c.h.writers.add(c)
}

// WakeLater implements [hub.PatientWriter].
func (c *conn) WakeLater() {
	if c.talk != nil || !c.takesTurns() {
		c.Wake()
		return
	}
	c.h.writers.addLater(c)
}

// Hurry implements [hub.PatientWriter].
func (c *conn) Hurry() { c.h.writers.hurry(c) }

// writeOnce writes one gathering without waiting. The rest that the socket does not take
// is left to a goroutine that waits; further frames come when all
// others have had their turn. A writer calls it.
func (c *conn) writeOnce(g *gather) {
	out := c.gather(g)
	switch {
	case out == nil:
	case c.below != nil:
		c.writeSecure(g, out)
	default:
		c.writePlain(g, out)
	}
}

func (c *conn) writePlain(g *gather, out []byte) {
	switch err := g.write(c.raw, out); {
	case err != nil:
		c.writeFailed()
	case !c.wrote(g.n):
	case g.n == len(out):
		c.h.writers.add(c)
	default:
		go c.writeBlocking(0)
	}
}

// sliceBytes is what a write that waits for the socket takes at a time: progress on
// a slow line is to be seen. A TLS record holds as much.
const sliceBytes = 16 << 10

// writeBlocking writes until nothing waits, waiting for the socket. behind is how many
// bytes TLS has been given that its socket may not have taken yet.
func (c *conn) writeBlocking(behind int) {
	if behind > 0 && !c.settle(c.below.flush(), behind) {
		return
	}
	g := gathers.Get().(*gather)
	defer gathers.Put(g)
	for {
		out := c.gather(g)
		if out == nil {
			return
		}
		for len(out) > 0 {
			n, err := c.nc.Write(out[:min(len(out), sliceBytes)])
			if err == nil && c.below != nil {
				err = c.below.flush()
			}
			if !c.settle(err, n) {
				return
			}
			out = out[n:]
		}
	}
}

// settle accounts for a write, and reports whether the writer is to go on.
func (c *conn) settle(err error, n int) bool {
	more := c.wrote(n)
	if err != nil {
		c.writeFailed()
	}
	return err == nil && more
}

// writeFailed ends the connection; the read loop sees that and cleans up.
func (c *conn) writeFailed() {
	c.lull.end()
	_ = c.nc.Close()
	c.client.Failed()
	if c.talk != nil {
		c.talk.failed()
	}
}
