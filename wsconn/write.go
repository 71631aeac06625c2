package wsconn

import (
	"sync"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// gatherBytes is what one write takes at most: frames that wait together leave
// together.
const gatherBytes = 64 << 10

// gather is a writer's workspace.
type gather struct {
	buf    []byte
	frames []*wire.Frame

	// For one write that does not wait.
	out   []byte
	n     int
	err   error
	onRaw func(fd uintptr) bool
}

var gathers = sync.Pool{New: func() any {
	g := &gather{buf: make([]byte, 0, gatherBytes)}
	g.onRaw = g.tryWrite
	return g
}}

// take collects from c's outbox what the next write sends; nil: nothing waits.
func (g *gather) take(c *conn) []byte {
	var skip int
	g.frames, skip = c.out.Take(g.frames[:0], gatherBytes)
	switch len(g.frames) {
	case 0:
		return nil
	case 1:
		return g.frames[0].Bytes()[skip:]
	}
	g.buf = append(g.buf[:0], g.frames[0].Bytes()[skip:]...)
	for _, f := range g.frames[1:] {
		g.buf = append(g.buf, f.Bytes()...)
	}
	return g.buf
}

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
	more = c.out.Wrote(n, time.Now())
	if !more {
		c.hangUp()
	}
	return more
}

// Closing implements [hub.Writer].
func (c *conn) Closing() { c.keepalive.closing() }

// Probe implements [hub.Writer].
func (c *conn) Probe() { c.keepalive.probe() }

// Wake implements [hub.Writer].
func (c *conn) Wake() {
	if c.raw == nil {
		go c.writeBlocking()
		return
	}
	c.h.writers.add(c)
}

// writeOnce writes one gathering without waiting. What the socket does not take
// is left to a goroutine that waits; what is there beyond it comes when all
// others have had their turn.
func (c *conn) writeOnce(g *gather) {
	g.out = g.take(c)
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

// writeBlocking writes until nothing waits, waiting for the socket.
func (c *conn) writeBlocking() {
	g := gathers.Get().(*gather)
	defer gathers.Put(g)
	for {
		out := g.take(c)
		if out == nil {
			return
		}
		n, err := c.nc.Write(out)
		more := c.wrote(n)
		if err != nil {
			c.writeFailed()
		}
		if err != nil || !more {
			return
		}
	}
}

// writeFailed ends the connection; the read loop sees that and cleans up.
func (c *conn) writeFailed() {
	_ = c.nc.Close()
	c.out.Failed()
}
