package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	timed   bool          // the kernel says when it had what is read; set before Serve
	lag     time.Duration // of the last read, where that is known
	lagged  bool

	mu       sync.Mutex // guards what follows
	out      *[]byte    // to be written; nil: nothing
	writing  bool       // a goroutine waits for the socket to take more
	closed   bool       // nothing is written any more
	ours     bool
	pace     int           // bytes a second that are read; 0: all there is
	closeLag time.Duration // before a close frame is answered
	start    int           // of the message that is being appended to out
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
	if why.Code != wire.CloseAbnormal {
		c.answerClose(why)
	}
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
	c.lagged = false
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
			return nil
		case wire.OpPong:
		default:
			return errFrame
		}
	}
}

// answerClose sends the server's close frame back, unless it is itself an answer.
func (c *Conn) answerClose(why Close) {
	c.mu.Lock()
	ours, lag := c.ours, c.closeLag
	c.mu.Unlock()
	if ours {
		return
	}
	time.Sleep(lag)
	var payload []byte
	if why.Code != wire.CloseNoStatus {
		payload = append(binary.BigEndian.AppendUint16(nil, uint16(why.Code)), why.Reason...)
	}
	c.control(wire.OpClose, payload)
}

// SetCloseLag makes the connection wait for a time before it answers a close frame.
func (c *Conn) SetCloseLag(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLag = d
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
