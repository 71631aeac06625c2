package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Budget bounds wrong attempts at something: some at once, then one more after each
// pause. An attempt that is under way counts like a wrong one until it ends; one
// that was right costs nothing. Its methods must not be called concurrently.
type Budget struct {
	wrong    *rate.Limiter
	underWay int
}

// NewBudget allows atOnce wrong attempts, at least 1, and one more after each pause.
func NewBudget(atOnce int, pause time.Duration) *Budget {
	return &Budget{wrong: rate.NewLimiter(rate.Every(pause), atOnce)}
}

// Left reports whether there can be one more attempt at time now.
func (b *Budget) Left(now time.Time) bool {
	return b.wrong.TokensAt(now) >= float64(b.underWay+1)
}

// Begin counts an attempt as under way. The caller has asked Left, and must call End.
func (b *Budget) Begin() { b.underWay++ }

// End ends an attempt that was begun, and charges it if it was wrong.
func (b *Budget) End(wrong bool, now time.Time) {
	b.underWay--
	if wrong {
		b.wrong.AllowN(now, 1)
	}
}

// full reports that nothing of the budget is used.
func (b *Budget) full(now time.Time) bool {
	return b.underWay == 0 && b.wrong.TokensAt(now) >= float64(b.wrong.Burst())
}

// Attempts has a [Budget] for each network. Its methods may be called from any
// goroutine.
type Attempts struct {
	bits   int
	atOnce int
	pause  time.Duration

	mu      sync.Mutex // guards what follows
	budgets map[netip.Addr]*Budget
	sweepAt int
}

// NewAttempts gives each network a budget of atOnce wrong attempts, and one more
// after each pause. A network is an IPv4 address or an IPv6 prefix of so many bits.
func NewAttempts(bits, atOnce int, pause time.Duration) *Attempts {
	return &Attempts{bits: bits, atOnce: atOnce, pause: pause, budgets: make(map[netip.Addr]*Budget), sweepAt: sweepSize}
}

// Left reports whether the address's network can have one more attempt at time now.
func (a *Attempts) Left(address netip.Addr, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.budgets[Network(address, a.bits)]
	return b == nil || b.Left(now)
}

// Begin counts an attempt as under way. The caller has asked Left, and must call End.
func (a *Attempts) Begin(address netip.Addr, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := Network(address, a.bits)
	b := a.budgets[k]
	if b == nil {
		if len(a.budgets) >= a.sweepAt {
			a.sweep(now)
		}
		b = NewBudget(a.atOnce, a.pause)
		a.budgets[k] = b
	}
	b.Begin()
}

// End ends an attempt that was begun, and charges it if it was wrong.
func (a *Attempts) End(address netip.Addr, wrong bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := Network(address, a.bits)
	b := a.budgets[k]
	if b.End(wrong, now); b.full(now) {
		delete(a.budgets, k)
	}
}

// sweep forgets the budgets that are full again.
func (a *Attempts) sweep(now time.Time) {
	for k, b := range a.budgets {
		if b.full(now) {
			delete(a.budgets, k)
		}
	}
	a.sweepAt = max(sweepSize, 2*len(a.budgets))
}
