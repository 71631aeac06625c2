package socket

import "time"

// TimeReads asks the system to say when it had what is read, so that ReadLag tells how
// late each read is. It must be called before Serve.
func (c *Conn) TimeReads() {
	if c.raw == nil {
		return
	}
	_ = c.raw.Control(func(fd uintptr) { c.timed = stampReads(int(fd)) })
}

// ReadLag returns how long what was last read had waited in this machine; ok is false
// where that is not known. The goroutine that calls the Handler may call it.
func (c *Conn) ReadLag() (lag time.Duration, ok bool) { return c.lag, c.lagged }
