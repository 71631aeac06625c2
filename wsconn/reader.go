package wsconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// scratch is what a connection needs while it has something to read, and only
// then.
type scratch struct {
	buf      []byte
	envelope wire.Envelope
}

// scratchBytes holds some tens of usual messages: what 16 KiB takes from the
// socket in one read.
const scratchBytes = 16 << 10

var scratches = sync.Pool{New: func() any { return &scratch{buf: make([]byte, scratchBytes)} }}

// reader takes frames from a connection. Between messages, while it waits, it
// holds no buffer. Owned by the read loop.
type reader struct {
	conn  net.Conn
	raw   syscall.RawConn // nil: reads may block, see rawConn
	onRaw func(fd uintptr) bool

	s          *scratch // nil: nothing is buffered
	start, end int      // s.buf[start:end] has been read and not been taken
	readAt     time.Time

	// For TLS over a socket of UnderTLS only.
	below  *socket     // nil: conn is something else
	deep   *deepStacks // set before init
	sealed *scratch    // has what is encrypted; nil: TLS has all
	early  bool        // TLS may have read more than the handshake already

	total   atomic.Uint64  // bytes read; others look at it
	bytesIn *atomic.Uint64 // total of all connections

	message []byte        // the fragments so far of a message; nil: none is open
	limit   int           // of a message, in bytes
	idle    time.Duration // spent waiting for more of an unfinished message

	deadline time.Time // of reads; zero: none is set. It is never too late.

	n   int // result of onRaw
	err error
}

func (r *reader) init(conn net.Conn, early []byte, limit int, bytesIn *atomic.Uint64) {
	r.conn, r.limit, r.bytesIn = conn, limit, bytesIn
	if r.raw = rawConn(conn); r.raw != nil {
		r.onRaw = r.tryRead
	} else if r.below = socketUnder(conn); r.below != nil {
		r.below.taken, r.early = true, true
		r.onRaw = r.tryReadSealed
	}
	if len(early) > 0 {
		r.hold(len(early))
		_ = r.took(copy(r.s.buf, early), nil)
	}
}

// rawConn returns the descriptor of a plain socket, which can be read and written
// without waiting; nil: conn is something else, such as TLS or a wrapper, and is
// read and written through its own methods. A wrapper that embeds a *net.TCPConn
// has its SyscallConn too, but must not be bypassed: it may count, buffer or
// change the bytes.
func rawConn(conn net.Conn) syscall.RawConn {
	if !nonblocking {
		return nil
	}
	var socket syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		socket = conn
	case *net.UnixConn:
		socket = conn
	default:
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// next returns the next frame: its header and its payload, unmasked, which is
// valid until the next call. The payload of a text frame is the whole message; a
// fragment after which more is to come is returned as a continuation frame without
// a payload.
func (r *reader) next() (wire.Header, []byte, error) {
	for {
		h, ok, err := parseHeader(r.buffered())
		if err == nil && ok {
			err = r.check(&h)
		}
		if err != nil {
			return h, nil, err
		}
		if !ok {
			if err := r.fill(1); err != nil {
				return h, nil, err
			}
			continue
		}
		if missing := h.Size + h.Length - (r.end - r.start); missing > 0 {
			if err := r.fill(missing); err != nil {
				return h, nil, err
			}
			if !h.Control() {
				r.idle = 0
			}
			continue
		}
		payload := r.s.buf[r.start+h.Size : r.start+h.Size+h.Length]
		r.start += h.Size + h.Length
		wire.Mask(payload, h.Mask)
		if h.Control() {
			return h, payload, nil
		}
		if h.Fin && r.message == nil {
			return h, payload, nil
		}
		r.append(payload)
		if !h.Fin {
			h.Opcode = wire.OpContinuation
			return h, nil, nil
		}
		payload, r.message = r.message, nil
		h.Opcode = wire.OpText
		return h, payload, nil
	}
}

// append adds a fragment to the message. There is room for little more than what
// came: a message that is never finished must not hold more.
func (r *reader) append(fragment []byte) {
	if n := len(r.message) + len(fragment); r.message == nil || n > cap(r.message) {
		spare := 0
		if r.message != nil {
			spare = n / 4 // for further fragments: many small ones must not each copy all
		}
		larger := make([]byte, len(r.message), min(n+spare, max(n, r.limit)))
		copy(larger, r.message)
		r.message = larger
	}
	r.message = append(r.message, fragment...)
	r.idle = 0
}

// check holds a frame against the messages of the protocol.
func (r *reader) check(h *wire.Header) error {
	switch {
	case h.Control():
		return nil
	case h.Opcode == wire.OpBinary:
		return errBinary
	case h.Opcode == wire.OpContinuation && r.message == nil:
		return errContinuation
	case h.Opcode == wire.OpText && r.message != nil:
		return errUnfinished
	case h.Length > r.limit-len(r.message):
		return errTooBig
	}
	return nil
}

func (r *reader) buffered() []byte {
	if r.s == nil {
		return nil
	}
	return r.s.buf[r.start:r.end]
}

// hold makes room for n more bytes behind what is buffered.
func (r *reader) hold(n int) {
	if r.s == nil {
		r.s = scratches.Get().(*scratch)
		r.start, r.end = 0, 0
	}
	if r.start > 0 && len(r.s.buf)-r.end < n {
		r.end = copy(r.s.buf, r.s.buf[r.start:r.end])
		r.start = 0
	}
	if len(r.s.buf)-r.end < n {
		// Twice what came, not what the header promises: a promise is cheap.
		larger := make([]byte, min(r.end+n, 2*len(r.s.buf)))
		copy(larger, r.s.buf[:r.end])
		r.s.buf = larger
	}
}

// release gives the buffer back if nothing is in it.
func (r *reader) release() {
	if r.s == nil || r.start < r.end {
		return
	}
	if len(r.s.buf) == scratchBytes {
		scratches.Put(r.s)
	}
	r.s = nil
}

// unfinishedTimeout is how long a client may send nothing more of a message that it
// has begun: no line is silent for so long that still works.
const unfinishedTimeout = 30 * time.Second

// fill reads from the connection, of which n bytes are wanted.
func (r *reader) fill(n int) error {
	unfinished := r.message != nil || r.start < r.end
	if !unfinished {
		r.idle = 0
	}
	for {
		var before time.Time
		if unfinished {
			before = time.Now()
			if r.deadline.IsZero() {
				r.deadline = before.Add(unfinishedTimeout - r.idle)
				_ = r.conn.SetReadDeadline(r.deadline)
			}
		}
		err := r.read(n)
		if unfinished {
			r.idle += time.Since(before)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		// The deadline may have been set for an earlier wait: it is left where it is,
		// since most messages are finished long before.
		r.deadline = time.Time{}
		_ = r.conn.SetReadDeadline(r.deadline)
		if unfinished && r.idle >= unfinishedTimeout {
			return errUnfinishedTooLong
		}
	}
}

// read is fill without a limit of time.
func (r *reader) read(n int) error {
	switch {
	case r.below != nil:
		return r.readSecure(n)
	case r.raw == nil:
		return r.readBlocking(n)
	}
	if r.s != nil && r.start < r.end {
		r.hold(n)
	} else {
		r.release()
	}
	if err := r.raw.Read(r.onRaw); err != nil {
		return err
	}
	return r.took(r.n, r.err)
}

// tryRead is called by the poller when the socket may be readable; false makes it
// wait, and meanwhile an empty buffer is others' to use.
func (r *reader) tryRead(fd uintptr) bool {
	r.hold(1)
	for {
		r.n, r.err = tryRead(fd, r.s.buf[r.end:])
		switch r.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.release()
			return false
		}
		return true
	}
}

// readBlocking is read for connections that can't tell when they are readable:
// the buffer is held while they wait, but a small one.
func (r *reader) readBlocking(n int) error {
	if r.s == nil {
		r.s = &scratch{buf: make([]byte, waitBytes)}
		r.start, r.end = 0, 0
	} else if r.start == r.end {
		r.start, r.end = 0, 0
		if len(r.s.buf) > waitBytes {
			r.s.buf = make([]byte, waitBytes)
		}
	}
	r.hold(n)
	return r.took(r.conn.Read(r.s.buf[r.end:]))
}

// waitBytes is the buffer of a waiting connection that needs one.
const waitBytes = 1 << 10

func (r *reader) took(n int, err error) error {
	if n > 0 {
		r.end += n
		r.total.Add(uint64(n))
		r.bytesIn.Add(uint64(n))
		r.readAt = time.Now()
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// drain reads and forgets until the connection ends.
func (r *reader) drain() {
	r.message = nil
	for {
		r.start, r.end = 0, 0
		if err := r.fill(1); err != nil {
			r.start, r.end = 0, 0
			r.release()
			return
		}
	}
}
