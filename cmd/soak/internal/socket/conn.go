package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// Handler takes what comes on a connection. One goroutine calls it.
type Handler interface {
	// Begin says that something has been read, and when.
	Begin(at time.Time)
	// Message takes one text message, which is valid until it returns.
	Message(text []byte)
	// Finish says that all of what was read has been handed over.
	Finish()
	// Closed is called once, last.
	Closed(why Close)
}

// Close is how a connection ended.
type Close struct {
	Code   wire.CloseCode // CloseAbnormal where no close frame came
	Reason string
	Ours   bool  // it was ended with Close or Cut
	Err    error // of the socket or of the protocol, where that ended it
}

func (c Close) String() string {
	switch {
	case c.Code != wire.CloseAbnormal:
		return fmt.Sprintf("closed with %d %q", c.Code, c.Reason)
	case c.Err != nil:
		return c.Err.Error()
	}
	return "cut"
}

var (
	errFrame   = errors.New("the server broke the WebSocket protocol")
	errTooLong = errors.New("the server sent a message of more than 64 MiB")
)

// Bounds of one connection, in bytes.
const (
	maxMessage = 64 << 20
	// MaxQueue is what may wait to be written before the server is held to be
	// reading no more.
	MaxQueue = 8 << 20
	readSize = 64 << 10
	waitSize = 1 << 10 // for connections that can't wait without a buffer
)

// Conn is a connection.
type Conn struct {
	// Set by newConn, then read only.
	conn net.Conn
	tcp  *net.TCPConn
	raw  syscall.RawConn // nil: reads and writes of it can't be tried (TLS)

	// Owned by Serve.
	rest    []byte // read and not handed over: the beginning of a frame
	message []byte // fragments so far; nil: none is open
	onRead  func(fd uintptr) bool
	buf     *[]byte // the pool's, while something is read
	n       int
	err     error
	at      time.Time

	mu      sync.Mutex // guards what follows
	out     *[]byte    // to be written; nil: nothing
	writing bool       // a goroutine waits for the socket to take more
	closed  bool       // nothing is written any more
	ours    bool
	pace    int // bytes a second that are read; 0: all there is
	start   int // of the message that is being appended to out
}

var (
	readBuffers  = sync.Pool{New: func() any { b := make([]byte, readSize); return &b }}
	writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}
)

// keptBytes is the largest write buffer that goes back to the pool.
const keptBytes = 256 << 10

func newConn(conn net.Conn, tcp *net.TCPConn, early []byte) *Conn {
	c := &Conn{conn: conn, tcp: tcp}
	if len(early) > 0 {
		c.rest = early
	}
	if conn == net.Conn(tcp) && tries {
		c.raw, _ = tcp.SyscallConn()
		c.onRead = c.tryRead
	}
	return c
}

// Serve reads until the connection ends.
func (c *Conn) Serve(h Handler) {
	why := Close{Code: wire.CloseAbnormal}
	if len(c.rest) > 0 { // what came behind the handshake
		c.at = time.Now()
		early := c.rest
		c.rest = nil
		why.Err = c.take(h, early, &why)
	}
	for why.Err == nil && why.Code == wire.CloseAbnormal {
		if why.Err = c.read(); why.Err != nil {
			break
		}
		why.Err = c.take(h, (*c.buf)[:c.n], &why)
		c.release()
		c.breathe()
	}
	c.release()
	c.mu.Lock()
	c.closed = true
	why.Ours = c.ours
	c.mu.Unlock()
	_ = c.conn.Close()
	h.Closed(why)
}

// read waits for something and takes it, behind what is left, into the buffer.
func (c *Conn) read() error {
	if c.raw == nil {
		b := make([]byte, len(c.rest)+waitSize)
		n, err := c.conn.Read(b[copy(b, c.rest):])
		if n == 0 {
			return ended(err)
		}
		c.buf, c.n, c.at = &b, len(c.rest)+n, time.Now()
		return nil
	}
	if err := c.raw.Read(c.onRead); err != nil {
		return err
	}
	if c.n == 0 {
		return ended(c.err)
	}
	c.n += len(c.rest)
	return nil
}

func ended(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// hold takes a buffer with what is left of the last read in it.
func (c *Conn) hold() []byte {
	if len(c.rest) < readSize/2 {
		c.buf = readBuffers.Get().(*[]byte)
	} else {
		b := make([]byte, 2*len(c.rest)+readSize)
		c.buf = &b
	}
	return (*c.buf)[copy(*c.buf, c.rest):]
}

func (c *Conn) release() {
	if c.buf != nil && len(*c.buf) == readSize {
		readBuffers.Put(c.buf)
	}
	c.buf = nil
}

// take hands over the messages in b and keeps what is left.
func (c *Conn) take(h Handler, b []byte, why *Close) (err error) {
	h.Begin(c.at)
	defer h.Finish()
	for {
		header, ok, err := wire.ParseHeader(b)
		switch {
		case err != nil || header.Masked || header.Reserved:
			return errFrame
		case header.Length > maxMessage-len(c.message):
			return errTooLong
		case !ok || len(b) < header.Size+header.Length:
			c.keep(b)
			return nil
		}
		payload := b[header.Size : header.Size+header.Length]
		b = b[header.Size+header.Length:]
		switch header.Opcode {
		case wire.OpText, wire.OpBinary, wire.OpContinuation:
			if (header.Opcode == wire.OpContinuation) != (c.message != nil) {
				return errFrame
			}
			if header.Fin && c.message == nil {
				h.Message(payload)
				continue
			}
			if c.message = append(c.message, payload...); c.message == nil {
				c.message = []byte{}
			}
			if header.Fin {
				h.Message(c.message)
				c.message = nil
			}
		case wire.OpPing:
			c.control(wire.OpPong, payload)
		case wire.OpClose:
			why.Code, why.Reason = wire.CloseNoStatus, ""
			if len(payload) >= 2 {
				why.Code, why.Reason = wire.CloseCode(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			c.answerClose(payload)
			return nil
		case wire.OpPong:
		default:
			return errFrame
		}
	}
}

// answerClose sends the server's close frame back, unless it is itself an answer.
func (c *Conn) answerClose(payload []byte) {
	c.mu.Lock()
	ours := c.ours
	c.mu.Unlock()
	if !ours {
		c.control(wire.OpClose, payload)
	}
}

// keep keeps the beginning of a frame until the rest of it has come.
func (c *Conn) keep(b []byte) {
	if len(b) == 0 {
		c.rest = nil
		return
	}
	c.rest = append(make([]byte, 0, len(b)), b...)
}

// breathe waits after a read, where the connection's reader is to be slow.
func (c *Conn) breathe() {
	c.mu.Lock()
	pace := c.pace
	c.mu.Unlock()
	if pace > 0 {
		time.Sleep(time.Duration(c.n) * time.Second / time.Duration(pace))
	}
}

// SetPace makes the connection read no more than so many bytes a second; 0: as
// fast as it can.
func (c *Conn) SetPace(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pace = bytes; bytes > 0 {
		_ = c.tcp.SetReadBuffer(4 << 10) // the kernel is not to read for us
	}
}

// slow is what a paced connection reads at once, in bytes.
const slow = 1 << 10

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
	n := len(payload)
	head := append(b[:start], wire.Fin|wire.OpText)
	switch {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	head = append(head, mask[:]...)
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
	*c.out = wire.AppendMasked(*c.out, wire.Fin|opcode, mask, payload)
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
