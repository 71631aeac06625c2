// Package tlsport serves HTTPS and TURN over TLS on one port: networks that let only
// port 443 out reach both. A connection whose client has named its protocol (ALPN, RFC
// 7443) goes there; of any other one the first byte behind the handshake decides.
package tlsport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options say how connections are taken.
type Options struct {
	// Timeout is how long the handshake may take, and then the first byte if it decides.
	Timeout time.Duration

	// Source returns the client's address where a proxy has told it, of a connection as
	// the inner listener returned it; nil: RemoteAddr has it.
	Source func(net.Conn) (netip.AddrPort, bool)

	// ErrorLog gets what net/http would log of handshakes.
	ErrorLog *log.Logger
}

// The protocols that clients may name.
const (
	protoHTTP = "http/1.1"
	protoTURN = "stun.turn"
	protoSTUN = "stun.nat-discovery"
)

// Listener accepts the connections that speak HTTP: as a *tls.Conn, or as something
// that embeds one. Those that speak STUN are accepted from [Listener.STUN].
type Listener struct {
	inner   net.Listener
	config  *tls.Config
	options Options
	http    chan accepted
	stun    *stunListener
	done    chan struct{}
	working sync.WaitGroup

	mu      sync.Mutex
	closed  bool                  // guarded by mu
	waiting map[net.Conn]struct{} // connections that are not handed out; guarded by mu
}

type accepted struct {
	conn net.Conn
	err  error
}

// New accepts from a listener until it is closed.
func New(inner net.Listener, config *tls.Config, o Options) *Listener {
	config = config.Clone()
	// The first that the client has too is chosen, and coturn's client has HTTP as well.
	config.NextProtos = append([]string{protoTURN, protoSTUN, protoHTTP}, others(config.NextProtos)...)
	l := &Listener{
		inner: inner, config: config, options: o,
		http: make(chan accepted), done: make(chan struct{}), waiting: make(map[net.Conn]struct{}),
	}
	l.stun = &stunListener{listener: l, ready: make(chan net.Conn), done: make(chan struct{})}
	l.working.Go(l.run)
	return l
}

// others returns the protocols that are not served here, such as that of ACME: their
// clients want the handshake alone.
func others(protocols []string) (list []string) {
	for _, p := range protocols {
		if p != protoHTTP {
			list = append(list, p)
		}
	}
	return list
}

// STUN returns the listener of the connections that speak STUN. Closing it closes
// those that come later, and leaves the port open.
func (l *Listener) STUN() net.Listener { return l.stun }

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.http:
		return a.conn, a.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes the connections that are not handed out.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.closed = true
	close(l.done)
	for c := range l.waiting {
		_ = c.Close()
	}
	l.mu.Unlock()
	err := l.inner.Close()
	l.working.Wait()
	return err
}

// run accepts until the inner listener is closed.
func (l *Listener) run() {
	for {
		c, err := l.inner.Accept()
		if err != nil {
			select {
			case l.http <- accepted{nil, err}:
			case <-l.done:
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			_ = c.Close()
			return
		}
		l.waiting[c] = struct{}{}
		l.mu.Unlock()
		l.working.Go(func() { l.take(c) })
	}
}

// take does the handshake, and hands the connection to whom it is for.
func (l *Listener) take(c net.Conn) {
	secure := tls.Server(c, l.config)
	kept, err := l.sort(secure)
	l.mu.Lock()
	delete(l.waiting, c)
	l.mu.Unlock()
	if err != nil || !kept {
		_ = secure.Close()
	}
}

// sort hands a connection out. kept is false if nobody took it.
func (l *Listener) sort(c *tls.Conn) (kept bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.options.Timeout)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		l.refused(c, err)
		return false, err
	}
	switch c.ConnectionState().NegotiatedProtocol {
	case protoHTTP:
		return l.handHTTP(c), nil
	case protoTURN, protoSTUN:
		return l.handSTUN(c), nil
	case "":
	default:
		return false, nil
	}
	first := make([]byte, 1)
	_ = c.SetReadDeadline(time.Now().Add(l.options.Timeout))
	if _, err := io.ReadFull(c, first); err != nil {
		return false, err
	}
	_ = c.SetReadDeadline(time.Time{})
	read := &peeked{Conn: c, first: first}
	if first[0] <= lastOfSTUN {
		return l.handSTUN(read), nil
	}
	return l.handHTTP(read), nil
}

// lastOfSTUN is the largest first byte of a STUN message (RFC 7983): below all that
// begin a request of HTTP.
const lastOfSTUN = 3

// refused tells of a handshake that has failed, as net/http does.
func (l *Listener) refused(c *tls.Conn, err error) {
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && record.RecordHeader[0] >= 'A' && record.RecordHeader[0] <= 'Z' {
		_ = record.Conn.SetWriteDeadline(time.Now().Add(l.options.Timeout))
		_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
	if l.options.ErrorLog != nil {
		l.options.ErrorLog.Printf("http: TLS handshake error from %s: %v", c.RemoteAddr(), err)
	}
}

func (l *Listener) handHTTP(c net.Conn) bool {
	select {
	case l.http <- accepted{c, nil}:
		return true
	case <-l.done:
		return false
	}
}

func (l *Listener) handSTUN(c net.Conn) bool {
	if l.options.Source != nil {
		if source, ok := l.options.Source(c.(interface{ NetConn() net.Conn }).NetConn()); ok {
			c = named{c, net.TCPAddrFromAddrPort(source)}
		}
	}
	late := time.NewTimer(l.options.Timeout)
	defer late.Stop()
	select {
	case l.stun.ready <- c:
		return true
	case <-late.C: // the server has as many as it wants
	case <-l.stun.done:
	case <-l.done:
	}
	return false
}

// peeked is a connection of which the first byte has been read.
type peeked struct {
	*tls.Conn

	// first is what is to be read yet. Owned by the goroutine that reads.
	first []byte
}

// Read implements net.Conn.
func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) == 0 || len(b) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}

// named is a connection whose client's address a proxy has told.
type named struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (n named) RemoteAddr() net.Addr { return n.remote }

// stunListener is what Listener.STUN returns.
type stunListener struct {
	listener *Listener
	ready    chan net.Conn
	done     chan struct{}
	once     sync.Once
}

// Accept implements net.Listener.
func (s *stunListener) Accept() (net.Conn, error) {
	select {
	case c := <-s.ready:
		return c, nil
	case <-s.done:
	case <-s.listener.done:
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (s *stunListener) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr implements net.Listener.
func (s *stunListener) Addr() net.Addr { return s.listener.Addr() }
