package limit

import (
	"net/netip"
	"sync"
	"time"
)

// Attempts bounds how often one address may be wrong about something: a few times
// at once, and then once in a while. What counts as one address is as for
// [Addresses].
type Attempts struct {
	atOnce float64
	every  time.Duration

	mu      sync.Mutex // guards what follows
	wrong   map[netip.Addr]wrong
	sweepAt int
}

// wrong is how often an address was wrong, at a time; it lessens as time passes.
type wrong struct {
	times float64
	at    time.Time
}

// NewAttempts lets an address be wrong atOnce times, and once more each time that
// so much time has passed.
func NewAttempts(atOnce int, every time.Duration) *Attempts {
	return &Attempts{atOnce: float64(atOnce), every: every, wrong: make(map[netip.Addr]wrong), sweepAt: sweepSize}
}

func (w wrong) now(now time.Time, every time.Duration) float64 {
	return max(0, w.times-float64(now.Sub(w.at))/float64(every))
}

// Take counts an attempt of the address, at time now, as wrong until Right is
// called, and reports false if there may not be one yet.
func (a *Attempts) Take(address netip.Addr, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := key(address)
	times := a.wrong[k].now(now, a.every)
	if times+1 > a.atOnce {
		return false
	}
	if len(a.wrong) >= a.sweepAt {
		a.sweep(now)
	}
	a.wrong[k] = wrong{times + 1, now}
	return true
}

// Right says that an attempt which was taken was right.
func (a *Attempts) Right(address netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := key(address)
	w := a.wrong[k]
	w.times = max(0, w.times-1)
	a.wrong[k] = w
}

// sweep forgets the addresses that have all their attempts again.
func (a *Attempts) sweep(now time.Time) {
	for k, w := range a.wrong {
		if w.now(now, a.every) == 0 {
			delete(a.wrong, k)
		}
	}
	a.sweepAt = max(sweepSize, 2*len(a.wrong))
}
