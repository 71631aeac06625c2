package socket

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// maxHeader is the longest header of a client's frame that Append leaves room for.
const maxHeader = 14

// Append starts a text message: the caller appends its text to what it returns
// and gives that to Done, and calls nothing else of the connection in between.
func (c *Conn) Append() []byte {
	c.mu.Lock()
	if c.out == nil {
		c.out = writeBuffers.Get().(*[]byte)
	}
	c.start = len(*c.out)
	return append(*c.out, make([]byte, maxHeader)...)
}

// Done ends a message. It reports false where that can't be queued: the
// connection has ended, or the server reads nothing.
func (c *Conn) Done(b []byte) bool {
	defer c.mu.Unlock()
	if c.closed || len(b) > MaxQueue {
		c.keepOut(b[:c.start])
		return false
	}
	var mask [4]byte
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32())
	c.keepOut(seal(b, c.start, mask))
	return true
}

func (c *Conn) keepOut(b []byte) { *c.out = b }

// seal writes the header of the message behind start and masks it.
func seal(b []byte, start int, mask [4]byte) []byte {
	payload := b[start+maxHeader:]
	wire.Mask(payload, mask)
	head := wire.AppendMaskedHeader(b[:start], wire.FinBit|wire.OpText, mask, len(payload))
	return append(head, payload...) // moves it up to its header
}

// Flush writes what has been queued, as far as the socket takes it, and leaves the
// rest to a goroutine.
func (c *Conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flush()
}

func (c *Conn) flush() {
	if c.out == nil || c.writing {
		return
	}
	b := *c.out
	n := 0
	if c.raw != nil {
		n = c.tryWrite(b)
	}
	if n < len(b) && n >= 0 {
		*c.out = b[:copy(b, b[n:])]
		c.writing = true
		go c.drain()
		return
	}
	c.giveBack(c.out)
	c.out = nil
}

func (c *Conn) giveBack(b *[]byte) {
	if cap(*b) <= keptBytes {
		*b = (*b)[:0]
		writeBuffers.Put(b)
	}
}

// drain writes until nothing is left.
func (c *Conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out != nil {
		b := c.out
		c.out = nil
		c.mu.Unlock()
		_, err := c.conn.Write(*b)
		c.mu.Lock()
		c.giveBack(b)
		if err != nil { // the reading side sees it too
			c.closed = true
			break
		}
	}
	c.writing = false
}

// control sends a control frame.
func (c *Conn) control(opcode byte, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.out == nil {
		c.out = writeBuffers.Get().(*[]byte)
	}
	var mask [4]byte
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32())
	*c.out = wire.AppendMasked(*c.out, wire.FinBit|opcode, mask, payload)
	c.flush()
}

// Close starts the closing handshake with code 1000, and gives the server a time
// for its answer.
func (c *Conn) Close(wait time.Duration) {
	c.mu.Lock()
	c.ours, c.pace = true, 0
	c.mu.Unlock()
	c.control(wire.OpClose, binary.BigEndian.AppendUint16(nil, uint16(wire.CloseNormal)))
	_ = c.conn.SetReadDeadline(time.Now().Add(wait))
}

// Cut ends the connection without a word, as a network that fails.
func (c *Conn) Cut() {
	c.mu.Lock()
	c.ours, c.closed = true, true
	c.mu.Unlock()
	_ = c.tcp.SetLinger(0)
	_ = c.tcp.Close()
}

// Queued returns the bytes that wait to be written.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return 0
	}
	return len(*c.out)
}
