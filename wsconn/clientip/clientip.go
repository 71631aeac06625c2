// Package clientip finds the address of the client behind a request. That is the
// peer's, unless the peer is a trusted proxy: then it is what the proxy says in
// X-Forwarded-For, Forwarded (RFC 7239) or X-Real-IP, or in a PROXY protocol header
// whose address a listener has put into the request's context.
package clientip

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the trusted proxies. The zero value trusts none.
type Proxies struct {
	Prefixes []netip.Prefix // their addresses
	Unix     bool           // every peer on a Unix socket is one
}

// ParseProxies reads a list of addresses, prefixes as in 10.0.0.0/8, and the word
// unix.
func ParseProxies(list []string) (p Proxies, err error) {
	for _, s := range list {
		if s == "unix" {
			p.Unix = true
			continue
		}
		prefix, err := ParsePrefix(s)
		if err != nil {
			return Proxies{}, err
		}
		p.Prefixes = append(p.Prefixes, prefix)
	}
	return p, nil
}

// ParsePrefix reads an address, or a prefix as in 10.0.0.0/8.
func ParsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, errors.New("an address with a zone")
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// Trusts reports whether a is the address of a trusted proxy. The invalid address
// is that of a peer on a Unix socket.
func (p *Proxies) Trusts(a netip.Addr) bool {
	if !a.IsValid() {
		return p.Unix
	}
	for _, prefix := range p.Prefixes {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Of returns the address of the client behind a request, without a zone. It is
// invalid if the peer has none, as on a Unix socket, and no proxy names one.
//
// Of the addresses that a header lists, the last one that is no trusted proxy
// counts: what stands before it is the client's own claim. Where the list ends in
// something that is no address, the nearest address behind that counts. A client can
// send headers that its proxy passes on, so a request with several of the three
// headers counts as the proxy's unless they agree, and so does one with a header
// that can't be parsed.
func (p *Proxies) Of(r *http.Request) netip.Addr {
	peer := peerOf(r)
	if !p.Trusts(peer) {
		return peer
	}
	found, said := peer, false
	for _, header := range []struct {
		name string
		list func([]string) ([]string, bool)
	}{
		{"X-Forwarded-For", commaSeparated},
		{"Forwarded", forwardedFor},
		{"X-Real-Ip", single},
	} {
		values := r.Header.Values(header.name)
		if len(values) == 0 {
			continue
		}
		list, ok := header.list(values)
		if !ok {
			return peer
		}
		a := p.last(list, peer)
		if said && a != found {
			return peer
		}
		found, said = a, true
	}
	return found
}

// last returns the last address in a list that is no trusted proxy.
func (p *Proxies) last(list []string, peer netip.Addr) netip.Addr {
	found := peer
	for i := len(list) - 1; i >= 0; i-- {
		a, ok := parse(list[i])
		if !ok {
			return found
		}
		found = a
		if !p.Trusts(a) {
			return a
		}
	}
	return found
}

// parse reads an address with or without a port, an IPv6 one with or without
// brackets.
func parse(s string) (netip.Addr, bool) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return clean(p.Addr()), true
	}
	if inner, bracketed := strings.CutPrefix(s, "["); bracketed {
		s = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(s)
	return clean(a), err == nil && !a.IsUnspecified()
}

func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func commaSeparated(values []string) (list []string, ok bool) {
	for _, v := range values {
		for s := range strings.SplitSeq(v, ",") {
			list = append(list, strings.TrimSpace(s))
		}
	}
	return list, true
}

// single takes a header that can't be there twice.
func single(values []string) ([]string, bool) {
	return []string{strings.TrimSpace(values[0])}, len(values) == 1
}

// peerKey is under which a context has the peer's address.
type peerKey struct{}

// WithPeer returns a context in which a is the peer's address, in place of the
// request's RemoteAddr: for listeners that learn it from a PROXY protocol header. An
// http.Server takes it with ConnContext.
func WithPeer(ctx context.Context, a netip.Addr) context.Context {
	return context.WithValue(ctx, peerKey{}, clean(a))
}

// peerOf returns the address of a request's peer; invalid on a Unix socket.
func peerOf(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(peerKey{}).(netip.Addr); ok {
		return a
	}
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return clean(port.Addr())
}
