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

// wrote accounts for n bytes that are on their way, and reports whether more
// waits.
func (c *conn) wrote(n int) (more bool) {
	c.bytesOut.Add(uint64(n))
	c.h.Stats.BytesOut.Add(uint64(n))
	more = c.client.Wrote(n, time.Now())
	if !more {
		c.hangUp()
	}
	return more
}

// Closing implements [hub.Writer].
func (c *conn) Closing() {
	c.keepalive.closing()
	c.lull.end()
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

// Wake implements [hub.Writer].
func (c *conn) Wake() {
	if c.raw == nil {
		go c.writeBlocking()
		return
	}
	c.h.writers.add(c)
}

// WakeLater implements [hub.PatientWriter].
func (c *conn) WakeLater() {
	if c.raw == nil {
		c.Wake()
		return
	}
	c.h.writers.addLater(c)
}

// Hurry implements [hub.PatientWriter].
func (c *conn) Hurry() { c.h.writers.hurry(c) }

// writeOnce writes one gathering without waiting. What the socket does not take
// is left to a goroutine that waits; what is there beyond it comes when all
// others have had their turn. A writer calls it.
func (c *conn) writeOnce(g *gather) {
	g.out = c.client.Gather(&g.Gathering)
	if g.out == nil {
		return
	}
	g.n, g.err = 0, nil
	err := c.raw.Write(g.onRaw)
	if err == nil && g.err != syscall.EAGAIN {
		err = g.err
	}
	whole := g.n == len(g.out)
	g.out = nil
	switch {
	case err != nil:
		c.writeFailed()
	case !c.wrote(max(g.n, 0)):
	case whole:
		c.h.writers.add(c)
	default:
		go c.writeBlocking()
	}
}

// sliceBytes is what a write that waits for the socket takes at a time: progress on
// a slow line is to be seen.
const sliceBytes = 16 << 10

// writeBlocking writes until nothing waits, waiting for the socket.
func (c *conn) writeBlocking() {
	g := gathers.Get().(*gather)
	defer gathers.Put(g)
	for {
		out := c.client.Gather(&g.Gathering)
		if out == nil {
			return
		}
		for len(out) > 0 {
			n, err := c.nc.Write(out[:min(len(out), sliceBytes)])
			more := c.wrote(n)
			if err != nil {
				c.writeFailed()
			}
			if err != nil || !more {
				return
			}
			out = out[n:]
		}
	}
}

// writeFailed ends the connection; the read loop sees that and cleans up.
func (c *conn) writeFailed() {
	c.lull.end()
	_ = c.nc.Close()
	c.client.Failed()
}
