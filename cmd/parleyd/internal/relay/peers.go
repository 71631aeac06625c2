package relay

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// peers knows whom may be relayed to.
type peers struct {
	public netip.Addr
	allow  []netip.Prefix

	mu   sync.Mutex   // guards what follows
	own  []netip.Addr // addresses of this machine
	seen time.Time    // when it was asked for them
}

// ownInterval is how long the machine's list of addresses is good for.
const ownInterval = time.Minute

func newPeers(public netip.Addr, allow []netip.Prefix) *peers {
	return &peers{public: public, allow: allow}
}

// special are ranges that are not the internet, besides those that netip knows:
// shared by carriers (RFC 6598), for protocols, benchmarks and documentation (RFC
// 6890), reserved, and IPv6 that stands for IPv4 or sites (RFC 6052, 3056, 4380).
var special = func() (list []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32",
		"2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}()

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// may reports whether an address may be relayed to.
func (p *peers) may(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if contains(p.allow, a) {
		return true
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !contains(special, a) && a != p.public && !p.isOwn(a)
}

func (p *peers) isOwn(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.seen) > ownInterval {
		p.seen, p.own = now, ownAddresses()
	}
	return slices.Contains(p.own, a)
}

func ownAddresses() (own []netip.Addr) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr().Unmap().WithZone(""))
		}
	}
	return own
}

// permit is asked before a peer's address is let through. The server's own public
// address is, since its other relays have it; which of its ports are relays is
// looked at with every packet.
func (s *Server) permit(_ net.Addr, peer net.IP) bool {
	a, ok := netip.AddrFromSlice(peer)
	if ok && (s.peers.may(a) || a.Unmap() == s.options.PublicIP) {
		return true
	}
	s.Stats.PeersRefused.Add(1)
	return false
}
