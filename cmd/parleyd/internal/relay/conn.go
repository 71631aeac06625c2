package relay

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v5"
	"go.uber.org/zap"
)

// Stats are counters that may be read at any time.
type Stats struct {
	Allocations  atomic.Int64  // now
	Allocated    atomic.Uint64 // ever
	Unauthorized atomic.Uint64 // requests with credentials that are forged or have expired
	OverQuota    atomic.Uint64 // allocations refused because the id or the address has enough
	Streams      atomic.Int64  // TCP and TLS connections, now
	StreamsCut   atomic.Uint64 // TCP and TLS connections over the limit of an address
	PeersRefused atomic.Uint64 // peers that may not be relayed to
	Dropped      atomic.Uint64 // packets over the rate, or to or from where nothing is relayed
	BytesToPeers atomic.Uint64
	BytesFrom    atomic.Uint64 // from peers
}

// The events that this package logs.
const (
	EventAllocated = "relay opened"     // id, port
	EventReleased  = "relay closed"     // id, port, duration, bytes_in (from peers), bytes_out
	EventQuota     = "relay over quota" // id
	// EventPeerRefused is logged once a second at most: remote (the client), peer,
	// setting (that would allow it).
	EventPeerRefused = "relay peer refused"
)

const (
	portTries  = 32                   // before there is no port to be found
	refusedTCP = "relays are for UDP" // RFC 6062 is not served
)

// relays makes the sockets behind relayed addresses. It is a
// [turn.RelayAddressGenerator].
type relays struct {
	server *Server

	mu   sync.RWMutex
	live map[netip.AddrPort]*conn // by relayed address; guarded by mu
}

func newRelays(s *Server) *relays { return &relays{server: s, live: make(map[netip.AddrPort]*conn)} }

// Validate implements [turn.RelayAddressGenerator].
func (*relays) Validate() error { return nil }

// AllocateListener implements [turn.RelayAddressGenerator].
func (*relays) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errors.New(refusedTCP)
}

// AllocateConn implements [turn.RelayAddressGenerator].
func (*relays) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errors.New(refusedTCP)
}

// AllocatePacketConn implements [turn.RelayAddressGenerator].
func (r *relays) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	public := r.server.options.public(c.Network == "udp6")
	if !public.IsValid() {
		return nil, nil, errors.New("there are no relayed addresses of this family")
	}
	user := r.server.users.allocated(c.UserID)
	if user == nil {
		return nil, nil, errors.New("the id has as many allocations as it may have")
	}
	socket, port, err := r.open(c.Network, public, c.RequestedPort)
	if err != nil {
		r.server.users.released(c.UserID)
		return nil, nil, err
	}
	at := netip.AddrPortFrom(public, port)
	relayed := &conn{PacketConn: socket, relays: r, id: c.UserID, user: user, at: at, opened: time.Now()}
	r.mu.Lock()
	r.live[at] = relayed
	r.mu.Unlock()
	r.server.Stats.Allocations.Add(1)
	r.server.Stats.Allocated.Add(1)
	r.server.log.Info(EventAllocated, zap.String("id", c.UserID), zap.Uint16("port", port))
	return relayed, net.UDPAddrFromAddrPort(at), nil
}

// open binds a port of the range, at the public address if it is this machine's.
func (r *relays) open(network string, public netip.Addr, requested int) (net.PacketConn, uint16, error) {
	o := r.server.options
	host := ""
	if public.IsLoopback() || r.server.peers.isOwn(public) {
		host = public.String()
	}
	var failed error
	for range portTries {
		port := int(o.PortMin) + rand.N(int(o.PortMax)-int(o.PortMin)+1)
		if requested != 0 {
			port = requested
		}
		socket, err := net.ListenPacket(network, net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return socket, uint16(port), nil
		}
		failed = err
	}
	return nil, 0, failed
}

func (r *relays) at(a netip.AddrPort) *conn {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.live[a]
}

// conn is the socket behind one relayed address. It counts and bounds what passes,
// and drops each packet to or from a peer that may not be relayed to.
type conn struct {
	net.PacketConn

	// Set before start, then read only.
	relays *relays
	id     string
	user   *user
	at     netip.AddrPort // the relayed address
	opened time.Time

	in, out atomic.Uint64 // bytes from and to peers
	closed  atomic.Bool
}

// WriteTo sends to a peer. Packets that may not pass are dropped, as a network does.
func (c *conn) WriteTo(b []byte, to net.Addr) (int, error) {
	s := c.relays.server
	peer := addrPort(to)
	at, ok := c.route(peer)
	if !ok || !s.users.take(c.user, len(b)) {
		s.Stats.Dropped.Add(1)
		return len(b), nil
	}
	s.Stats.BytesToPeers.Add(uint64(len(b)))
	c.out.Add(uint64(len(b)))
	return c.PacketConn.WriteTo(b, net.UDPAddrFromAddrPort(at))
}

// route returns where to send what is for a peer: another relay of this server is
// reached without the detour by the public address, which not every network
// allows.
func (c *conn) route(peer netip.AddrPort) (netip.AddrPort, bool) {
	s := c.relays.server
	if other := c.relays.at(peer); other != nil {
		local := addrPort(other.LocalAddr())
		if local.Addr().IsUnspecified() {
			local = netip.AddrPortFrom(loopback(peer.Addr()), peer.Port())
		}
		return local, true
	}
	return peer, s.peers.may(peer.Addr())
}

func loopback(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// ReadFrom returns the next packet from a peer that may be relayed from.
func (c *conn) ReadFrom(b []byte) (int, net.Addr, error) {
	s := c.relays.server
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		peer, ok := c.sender(addrPort(from))
		if !ok || !s.users.take(c.user, n) {
			s.Stats.Dropped.Add(1)
			continue
		}
		s.Stats.BytesFrom.Add(uint64(n))
		c.in.Add(uint64(n))
		return n, net.UDPAddrFromAddrPort(peer), nil
	}
}

// sender returns who a packet is from: another relay of this server has its public
// address, whichever way the packet came.
func (c *conn) sender(from netip.AddrPort) (netip.AddrPort, bool) {
	s := c.relays.server
	a := from.Addr()
	relayed := netip.AddrPortFrom(s.options.public(a.Is6()), from.Port())
	if c.relays.at(relayed) != nil && (from == relayed || a.IsLoopback() || s.peers.isOwn(a)) {
		return relayed, true
	}
	return from, s.peers.may(a)
}

// Close ends the relayed address.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	r := c.relays
	r.mu.Lock()
	delete(r.live, c.at)
	r.mu.Unlock()
	r.server.users.released(c.id)
	r.server.Stats.Allocations.Add(-1)
	r.server.log.Info(EventReleased, zap.String("id", c.id), zap.Uint16("port", c.at.Port()),
		zap.Duration("duration", time.Since(c.opened)), zap.Uint64("bytes_in", c.in.Load()), zap.Uint64("bytes_out", c.out.Load()))
	return c.PacketConn.Close()
}

// addrOf returns the address of a client.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func addrPort(a net.Addr) netip.AddrPort {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := udp.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
