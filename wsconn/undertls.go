package wsconn

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// UnderTLS returns a listener to serve TLS on, with [http.Server.ServeTLS] or
// [tls.NewListener], in place of l. Over it an idle connection of a [Handler] takes a
// third less memory, and is written by the few goroutines that write for plain sockets.
// It wraps plain sockets (*net.TCPConn and *net.UnixConn) and hands out all others as they
// are. Anything but TLS over it works as over l.
func UnderTLS(l net.Listener) net.Listener { return underTLS{l} }

type underTLS struct{ net.Listener }

// Accept implements net.Listener.
func (l underTLS) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if raw := rawConn(conn); raw != nil {
		return &socket{Conn: conn, raw: raw}, nil
	}
	return conn, nil
}

// socket lies between TLS and a plain socket. Until a connection takes it, it behaves as
// the plain socket. Then TLS reads what the read loop has fed to it, and its writes do not
// wait: what the plain socket does not take is kept until flush.
type socket struct {
	net.Conn // the plain socket

	raw   syscall.RawConn
	taken bool // set before the connection's goroutines start

	fed []byte // read from the plain socket and not by TLS; owned by the read loop

	mu   sync.Mutex // guards rest
	rest []byte     // written by TLS and not to the plain socket
}

// socketUnder returns the socket of UnderTLS that conn is TLS over; nil: there is none.
func socketUnder(conn net.Conn) *socket {
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	s, _ := secure.NetConn().(*socket)
	return s
}

// restBytes bounds what is kept. Writers give TLS no more than one record while something
// is; but a client that reads nothing can make TLS answer without end, by changes of keys.
const restBytes = 4 * sliceBytes

// errRest ends a connection whose client has TLS answer and does not read the answers.
var errRest = errors.New("the client does not read what TLS answers")

// NetConn returns the plain socket.
func (s *socket) NetConn() net.Conn { return s.Conn }

// errNothingFed tells TLS that there is nothing to read for now. TLS takes a time-out for a
// pause, and other errors for the end.
var errNothingFed error = os.ErrDeadlineExceeded

// CloseWrite ends our side of the plain socket. TLS does not call it: it is for those who
// use the socket without TLS, such as [http.Server].
func (s *socket) CloseWrite() error { return s.Conn.(closeWriter).CloseWrite() }

// closeWriter is what can end one side: both kinds of plain sockets.
type closeWriter interface{ CloseWrite() error }

// Read implements net.Conn.
func (s *socket) Read(b []byte) (int, error) {
	if !s.taken {
		return s.Conn.Read(b)
	}
	if len(s.fed) == 0 {
		return 0, errNothingFed
	}
	n := copy(b, s.fed)
	s.fed = s.fed[n:]
	return n, nil
}

// Write implements net.Conn. TLS calls it from one goroutine at a time.
func (s *socket) Write(b []byte) (int, error) {
	if !s.taken {
		return s.Conn.Write(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if len(s.rest) == 0 {
		g := gathers.Get().(*gather)
		defer gathers.Put(g)
		if err := g.write(s.raw, b); err != nil {
			return 0, err
		}
		n = g.n
	}
	if len(s.rest)+len(b)-n > restBytes {
		return n, errRest
	}
	s.rest = append(s.rest, b[n:]...)
	return len(b), nil
}

// waits reports whether something is kept that the plain socket has not taken.
func (s *socket) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rest) > 0
}

// flush writes what is kept, and waits for the plain socket. One goroutine at a time calls
// it, which may be another than the one that writes.
func (s *socket) flush() error {
	for {
		s.mu.Lock()
		rest := s.rest // TLS may append to it meanwhile, and changes nothing in it
		if len(rest) == 0 {
			s.rest = nil
		}
		s.mu.Unlock()
		if len(rest) == 0 {
			return nil
		}
		n, err := s.Conn.Write(rest)
		s.mu.Lock()
		s.rest = s.rest[n:]
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// readSecure is read for TLS over a socket of UnderTLS. The read loop reads what is
// encrypted as it reads plain sockets, so it waits without a buffer and on a small stack.
func (r *reader) readSecure(n int) error {
	for {
		if r.sealed != nil || r.early {
			r.hold(n)
			r.n, r.err = 0, nil
			r.deep.run(r)
			if r.n > 0 || r.err != nil {
				return r.took(r.n, r.err)
			}
		}
		r.release()
		if err := r.below.raw.Read(r.onRaw); err != nil {
			return err
		}
		if r.n <= 0 {
			r.unseal()
			return r.took(0, r.err)
		}
		r.below.fed = r.sealed.buf[:r.n]
	}
}

// tryReadSealed is tryRead for what is encrypted.
func (r *reader) tryReadSealed(fd uintptr) bool {
	r.sealed = scratches.Get().(*scratch)
	for {
		r.n, r.err = tryRead(fd, r.sealed.buf)
		switch r.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.unseal()
			return false
		}
		return true
	}
}

// releaseTLS gives up what TLS keeps of long records. The read loop calls it now and then:
// when the handshake is over, and for each pong.
func (r *reader) releaseTLS() {
	if r.below != nil {
		releaseTLS(r.conn.(*tls.Conn))
	}
}

// unseal gives the buffer of what is encrypted back.
func (r *reader) unseal() {
	if r.sealed != nil {
		scratches.Put(r.sealed)
		r.sealed = nil
	}
}

// runDeep decrypts what is there, as far as the buffer takes it. It runs while the read
// loop waits for it.
func (r *reader) runDeep() {
	for free := r.s.buf[r.end:]; r.n < len(free); {
		n, err := r.conn.Read(free[r.n:])
		r.n += n
		if errors.Is(err, errNothingFed) {
			if r.early {
				r.early = false
				r.releaseTLS()
			}
			r.unseal()
			return
		}
		if err != nil {
			r.err = err
			return
		}
	}
}

// writeSecure is writeOnce for TLS over a socket of UnderTLS.
func (c *conn) writeSecure(g *gather, out []byte) {
	g.conn, g.out, g.n, g.behind, g.err = c, out, 0, 0, nil
	c.h.deep.run(g)
	g.conn, g.out = nil, nil
	switch {
	case g.err != nil:
		c.writeFailed()
	case !c.wrote(g.n):
	case g.behind > 0:
		go c.writeBlocking(g.behind)
	default:
		c.h.writers.add(c)
	}
}

// runDeep encrypts and writes what the socket takes now, and one record more.
func (g *gather) runDeep() {
	for out := g.out; len(out) > 0; {
		n, err := g.conn.nc.Write(out[:min(len(out), sliceBytes)])
		if err != nil {
			g.err = err
			return
		}
		if g.conn.below.waits() {
			g.behind = n
			return
		}
		g.n += n
		out = out[n:]
	}
}
