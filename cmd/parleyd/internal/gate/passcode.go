package gate

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Wrong passcodes are counted by address (an IPv4 address, an IPv6 /64), by network
// (an IPv4 address, an IPv6 /48) and by rule. An attempt that would exceed a budget
// is refused without a look at its passcode: even a look at a right one would be a
// guess. A right passcode costs nothing.
//
// The most guesses in a day:
//
//	one address              288 (one in 5 minutes), and 10 at once
//	one network (a /48)      288, and 20 at once
//	one rule, newcomers      144 (one in 10 minutes), and 1,000 at once
//	one rule, all others     288, and 100 at once
//
// A newcomer is a network with fewer than newcomerWrong wrong passcodes in the last
// newcomerMemory. Nobody guesses faster than both budgets of the rule: 1,100 at once
// and 432 a day. The six digits of a passcode have 1,000,000 values, of which a
// guesser tries half on average: (500,000 - 1,100) / 432 = 1,155 days, a little over
// three years. From one network it is (500,000 - 20) / 288 = 1,736 days. Four digits
// fall in (5,000 - 1,100) / 432 = 9 days: they keep nobody out.
//
// Clients that know the passcode get in while others guess:
//
//   - An address that was right before is known. Its attempts are bounded by its own
//     budget alone. A guesser behind such an address has 288 guesses a day more,
//     which alone take 1,736 days on average.
//   - Others are newcomers, for whom there is a budget that no other network uses. One
//     network uses 3 of its 1,000 and 144 a day, and then nothing for a week. So
//     guessers need more than 1,000 / 3 = 333 networks at once, and 144 x 7 / 3 = 336
//     networks for ever, to keep newcomers out.
//
// Guessers with more networks than that, a botnet, can keep new addresses out while
// they go on; no server can tell them apart and stay within a number of guesses. They
// don't get in either, and known addresses stay unaffected.
//
// The counts are those of one daemon since its start: with n nodes, and with each
// restart, there are as many more guesses.
const (
	addressBits   = 64
	addressAtOnce = 10
	addressPause  = 5 * time.Minute

	networkBits   = 48
	networkAtOnce = 20
	networkPause  = 5 * time.Minute

	newcomersAtOnce = 1000
	newcomersPause  = 10 * time.Minute
	newcomerWrong   = 3
	newcomerMemory  = 7 * 24 * time.Hour

	othersAtOnce = 100
	othersPause  = 5 * time.Minute
)

// maxKnown bounds the known addresses of one rule. Past it any one is forgotten.
const maxKnown = 10_000

// busyAfter is how long a comparison waits for its turn: less than a client waits
// for the answer to its join.
const busyAfter = 6 * time.Second

const textManyWrong = "too many wrong passcodes: try again in a few minutes"

var (
	errNeedsPasscode = &wire.Refusal{
		Code: wire.CodeUnauthorized, Text: "this room asks for a passcode", Needs: "passcode", Reason: "the passcode is missing",
	}
	errWrongPasscode = &wire.Refusal{
		Code: wire.CodeUnauthorized, Text: "this is not the room's passcode", Needs: "passcode", Reason: "the passcode is wrong",
	}
	errAddressWrong = &wire.Refusal{Code: wire.CodeRateLimited, Text: textManyWrong, Reason: "too many wrong passcodes from this address"}
	errNetworkWrong = &wire.Refusal{Code: wire.CodeRateLimited, Text: textManyWrong, Reason: "too many wrong passcodes from this network"}
	errRuleWrong    = &wire.Refusal{Code: wire.CodeRateLimited, Text: textManyWrong, Reason: "too many wrong passcodes for this rule"}
	errBusy         = &wire.Refusal{
		Code: wire.CodeUnavailable, Text: "too many passcodes are being checked: try again", Reason: "too many passcodes are being checked",
	}
)

// passcodes checks passcodes. Its methods may be called from any goroutine.
type passcodes struct {
	// Set by newPasscodes, then read only.
	compare func(hash, passcode string) bool
	secret  [32]byte // of the digests
	slots   chan struct{}

	flights singleflight.Group // comparisons by digest: equal ones share one

	// Guarded by mu. Between a look at the budgets and the Begin that follows, mu is
	// held.
	mu                  sync.Mutex
	addresses, networks *limit.Attempts
	rules               map[string]*guesses // by the hash of the passcode
}

// digest stands for a passcode together with the hash that it is compared with.
type digest [sha256.Size]byte

// guesses is what is known of the guesses at one passcode. Guarded by the mu of
// passcodes, but for turn.
type guesses struct {
	turn chan struct{} // has one place: the comparisons of a rule wait in a line of their own

	right             *digest                 // nil: nobody was right yet
	known             map[netip.Addr]struct{} // addresses that were right
	newcomers, others *limit.Budget
	networks          map[netip.Addr]*network // that were wrong, or have attempts under way
	sweepAt           int
}

// network counts the wrong passcodes of a network; the latest came at last.
type network struct {
	wrong, underWay int
	last            time.Time
}

// attempt is one that counts as under way.
type attempt struct {
	remote  netip.Addr
	known   bool
	budget  *limit.Budget // of the rule; nil: of a known address
	network *network      // nil: of a known address
}

func newPasscodes(compare func(hash, passcode string) bool) *passcodes {
	p := &passcodes{
		compare:   compare,
		slots:     make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		addresses: limit.NewAttempts(addressBits, addressAtOnce, addressPause),
		networks:  limit.NewAttempts(networkBits, networkAtOnce, networkPause),
		rules:     make(map[string]*guesses),
	}
	_, _ = rand.Read(p.secret[:]) // never fails
	return p
}

func (p *passcodes) digest(hash, passcode string) (d digest) {
	mac := hmac.New(sha256.New, p.secret[:])
	fmt.Fprintf(mac, "%d %s%s", len(hash), hash, passcode)
	mac.Sum(d[:0])
	return d
}

// guesses returns those at the passcode with a hash. The caller holds mu.
func (p *passcodes) guesses(hash string) *guesses {
	g := p.rules[hash]
	if g == nil {
		g = &guesses{
			turn:      make(chan struct{}, 1),
			known:     make(map[netip.Addr]struct{}),
			newcomers: limit.NewBudget(newcomersAtOnce, newcomersPause),
			others:    limit.NewBudget(othersAtOnce, othersPause),
			networks:  make(map[netip.Addr]*network),
			sweepAt:   2 * newcomersAtOnce,
		}
		p.rules[hash] = g
	}
	return g
}

// check compares a passcode with the hash of the right one. Once anybody was right
// that takes microseconds.
func (p *passcodes) check(ctx context.Context, hash, passcode string, remote netip.Addr) error {
	switch {
	case passcode == "":
		return errNeedsPasscode
	case len(passcode) > maxPasscode:
		return errWrongPasscode // it says nothing about the right one
	}
	d := p.digest(hash, passcode)
	for ctx.Err() == nil {
		if decided, err := p.decide(hash, d, remote); decided {
			return err
		}
		flight := p.flights.DoChan(string(d[:]), func() (any, error) { return nil, p.first(hash, passcode, d, remote) })
		select {
		case result := <-flight:
			if wire.CodeOf(result.Err) == wire.CodeRateLimited {
				continue // whoever was first may not try, but perhaps this one
			}
			return result.Err
		case <-ctx.Done():
		}
	}
	return errBusy
}

// decide decides on an attempt without a comparison: by the budgets, and by the
// right passcode where it is known. decided is false if it takes a comparison.
func (p *passcodes) decide(hash string, d digest, remote netip.Addr) (decided bool, refusal error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.guesses(hash)
	if g.right == nil {
		_, refusal = p.mayTry(g, remote, now)
		return refusal != nil, refusal
	}
	a, refusal := p.begin(g, remote, now)
	if refusal != nil {
		return true, refusal
	}
	return true, p.end(g, a, d, subtle.ConstantTimeCompare(d[:], g.right[:]) == 1, now)
}

// first compares a passcode of a rule for which nobody was right yet.
func (p *passcodes) first(hash, passcode string, d digest, remote netip.Addr) error {
	p.mu.Lock()
	g := p.guesses(hash)
	a, refusal := p.begin(g, remote, time.Now())
	p.mu.Unlock()
	if refusal != nil {
		return refusal
	}
	ctx, cancel := context.WithTimeout(context.Background(), busyAfter)
	defer cancel()
	compared, right := false, false
	if take(ctx, g.turn) {
		compared, right = p.compareInTurn(ctx, g, hash, passcode, d)
		<-g.turn
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !compared {
		p.release(a, false, time.Now())
		return errBusy
	}
	return p.end(g, a, d, right, time.Now())
}

// compareInTurn compares, unless the right passcode has become known meanwhile. The
// caller has the rule's turn.
func (p *passcodes) compareInTurn(ctx context.Context, g *guesses, hash, passcode string, d digest) (compared, right bool) {
	p.mu.Lock()
	known := g.right
	p.mu.Unlock()
	if known != nil {
		return true, subtle.ConstantTimeCompare(d[:], known[:]) == 1
	}
	if !take(ctx, p.slots) {
		return false, false
	}
	defer func() { <-p.slots }()
	return true, p.compare(hash, passcode)
}

// take takes a place, and reports false if there was none until ctx was done.
func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// mayTry reports why there can't be an attempt now, or makes one that is not under
// way yet. The caller holds mu.
func (p *passcodes) mayTry(g *guesses, remote netip.Addr, now time.Time) (attempt, error) {
	a := attempt{remote: remote}
	_, a.known = g.known[limit.Network(remote, addressBits)]
	if !p.addresses.Left(remote, now) {
		return a, errAddressWrong
	}
	if a.known {
		return a, nil
	}
	if !p.networks.Left(remote, now) {
		return a, errNetworkWrong
	}
	n := g.networks[limit.Network(remote, networkBits)]
	newcomer := n == nil || now.Sub(n.last) >= newcomerMemory && n.underWay < newcomerWrong || n.wrong+n.underWay < newcomerWrong
	switch {
	case newcomer && g.newcomers.Left(now):
		a.budget = g.newcomers
	case g.others.Left(now):
		a.budget = g.others
	default:
		return a, errRuleWrong
	}
	return a, nil
}

// begin counts an attempt as under way, or reports why there can't be one. The
// caller holds mu.
func (p *passcodes) begin(g *guesses, remote netip.Addr, now time.Time) (attempt, error) {
	a, refusal := p.mayTry(g, remote, now)
	if refusal != nil {
		return a, refusal
	}
	p.addresses.Begin(remote, now)
	if a.known {
		return a, nil
	}
	p.networks.Begin(remote, now)
	a.budget.Begin()
	a.network = g.network(remote, now)
	a.network.underWay++
	return a, nil
}

// release ends an attempt. The caller holds mu.
func (p *passcodes) release(a attempt, wrong bool, now time.Time) {
	p.addresses.End(a.remote, wrong, now)
	if a.known {
		return
	}
	p.networks.End(a.remote, wrong, now)
	a.budget.End(wrong, now)
	a.network.underWay--
	if wrong {
		a.network.wrong++
		a.network.last = now
	}
}

// end ends an attempt with passcode d, and returns what it comes to. The caller
// holds mu.
func (p *passcodes) end(g *guesses, a attempt, d digest, right bool, now time.Time) error {
	p.release(a, !right, now)
	if !right {
		return errWrongPasscode
	}
	g.right = &d
	if len(g.known) >= maxKnown {
		for address := range g.known {
			delete(g.known, address)
			break
		}
	}
	g.known[limit.Network(a.remote, addressBits)] = struct{}{}
	return nil
}

// network returns the entry of an address's network.
func (g *guesses) network(remote netip.Addr, now time.Time) *network {
	k := limit.Network(remote, networkBits)
	n := g.networks[k]
	switch {
	case n == nil:
		if len(g.networks) >= g.sweepAt {
			g.sweep(now)
		}
		n = new(network)
		g.networks[k] = n
	case now.Sub(n.last) >= newcomerMemory:
		n.wrong = 0
	}
	return n
}

// sweep forgets the networks that are newcomers again.
func (g *guesses) sweep(now time.Time) {
	for k, n := range g.networks {
		if n.underWay == 0 && now.Sub(n.last) >= newcomerMemory {
			delete(g.networks, k)
		}
	}
	g.sweepAt = max(2*newcomersAtOnce, 2*len(g.networks))
}
