package limit

import (
	"net/netip"
	"testing"
	"time"
)

// Wrong attempts are bounded by network: some at once, then one after each pause.
func TestAttempts(t *testing.T) {
	a := NewAttempts(64, 2, time.Minute)
	now := time.Unix(1e9, 0)
	one, neighbor, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::1")
	try := func(want, wrong bool, address netip.Addr, at time.Time) {
		t.Helper()
		got := a.Left(address, at)
		if got != want {
			t.Errorf("at %s: %v", at.Sub(now), got)
		}
		if got {
			a.Begin(address, at)
			a.End(address, wrong, at)
		}
	}
	for range 10 {
		try(true, false, one, now) // right ones cost nothing
	}
	try(true, true, one, now)
	try(true, true, neighbor, now) // of the same /64
	try(false, true, one, now)
	try(true, true, other, now)
	try(false, true, one, now.Add(59*time.Second))
	try(true, true, one, now.Add(time.Minute))
	try(false, true, one, now.Add(time.Minute))
	try(true, true, one, now.Add(time.Hour))
	try(true, true, one, now.Add(time.Hour))
	try(false, true, one, now.Add(time.Hour))
}

// Attempts under way can't exceed the budget together, and those that turn out right
// give their place back.
func TestAttemptsUnderWay(t *testing.T) {
	a := NewAttempts(48, 2, time.Minute)
	now := time.Unix(1e9, 0)
	one, neighbor := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:0:ffff::1") // of the same /48
	a.Begin(one, now)
	a.Begin(neighbor, now)
	if a.Left(one, now) {
		t.Error("a third attempt beside two under way")
	}
	a.End(one, true, now)
	if a.Left(one, now) {
		t.Error("a third attempt beside a wrong one and one under way")
	}
	a.End(neighbor, false, now)
	if !a.Left(one, now) {
		t.Error("a right attempt was charged")
	}
	if len(a.budgets) != 1 {
		t.Errorf("%d budgets", len(a.budgets))
	}
}

// Networks whose budget is full again are forgotten.
func TestAttemptsAreForgotten(t *testing.T) {
	a := NewAttempts(64, 2, time.Second)
	now := time.Unix(1e9, 0)
	for i := range 10 * sweepSize {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		at := now.Add(time.Duration(i) * time.Second)
		a.Begin(address, at)
		a.End(address, true, at)
	}
	if n := len(a.budgets); n > sweepSize+1 {
		t.Errorf("%d networks are remembered", n)
	}
	one := netip.MustParseAddr("192.0.2.1")
	a.Begin(one, now)
	a.End(one, false, now)
	if _, kept := a.budgets[one]; kept {
		t.Error("a network that was right is remembered")
	}
}
