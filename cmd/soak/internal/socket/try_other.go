//go:build !unix

package socket

// tries says that reads and writes can be tried without waiting.
const tries = false

func (c *Conn) tryRead(uintptr) bool { panic("not tried") }

func (c *Conn) tryWrite([]byte) int { panic("not tried") }
