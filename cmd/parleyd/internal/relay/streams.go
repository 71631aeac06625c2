package relay

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-rtc/parley/wsconn/limit"
)

const (
	// unauthenticatedTime is how long a TCP or TLS connection may take until its first
	// request with valid credentials, the TLS handshake included.
	unauthenticatedTime = 10 * time.Second
	// maxUnauthenticated bounds the connections of one address that have not got there
	// yet: thirty members behind one address that open two each at the same instant.
	maxUnauthenticated = 64
	// silence is how long an authenticated connection may send nothing: longer than an
	// allocation lives without being refreshed.
	silence = 11 * time.Minute
)

// streams are the TCP and TLS connections of clients. Its methods may be called from
// any goroutine.
type streams struct {
	stats *Stats
	most  int // connections of an address, authenticated or not; 0: no limit

	mu      sync.Mutex         // guards what follows
	have    map[netip.Addr]int // connections of an address
	open    map[netip.AddrPort]*stream
	waiting map[netip.Addr]int // connections of an address that are not authenticated
}

// newStreams bounds the connections of one address by the allocations that it may have,
// and those that do not have theirs yet; 0: no limit.
func newStreams(stats *Stats, allocations int) *streams {
	s := &streams{
		stats: stats, have: make(map[netip.Addr]int),
		open: make(map[netip.AddrPort]*stream), waiting: make(map[netip.Addr]int),
	}
	if allocations > 0 {
		s.most = allocations + maxUnauthenticated
	}
	return s
}

// stream is one connection. It ends when it is silent for too long.
type stream struct {
	net.Conn
	streams *streams
	local   net.Addr // nil: the connection's own
	client  netip.AddrPort
	until   time.Time // for authentication

	// Guarded by the mu of streams.
	authenticated, closed bool
}

// listen returns a listener whose connections are counted and bounded, and have local
// as their own address, unless that is nil.
func (s *streams) listen(l net.Listener, local net.Addr) net.Listener {
	return streamListener{l, s, local}
}

type streamListener struct {
	net.Listener
	streams *streams
	local   net.Addr
}

// Accept implements net.Listener. It closes connections of addresses that have too
// many.
func (l streamListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if st := l.streams.add(c); st != nil {
			st.local = l.local
			return st, nil
		}
		_ = c.Close()
	}
}

// add counts a connection, or returns nil if its address has too many.
func (s *streams) add(c net.Conn) *stream {
	client := clientOf(c.RemoteAddr())
	k := limit.Network(client.Addr(), customerBits)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[k] >= maxUnauthenticated || s.most > 0 && s.have[k] >= s.most {
		s.stats.StreamsCut.Add(1)
		return nil
	}
	s.have[k]++
	s.waiting[k]++
	st := &stream{Conn: c, streams: s, client: client, until: time.Now().Add(unauthenticatedTime)}
	s.open[client] = st
	s.stats.Streams.Add(1)
	return st
}

func clientOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return tcp.AddrPort()
}

// authenticated notes that a client has sent valid credentials.
func (s *streams) authenticated(client net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.open[clientOf(client)]
	if st == nil || st.authenticated {
		return
	}
	st.authenticated = true
	s.stopWaiting(st)
	_ = st.SetReadDeadline(time.Now().Add(silence))
}

// stopWaiting takes a connection off those that are not authenticated. The caller holds mu.
func (s *streams) stopWaiting(st *stream) {
	k := limit.Network(st.client.Addr(), customerBits)
	if s.waiting[k]--; s.waiting[k] == 0 {
		delete(s.waiting, k)
	}
}

// deadline is when the next read ends.
func (st *stream) deadline(now time.Time) time.Time {
	st.streams.mu.Lock()
	defer st.streams.mu.Unlock()
	if !st.authenticated {
		return st.until
	}
	return now.Add(silence)
}

// LocalAddr implements net.Conn.
func (st *stream) LocalAddr() net.Addr {
	if st.local != nil {
		return st.local
	}
	return st.Conn.LocalAddr()
}

// Read implements net.Conn.
func (st *stream) Read(b []byte) (int, error) {
	_ = st.SetReadDeadline(st.deadline(time.Now()))
	return st.Conn.Read(b)
}

// Close implements net.Conn.
func (st *stream) Close() error {
	s := st.streams
	s.mu.Lock()
	if !st.closed {
		st.closed = true
		if !st.authenticated {
			s.stopWaiting(st)
		}
		if s.open[st.client] == st {
			delete(s.open, st.client)
		}
		k := limit.Network(st.client.Addr(), customerBits)
		if s.have[k]--; s.have[k] == 0 {
			delete(s.have, k)
		}
		s.stats.Streams.Add(-1)
	}
	s.mu.Unlock()
	return st.Conn.Close()
}
