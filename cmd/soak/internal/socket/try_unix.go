//go:build unix

package socket

import (
	"syscall"
	"time"
)

// tries says that reads and writes can be tried without waiting.
const tries = true

// tryRead is called when the socket may be readable; false makes it wait, and
// meanwhile the buffer is others' to use.
func (c *Conn) tryRead(fd uintptr) bool {
	c.mu.Lock()
	pace := c.pace
	c.mu.Unlock()
	b := c.hold()
	if pace > 0 {
		b = b[:min(len(b), slow)]
	}
	for {
		if c.timed {
			c.n, c.err = c.timedRead(int(fd), b)
		} else {
			c.n, c.err = syscall.Read(int(fd), b)
		}
		switch c.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			c.release()
			return false
		}
		c.n = max(c.n, 0)
		c.at = time.Now()
		return true
	}
}

// tryWrite returns how much of b the socket took; -1: it has failed.
func (c *Conn) tryWrite(b []byte) (n int) {
	err := c.raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			k, err := syscall.Write(int(fd), b[n:])
			switch {
			case err == syscall.EINTR:
			case err == syscall.EAGAIN:
				return true
			case err != nil:
				n = -1
				return true
			default:
				n += k
			}
		}
		return true
	})
	if err != nil {
		return -1
	}
	return n
}
