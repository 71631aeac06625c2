// Package load makes WebSocket load from one thread, so that one core is enough to
// keep a server's core busy: non-blocking sockets behind epoll, frames made
// beforehand, and whatever one event brings answered with one write.
package load

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Loop is a set of connections that one goroutine serves.
type Loop struct {
	epoll  int
	conns  map[int32]*Conn
	events [256]unix.EpollEvent
	dirty  []*Conn // with something to write

	scratch [256 << 10]byte // is read into by all connections

	Bytes uint64      // read from all connections
	TLS   *tls.Config // of connections to come; nil: they are plain
}

// Conn is a client's connection.
type Conn struct {
	loop    *Loop
	fd      int
	in      []byte // read and not taken yet
	out     []byte // to be written
	dirty   bool
	waiting bool // for the socket to take more
	closed  bool
	secure  *secure // nil: the connection is plain
	plain   []byte  // to be encrypted, then written

	// OnMessage is called for each text message, which is valid until it returns.
	OnMessage func(text []byte)
}

// NewLoop makes an empty loop.
func NewLoop() (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &Loop{epoll: fd, conns: make(map[int32]*Conn)}, err
}

// Close closes all connections, without a word.
func (l *Loop) Close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(l.epoll)
}

const handshake = "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// Dial connects and shakes hands.
func (l *Loop) Dial(address, path string) (*Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &Conn{loop: l, fd: fd}
	if err := c.open(to, path); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	l.conns[int32(fd)] = c
	return c, nil
}

func (c *Conn) open(to netip.AddrPort, path string) error {
	if err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	var stream io.ReadWriter = socket(c.fd)
	if config := c.loop.TLS; config != nil {
		c.secure = &secure{c: c}
		c.secure.client = tls.Client(c.secure, config)
		stream = c.secure.client
	}
	if _, err := fmt.Fprintf(stream, handshake, path); err != nil {
		return err
	}
	var answer []byte
	for !bytes.Contains(answer, []byte("\r\n\r\n")) {
		piece := make([]byte, 1024)
		n, err := stream.Read(piece)
		if err != nil {
			return fmt.Errorf("handshake: %w (%q)", err, answer)
		}
		answer = append(answer, piece[:n]...)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101")) {
		return fmt.Errorf("handshake: %.80q", answer)
	}
	_, c.in, _ = bytes.Cut(answer, []byte("\r\n\r\n"))
	if c.secure != nil {
		c.secure.shaken = true
	}
	if err := unix.SetNonblock(c.fd, true); err != nil {
		return err
	}
	return unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)})
}

// socket is a descriptor that is read and written with waiting.
type socket int

func (s socket) Read(b []byte) (int, error) {
	n, err := unix.Read(int(s), b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (s socket) Write(b []byte) (int, error) { return unix.Write(int(s), b) }

// Send queues a frame, to be written after the event that is being handled. Frames that are
// queued by then leave in one TLS record, if they fit.
func (c *Conn) Send(frame []byte) {
	if c.secure != nil {
		c.plain = append(c.plain, frame...)
	} else {
		c.out = append(c.out, frame...)
	}
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// Spin handles events until the time is over and never sleeps, so that the server does not
// pay for waking the load's core.
func (l *Loop) Spin(limit time.Duration) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if err := l.Poll(0); err != nil {
			return err
		}
	}
	return nil
}

// Run handles events until done, or until the time is over.
func (l *Loop) Run(limit time.Duration, done func() bool) error {
	deadline := time.Now().Add(limit)
	l.flush()
	for !done() {
		left := time.Until(deadline)
		if left <= 0 {
			return nil
		}
		if err := l.Poll(min(left+time.Millisecond, 50*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// Poll handles the events that are there, or the first to come within wait.
func (l *Loop) Poll(wait time.Duration) error {
	n, err := unix.EpollWait(l.epoll, l.events[:], int(wait.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	for _, e := range l.events[:max(n, 0)] {
		if c := l.conns[e.Fd]; c != nil {
			c.handle(e.Events)
		}
	}
	l.flush()
	return nil
}

func (l *Loop) flush() {
	for _, c := range l.dirty {
		c.dirty = false
		c.write()
	}
	l.dirty = l.dirty[:0]
}

func (c *Conn) write() {
	if len(c.plain) > 0 {
		_, _ = c.secure.client.Write(c.plain) // to c.out
		c.plain = c.plain[:0]
	}
	if c.closed || c.waiting || len(c.out) == 0 {
		return
	}
	n, err := unix.Write(c.fd, c.out)
	if err != nil && err != unix.EAGAIN {
		c.drop()
		return
	}
	c.out = c.out[:copy(c.out, c.out[max(n, 0):])]
	c.want(len(c.out) > 0)
}

// want tells epoll whether to say when the socket takes more.
func (c *Conn) want(more bool) {
	if c.waiting == more {
		return
	}
	c.waiting = more
	events := uint32(unix.EPOLLIN)
	if more {
		events |= unix.EPOLLOUT
	}
	_ = unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: events, Fd: int32(c.fd)})
}

func (c *Conn) drop() {
	c.closed = true
	delete(c.loop.conns, int32(c.fd))
	_ = unix.Close(c.fd)
}

func (c *Conn) handle(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		c.waiting = false
		c.write()
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	n, err := unix.Read(c.fd, c.loop.scratch[:])
	if err == unix.EAGAIN {
		return
	}
	if err != nil || n == 0 {
		c.drop()
		return
	}
	c.loop.Bytes += uint64(n)
	if c.secure == nil {
		c.take(c.loop.scratch[:n])
	} else if err := c.secure.open(c.loop.scratch[:n], c.take); err != nil {
		c.drop()
	}
}

// Early handles messages that came right behind the handshake, with which they were read.
func (c *Conn) Early() { c.in = append([]byte(nil), c.frames(c.in)...) }

// take handles what came.
func (c *Conn) take(data []byte) {
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	rest := c.frames(data)
	c.in = append(c.in[:0], rest...)
}

// frames handles the whole frames in data and returns the rest.
func (c *Conn) frames(data []byte) []byte {
	for {
		if len(data) < 2 {
			return data
		}
		n, header := int(data[1]), 2
		switch n {
		case 126:
			if len(data) < 4 {
				return data
			}
			n, header = int(binary.BigEndian.Uint16(data[2:])), 4
		case 127:
			if len(data) < 10 {
				return data
			}
			n, header = int(binary.BigEndian.Uint64(data[2:])), 10
		}
		if len(data) < header+n {
			return data
		}
		switch payload := data[header : header+n]; data[0] & 0x0F {
		case 1, 2:
			if c.OnMessage != nil {
				c.OnMessage(payload)
			}
		case 9:
			c.Send(Frame(0x8A, payload))
		}
		data = data[header+n:]
	}
}

// mask is that of all frames.
var mask = [4]byte{0x5A, 0xC3, 0x3C, 0xA5}

// Text makes a text frame of a client.
func Text(payload string) []byte { return Frame(0x81, []byte(payload)) }

// Frame makes a masked frame.
func Frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, x := range payload {
		b = append(b, x^mask[i%4])
	}
	return b
}
