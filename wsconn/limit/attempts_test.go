package limit

import (
	"net/netip"
	"testing"
	"time"
)

func TestAttempts(t *testing.T) {
	a := NewAttempts(2, time.Minute)
	now := time.Unix(1e9, 0)
	one, neighbor := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	take := func(want bool, address netip.Addr, at time.Time) {
		t.Helper()
		if got := a.Take(address, at); got != want {
			t.Errorf("at %s: %v", at.Sub(now), got)
		}
	}
	take(true, one, now)
	a.Right(one)
	take(true, one, now)
	take(true, neighbor, now) // of the same /64
	take(false, one, now)
	take(false, one, now.Add(59*time.Second))
	take(true, one, now.Add(time.Minute))
	take(false, one, now.Add(time.Minute))
	take(true, one, now.Add(time.Hour))
	take(true, one, now.Add(time.Hour))
	take(false, one, now.Add(time.Hour))
}

// Addresses that have been right for long are forgotten.
func TestAttemptsAreForgotten(t *testing.T) {
	a := NewAttempts(2, time.Second)
	now := time.Unix(1e9, 0)
	for i := range 10 * sweepSize {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		a.Take(address, now.Add(time.Duration(i)*time.Second))
	}
	if n := len(a.wrong); n > sweepSize+1 {
		t.Errorf("%d addresses are remembered", n)
	}
}
