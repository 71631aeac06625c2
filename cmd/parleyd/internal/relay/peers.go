package relay

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// peers decides which addresses may be relayed to.
type peers struct {
	public []netip.Addr
	allow  []netip.Prefix

	mu   sync.Mutex   // guards what follows
	own  []netip.Addr // addresses of this machine
	seen time.Time    // when it was asked for them
}

// ownInterval is how long the machine's list of addresses is good for.
const ownInterval = time.Minute

func newPeers(public []netip.Addr, allow []netip.Prefix) *peers {
	return &peers{public: public, allow: allow}
}

// special are the IPv4 ranges and the ranges of global unicast IPv6 (2000::/3) that
// the IANA registries of special-purpose addresses list, those that are reachable
// included: no member has an address there. 168.63.129.16 is the resolver and agent
// of each machine on Azure.
var special = func() (list []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
		"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}()

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// globalUnicast is all of IPv6 that is assigned to networks of the internet.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// may reports whether an address may be relayed to.
func (p *peers) may(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if contains(p.allow, a) {
		return true
	}
	return Public(a) && !slices.Contains(p.public, a) && !p.isOwn(a)
}

// Public reports whether an address is one of the internet, and not of a special-purpose
// range.
func Public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && (a.Is4() || globalUnicast.Contains(a)) && !contains(special, a)
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
// addresses are, since its other relays have them; which of its ports are relays is
// looked at with every packet.
func (s *Server) permit(client net.Addr, peer net.IP) bool {
	a, ok := netip.AddrFromSlice(peer)
	if ok && (s.peers.may(a) || slices.Contains(s.options.PublicIPs, a.Unmap())) {
		return true
	}
	s.Stats.PeersRefused.Add(1)
	s.often.Do(func() {
		s.log.Info(EventPeerRefused, zap.Stringer("remote", addrOf(client)), zap.Stringer("peer", a.Unmap()), zap.String("setting", "turn-allow-peer"))
	})
	return false
}
