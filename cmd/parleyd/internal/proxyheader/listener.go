// Package proxyheader makes listeners that read the PROXY protocol header (versions 1
// and 2) of trusted proxies, which has the client's address. Everybody else's bytes
// are left as they are.
package proxyheader

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// EventRefused is logged, once a second at most, for a trusted proxy's connection
// that was closed because it has no header, or an invalid one: remote, error.
const EventRefused = "proxy header refused"

// timeout is how long a proxy may take to send its header. Proxies send it at once.
const timeout = 5 * time.Second

// Listener accepts connections. A trusted proxy's connection is handed out once its
// header was read, and closed if there is none within 5 s. Its methods may be called
// from any goroutine.
type Listener struct {
	// Refused counts the connections that were closed for their header.
	Refused atomic.Uint64

	// Set by New, then read only.
	net.Listener
	trusts func(netip.Addr) bool
	log    *zap.Logger
	ready  chan accepted
	done   chan struct{} // closed by Close
	often  rate.Sometimes

	sources sync.Map // net.Conn → netip.AddrPort, until Source is called

	// Guarded by mu.
	mu      sync.Mutex
	reading map[net.Conn]struct{} // connections whose header is awaited; nil: closed
	working sync.WaitGroup
}

// accepted is what Accept returns.
type accepted struct {
	conn net.Conn
	err  error
}

// New reads headers of what l accepts from peers whose address is trusted; that of a
// peer on a Unix socket is invalid. Close closes l, too. A nil logger logs nothing.
func New(l net.Listener, trusts func(netip.Addr) bool, log *zap.Logger) *Listener {
	if log == nil {
		log = zap.NewNop()
	}
	p := &Listener{
		Listener: l, trusts: trusts, log: log, ready: make(chan accepted), done: make(chan struct{}),
		often: rate.Sometimes{Interval: time.Second}, reading: make(map[net.Conn]struct{}),
	}
	p.working.Go(p.run)
	return p
}

// Accept returns the next connection as the inner listener made it. Its client's
// address is asked for with Source.
func (p *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-p.ready:
		return a.conn, a.err
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Source returns, once, the client's address that the header of an accepted
// connection had; ok is false if it had none.
func (p *Listener) Source(c net.Conn) (source netip.AddrPort, ok bool) {
	v, ok := p.sources.LoadAndDelete(c)
	if ok {
		source = v.(netip.AddrPort)
	}
	return source, ok
}

// Close closes the listener, and the connections that were not handed out.
func (p *Listener) Close() error {
	p.mu.Lock()
	if p.reading == nil {
		p.mu.Unlock()
		return net.ErrClosed
	}
	close(p.done)
	for c := range p.reading {
		_ = c.Close()
	}
	p.reading = nil
	p.mu.Unlock()
	err := p.Listener.Close()
	p.working.Wait()
	return err
}

// run accepts until the inner listener is closed.
func (p *Listener) run() {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			p.hand(nil, err)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !p.trusts(peerOf(c)) {
			p.hand(c, nil)
		} else if p.begin(c) {
			p.working.Go(func() { p.readHeader(c) })
		}
	}
}

// peerOf returns the address of a connection's peer; invalid: it is on a Unix socket.
func peerOf(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// begin notes a connection whose header is read, or closes it if p is closed.
func (p *Listener) begin(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reading == nil {
		_ = c.Close()
		return false
	}
	p.reading[c] = struct{}{}
	return true
}

func (p *Listener) readHeader(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	source, err := read(c)
	_ = c.SetReadDeadline(time.Time{})
	p.mu.Lock()
	delete(p.reading, c)
	closed := p.reading == nil
	p.mu.Unlock()
	if err != nil {
		if !closed {
			p.Refused.Add(1)
		}
		_ = c.Close()
		if !closed {
			p.often.Do(func() {
				p.log.Warn(EventRefused, zap.String("remote", host(c.RemoteAddr())), zap.Error(err))
			})
		}
		return
	}
	if source.IsValid() {
		p.sources.Store(c, source)
	}
	p.hand(c, nil)
}

// hand has Accept return a connection or an error.
func (p *Listener) hand(c net.Conn, err error) {
	select {
	case p.ready <- accepted{c, err}:
	case <-p.done:
		if c != nil {
			p.sources.Delete(c)
			_ = c.Close()
		}
	}
}

// Named returns a listener whose connections have the client's address as their
// RemoteAddr.
func (p *Listener) Named() net.Listener { return named{p} }

type named struct{ *Listener }

// Accept implements net.Listener.
func (n named) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if source, ok := n.Source(c); ok {
		return namedConn{c, net.TCPAddrFromAddrPort(source)}, nil
	}
	return c, nil
}

type namedConn struct {
	net.Conn
	remote net.Addr
}

func (c namedConn) RemoteAddr() net.Addr { return c.remote }

// host returns an address without its port.
func host(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().String()
	}
	return a.String()
}
