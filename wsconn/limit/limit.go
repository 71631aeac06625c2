// Package limit bounds what one client address may do: how many connections it has,
// how fast it makes them and joins rooms, and how often it may be wrong about a
// secret. IPv6 addresses count by their /64, which is what one customer usually has.
package limit

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are the limits of one address. The zero value has none.
type Options struct {
	MaxConnections int // at one time; 0: no limit
	Rate           int // new connections a second, and likewise joins; 0: no limit
}

// burstSeconds is how many seconds of its rate an address may use at once: a page
// that is opened again, an office that comes to work.
const burstSeconds = 10

// sweepSize is the number of addresses from which on quiet ones are forgotten.
const sweepSize = 1024

// Addresses counts what addresses do. Its methods may be called from any goroutine.
type Addresses struct {
	mu      sync.Mutex // guards what follows
	options Options
	entries map[netip.Addr]*entry
	sweepAt int // number of entries at which to look for quiet ones
}

// entry is one address.
type entry struct {
	connections     int
	connects, joins *rate.Limiter
}

// New makes an Addresses with these limits.
func New(o Options) *Addresses {
	return &Addresses{options: o, entries: make(map[netip.Addr]*entry), sweepAt: sweepSize}
}

// Configure replaces the limits. Connections that came while there were none do not count.
func (l *Addresses) Configure(o Options) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.Rate != l.options.Rate {
		l.options.Rate = o.Rate
		for _, e := range l.entries {
			e.connects, e.joins = l.limiter(), l.limiter()
		}
	}
	l.options = o
}

// Network returns what an address counts as: an IPv4 address as itself, an IPv6
// address as its prefix of so many bits. An IPv4 address in IPv6 form is an IPv4
// address.
func Network(a netip.Addr, bits int) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(bits); err == nil {
			return p.Addr()
		}
	}
	return a
}

// customerBits is the length of the IPv6 prefix that one customer usually has.
const customerBits = 64

// Connect counts a new connection of the address, at time now. It reports false if
// the address is at a limit; otherwise Disconnect must be called in the end.
func (l *Addresses) Connect(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.options.MaxConnections <= 0 && l.options.Rate <= 0 {
		return true
	}
	e := l.entry(a, now)
	if l.options.MaxConnections > 0 && e.connections >= l.options.MaxConnections {
		return false
	}
	if !e.connects.AllowN(now, 1) {
		return false
	}
	e.connections++
	return true
}

// Disconnect ends the count of a connection that Connect has let in.
func (l *Addresses) Disconnect(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// There were perhaps no limits when it came.
	if e := l.entries[Network(a, customerBits)]; e != nil && e.connections > 0 {
		e.connections--
	}
}

// Join counts a join by the address, at time now, and reports false if the address
// is at the limit.
func (l *Addresses) Join(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.options.Rate <= 0 {
		return true
	}
	return l.entry(a, now).joins.AllowN(now, 1)
}

// entry returns the address's entry. The caller holds mu.
func (l *Addresses) entry(a netip.Addr, now time.Time) *entry {
	k := Network(a, customerBits)
	e := l.entries[k]
	if e == nil {
		if len(l.entries) >= l.sweepAt {
			l.sweep(now)
		}
		e = &entry{connects: l.limiter(), joins: l.limiter()}
		l.entries[k] = e
	}
	return e
}

func (l *Addresses) limiter() *rate.Limiter {
	if l.options.Rate <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(l.options.Rate), min(l.options.Rate, math.MaxInt/burstSeconds)*burstSeconds)
}

// sweep forgets the addresses that have no connection and all of their tokens.
func (l *Addresses) sweep(now time.Time) {
	for k, e := range l.entries {
		if e.connections == 0 && full(e.connects, now) && full(e.joins, now) {
			delete(l.entries, k)
		}
	}
	l.sweepAt = max(sweepSize, 2*len(l.entries))
}

func full(l *rate.Limiter, now time.Time) bool { return l.TokensAt(now) >= float64(l.Burst()) }
