package gate

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// The passcode of the rule that tests guess at, and how long a comparison takes.
const (
	code           = "731842"
	comparisonTime = 60 * time.Millisecond
)

// However many addresses guess, a day has no more guesses than the budgets give: so
// a passcode of six digits takes years on average.
func TestGuessesOfADay(t *testing.T) {
	const day = 24 * time.Hour
	perDay := func(pause time.Duration) int64 { return int64(day / pause) }
	for _, c := range []struct {
		name      string
		addresses int
		address   func(int) netip.Addr
		known     bool // the right passcode has been entered before
		most      int64
	}{
		{"one address", 1, host, false, addressAtOnce + perDay(addressPause)},
		{"one address, after the right one", 1, host, true, addressAtOnce + perDay(addressPause)},
		{"a /48", 1 << 16, subnet, false, networkAtOnce + perDay(networkPause)},
		{"a botnet", 50_000, host, false, newcomersAtOnce + othersAtOnce + perDay(newcomersPause) + perDay(othersPause)},
		{"a botnet, after the right one", 50_000, host, true, newcomersAtOnce + othersAtOnce + perDay(newcomersPause) + perDay(othersPause)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuessed()
				if c.known {
					if code := g.try(code, home); code != 0 {
						t.Fatalf("the right passcode: %s", code)
					}
					g.looked.Store(0)
				}
				g.guess(t, day, c.addresses, c.address)
				if n := g.looked.Load(); n > c.most || n < c.most*9/10 {
					t.Errorf("%d guesses were looked at, want %d at most, and nearly as many", n, c.most)
				}
				if g.compared.Load() > 1 && c.known {
					t.Errorf("%d comparisons", g.compared.Load())
				}
			})
		})
	}
	if years := (500_000 - newcomersAtOnce - othersAtOnce) / float64(perDay(newcomersPause)+perDay(othersPause)) / 365; years < 3 {
		t.Errorf("six digits take %.1f years on average", years)
	}
}

// While a /48 and three hundred other networks guess, new addresses get in, also
// after a wrong passcode, and the first one of a fresh daemon too.
func TestNewcomersDuringGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		attackers := func(n int) netip.Addr {
			if n < 1000 {
				return subnet(n)
			}
			return host(n)
		}
		for hour := range 24 {
			g.guess(t, time.Hour, 1300, attackers)
			newcomer := netip.AddrFrom4([4]byte{192, 0, 2, byte(hour)})
			if c := g.try("731824", newcomer); c != wire.CodeUnauthorized {
				t.Fatalf("hour %d: a slip came to %s", hour, c)
			}
			if c := g.try(code, newcomer); c != 0 {
				t.Fatalf("hour %d: a newcomer with the right passcode: %s", hour, c)
			}
		}
	})
}

// An address that was right before gets in whoever guesses, also after a slip.
func TestKnownAddressesDuringGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		if c := g.try(code, home); c != 0 {
			t.Fatal(c)
		}
		for hour := range 24 {
			g.guess(t, time.Hour, 50_000, host)
			if c := g.try("731824", home); c != wire.CodeUnauthorized {
				t.Fatalf("hour %d: a slip came to %s", hour, c)
			}
			if c := g.try(code, home); c != 0 {
				t.Fatalf("hour %d: a known address with the right passcode: %s", hour, c)
			}
		}
		for n := 1 << 18; g.try("the last guess "+strconv.Itoa(n), host(n)) == wire.CodeUnauthorized; n++ {
		}
		if c := g.try(code, host(1<<20)); c != wire.CodeRateLimited {
			t.Errorf("an address that a botnet keeps out: %s", c)
		}
		time.Sleep(newcomersPause)
		if c := g.try(code, host(1<<20)); c != 0 {
			t.Errorf("the same, when the botnet has stopped: %s", c)
		}
	})
}

// A right passcode that is out of budget is not looked at: it would be a guess.
func TestSpentBudgetHidesTheRightPasscode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		if c := g.try(code, host(0)); c != 0 {
			t.Fatal(c)
		}
		for i := range addressAtOnce {
			if c := g.try(strconv.Itoa(i), home); c != wire.CodeUnauthorized {
				t.Fatalf("wrong passcode %d: %s", i, c)
			}
		}
		if c := g.try(code, home); c != wire.CodeRateLimited {
			t.Errorf("the right passcode after too many wrong ones: %s", c)
		}
		time.Sleep(addressPause)
		if c := g.try(code, home); c != 0 {
			t.Errorf("the right passcode after the pause: %s", c)
		}
	})
}

// A class behind one address enters the right passcode at the same instant, at a
// fresh daemon: all get in, after one comparison.
func TestRightPasscodesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		var class sync.WaitGroup
		for range 20 {
			class.Go(func() {
				if c := g.try(code, home); c != 0 {
					t.Errorf("refused: %s", c)
				}
			})
		}
		class.Wait()
		if n := g.compared.Load(); n != 1 {
			t.Errorf("%d comparisons", n)
		}
		for range 10 * addressAtOnce {
			if c := g.try(code, home); c != 0 {
				t.Fatalf("later: %s", c)
			}
		}
	})
}

// Wrong passcodes that are entered at once can't exceed a budget together.
func TestWrongPasscodesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		var wg sync.WaitGroup
		var refused atomic.Int64
		for i := range 3 * addressAtOnce {
			wg.Go(func() {
				if g.try(strconv.Itoa(i), home) == wire.CodeRateLimited {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if g.looked.Load() != addressAtOnce || refused.Load() != 2*addressAtOnce {
			t.Errorf("%d were looked at, %d refused", g.looked.Load(), refused.Load())
		}
	})
}

// One network is a newcomer three times in a week, also with attempts at once.
func TestNewcomersBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		newcomers := func() int {
			g.mu.Lock()
			defer g.mu.Unlock()
			n := 0
			b := *g.rules["hash"].newcomers
			for now := time.Now(); b.Left(now); n++ {
				b.Begin()
			}
			return n
		}
		var wg sync.WaitGroup
		for i := range addressAtOnce {
			wg.Go(func() { g.try(strconv.Itoa(i), home) })
		}
		wg.Wait()
		if n := newcomers(); n != newcomersAtOnce-newcomerWrong {
			t.Errorf("one network has used %d", newcomersAtOnce-n)
		}
		time.Sleep(newcomerMemory - time.Minute)
		g.try("again", home)
		if n := newcomers(); n != newcomersAtOnce {
			t.Errorf("before the week was over it has used %d", newcomersAtOnce-n)
		}
		time.Sleep(newcomerMemory)
		g.try("again and again", home)
		if n := newcomers(); n != newcomersAtOnce-1 {
			t.Errorf("after a week it has used %d", newcomersAtOnce-n)
		}
	})
}

// Comparisons of one rule wait for each other, not those of another rule for them;
// and who waits too long is told so, and is not charged.
func TestRulesDoNotStarveEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		var wg sync.WaitGroup
		var busy atomic.Int64
		for i := range 500 {
			wg.Go(func() {
				if g.try("wrong "+strconv.Itoa(i), host(i)) == wire.CodeUnavailable {
					busy.Add(1)
				}
			})
		}
		synctest.Wait()
		begun := time.Now()
		if err := g.check(t.Context(), "other", code, home); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 3*comparisonTime {
			t.Errorf("the other rule's passcode waited for %s", took)
		}
		wg.Wait()
		if g.looked.Load()+busy.Load() != 500 || busy.Load() == 0 {
			t.Errorf("%d were looked at, %d were told to try again", g.looked.Load(), busy.Load())
		}
		if c := g.try(code, host(499)); c != 0 {
			t.Errorf("afterwards: %s", c)
		}
	})
}

// The memory for networks and addresses is bounded.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuessed()
		for i := range maxKnown + 10 {
			if c := g.try(code, host(i)); c != 0 {
				t.Fatal(c)
			}
			if i%1000 == 0 {
				time.Sleep(newcomerMemory)
			}
		}
		rule := g.rules["hash"]
		if len(rule.known) != maxKnown {
			t.Errorf("%d known addresses", len(rule.known))
		}
		if len(rule.networks) > 3*newcomersAtOnce {
			t.Errorf("%d networks", len(rule.networks))
		}
	})
}

// The log says what was wrong.
func TestPasscodeReasons(t *testing.T) {
	g := New(Options{Rules: Rules{"coded": {Passcode: hash(t)}}})
	for passcode, want := range map[string]string{"": "the passcode is missing", "4321": "the passcode is wrong"} {
		_, err := g.Join(t.Context(), &wsconn.JoinRequest{Room: "coded", Passcode: passcode, Remote: home})
		if r, ok := err.(*wire.Refusal); !ok || r.Reason != want || r.Needs != "passcode" {
			t.Errorf("%q: %+v", passcode, err)
		}
	}
}

// Networks are forgotten once they are newcomers again, and not before; nor while an
// attempt is under way.
func TestNetworksAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newGuessed()
		p.mu.Lock()
		defer p.mu.Unlock()
		g := p.guesses("hash")
		add := func(from, to int) {
			for i := from; i < to; i++ {
				n := g.network(host(i), time.Now())
				n.wrong, n.last = 1, time.Now()
			}
		}
		most := 2 * newcomersAtOnce
		add(0, most)
		g.network(host(0), time.Now()).underWay = 1
		time.Sleep(newcomerMemory - 1)
		if add(most, most+1); len(g.networks) != most+1 || g.sweepAt != 2*most {
			t.Errorf("a moment too early: %d networks, the next look at %d", len(g.networks), g.sweepAt)
		}
		time.Sleep(time.Nanosecond)
		add(most+1, 2*most)
		if n := len(g.networks); n != 2*most {
			t.Errorf("before the next look: %d networks", n)
		}
		if add(2*most, 2*most+1); len(g.networks) != most+2 || g.sweepAt != 2*(most+1) {
			t.Errorf("a week later: %d networks, the next look at %d", len(g.networks), g.sweepAt)
		}
		if n := g.networks[host(0)]; n == nil || n.wrong != 1 {
			t.Error("a network with an attempt under way was forgotten")
		}
	})
}

// Comparisons leave half of the processors to the rest of the server, however many rules
// are asked for.
func TestComparisonsLeaveHalfOfTheProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		p := newPasscodes(func(_, _ string) bool {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(comparisonTime)
			now.Add(-1)
			return true
		})
		for i := range 20 {
			go func() { _ = p.check(t.Context(), strconv.Itoa(i), code, host(i)) }()
		}
		time.Sleep(20 * comparisonTime)
		if n := most.Load(); n != 3 {
			t.Errorf("%d comparisons at once on 6 processors", n)
		}
	})
}

// The longest passcode that bcrypt tells from others is taken, and a longer one is wrong.
func TestLongestPasscode(t *testing.T) {
	right := strings.Repeat("x", maxPasscode)
	p := newPasscodes(func(_, passcode string) bool { return strings.HasPrefix(passcode, right) })
	for passcode, want := range map[string]wire.Code{right: wire.NoCode, right + "x": wire.CodeUnauthorized} {
		if got := wire.CodeOf(p.check(t.Context(), "hash", passcode, home)); got != want {
			t.Errorf("%d bytes: %v", len(passcode), got)
		}
	}
}

// A hash may be as expensive as maxCost.
func TestCostOfHashes(t *testing.T) {
	hash := "$2a$%02d$" + strings.Repeat("x", 53)
	for cost, want := range map[int]bool{10: true, maxCost: true, maxCost + 1: false} {
		if err := checkHash(fmt.Sprintf(hash, cost)); (err == nil) != want {
			t.Errorf("cost %d: %v", cost, err)
		}
	}
}
