// Package limit finds out which address a client has, also behind proxies, and
// bounds what one address may do: how many connections it has, how fast it makes
// them, and how fast it joins rooms. IPv6 addresses count by their /64, which is
// what one customer usually has.
package limit

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Options are the limits of one address.
type Options struct {
	MaxConnections int            // at one time; 0: no limit
	Rate           int            // new connections a second, and likewise joins; 0: no limit
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-For or Forwarded is believed
}

// burstSeconds is how many seconds of its rate an address may use at once: a page
// that is opened again, an office that comes to work.
const burstSeconds = 10

// sweepSize is from how many addresses on those that have been quiet are forgotten.
const sweepSize = 1024

// Addresses keeps the count.
type Addresses struct {
	options Options

	mu      sync.Mutex // guards what follows
	entries map[netip.Addr]*entry
	sweepAt int // number of entries at which to look for quiet ones
}

// entry is one address.
type entry struct {
	connections     int
	connects, joins bucket
}

// bucket is a token bucket.
type bucket struct {
	used float64 // tokens that are gone
	at   time.Time
}

func (b *bucket) take(rate int, now time.Time) bool {
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*float64(rate))
	b.at = now
	if b.used+1 > float64(rate)*burstSeconds {
		return false
	}
	b.used++
	return true
}

// quiet reports that the bucket is full again.
func (b *bucket) quiet(rate int, now time.Time) bool {
	return now.Sub(b.at).Seconds()*float64(rate) >= b.used
}

// New makes the count.
func New(o Options) *Addresses {
	return &Addresses{options: o, entries: make(map[netip.Addr]*entry), sweepAt: sweepSize}
}

// key is what an address counts as.
func key(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Connect counts a new connection of the address, at time now. It reports false if
// there may not be one more; else Disconnect must be called in the end.
func (l *Addresses) Connect(a netip.Addr, now time.Time) bool {
	if l.options.MaxConnections == 0 && l.options.Rate == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(a, now)
	if l.options.MaxConnections > 0 && e.connections >= l.options.MaxConnections {
		return false
	}
	if l.options.Rate > 0 && !e.connects.take(l.options.Rate, now) {
		return false
	}
	e.connections++
	return true
}

// Disconnect takes a connection off the count.
func (l *Addresses) Disconnect(a netip.Addr) {
	if l.options.MaxConnections == 0 && l.options.Rate == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[key(a)]; e != nil {
		e.connections--
	}
}

// Join counts a join by the address, at time now, and reports false if there may
// not be one more yet.
func (l *Addresses) Join(a netip.Addr, now time.Time) bool {
	if l.options.Rate == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entry(a, now).joins.take(l.options.Rate, now)
}

// entry returns the address's entry. The caller holds mu.
func (l *Addresses) entry(a netip.Addr, now time.Time) *entry {
	k := key(a)
	e := l.entries[k]
	if e == nil {
		if len(l.entries) >= l.sweepAt {
			l.sweep(now)
		}
		e = new(entry)
		l.entries[k] = e
	}
	return e
}

// sweep forgets the addresses that have no connection and all of their tokens.
func (l *Addresses) sweep(now time.Time) {
	for k, e := range l.entries {
		if e.connections == 0 && e.connects.quiet(l.options.Rate, now) && e.joins.quiet(l.options.Rate, now) {
			delete(l.entries, k)
		}
	}
	l.sweepAt = max(sweepSize, 2*len(l.entries))
}

// Of returns the address of the client behind a request: that of the peer, unless
// the peer is a trusted proxy. Then it is the last one in X-Forwarded-For, or in
// Forwarded (RFC 7239), that is no trusted proxy itself. A request with both of
// these headers may have one from the client that the proxy has not touched; then,
// and if what is there is no address, the peer's own counts.
func (l *Addresses) Of(r *http.Request) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer := port.Addr().Unmap()
	if !l.trusts(peer) {
		return peer
	}
	x, forwarded := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	if len(x) > 0 && len(forwarded) > 0 {
		return peer
	}
	list := strings.Split(strings.Join(x, ","), ",")
	if len(forwarded) > 0 {
		list = forwardedFor(forwarded)
	}
	found := peer
	for i := len(list) - 1; i >= 0; i-- {
		a, ok := parse(list[i])
		if !ok {
			return found
		}
		found = a
		if !l.trusts(a) {
			return a
		}
	}
	return found
}

func (l *Addresses) trusts(a netip.Addr) bool {
	for _, p := range l.options.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedFor returns the "for" of every element of Forwarded headers, "" where
// one has none.
func forwardedFor(headers []string) []string {
	var list []string
	for element := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		address := ""
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(name, "for") {
				address = strings.Trim(value, `"`)
			}
		}
		list = append(list, address)
	}
	return list
}

// parse reads an address with or without a port, an IPv6 one with or without
// brackets.
func parse(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap(), err == nil
}

// ParsePrefix reads a trusted proxy: an address, or a prefix as in 10.0.0.0/8.
func ParsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}
