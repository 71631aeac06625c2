package limit

import (
	"net/netip"
	"testing"
	"time"
)

// nth returns the nth of many addresses.
func nth(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// Without limits nothing is remembered, and everything is allowed.
func TestNoLimits(t *testing.T) {
	for _, o := range []Options{{}, {MaxConnections: -1, Rate: -1}} {
		l := New(o)
		for range 1000 {
			if !l.Connect(nth(0), time.Time{}) || !l.Join(nth(0), time.Time{}) {
				t.Fatal("refused")
			}
		}
		l.Disconnect(nth(0))
		if len(l.entries) != 0 {
			t.Errorf("%+v: %d addresses", o, len(l.entries))
		}
	}
	// Joins are not limited, and not remembered, by a limit of connections.
	l := New(Options{MaxConnections: 1})
	if !l.Join(nth(0), time.Time{}) || len(l.entries) != 0 {
		t.Errorf("%d addresses", len(l.entries))
	}
}

// Quiet addresses are looked for when there are many, and again when there are twice
// as many as were left.
func TestSweeps(t *testing.T) {
	l := New(Options{Rate: 1})
	now := time.Unix(0, 0)
	for i := range sweepSize {
		l.Join(nth(i), now)
	}
	later := now.Add(time.Second) // all are quiet
	few := New(Options{Rate: 1})
	for _, at := range []time.Time{now, later} {
		few.Join(nth(at.Second()), at)
	}
	if n := len(few.entries); n != 2 {
		t.Errorf("a quiet address was looked for among %d", n)
	}
	if n := len(l.entries); n != sweepSize {
		t.Errorf("%d addresses before there were many", n)
	}
	if l.Join(nth(sweepSize), later); len(l.entries) != 1 || l.sweepAt != sweepSize {
		t.Errorf("%d addresses, the next look at %d", len(l.entries), l.sweepAt)
	}
	for i := range sweepSize - 1 {
		l.Connect(nth(i), later)
	}
	if l.Join(nth(2*sweepSize), later.Add(time.Hour)); len(l.entries) != sweepSize || l.sweepAt != 2*(sweepSize-1) {
		t.Errorf("with connections: %d addresses, the next look at %d", len(l.entries), l.sweepAt)
	}
}

// The same for attempts.
func TestAttemptsSweeps(t *testing.T) {
	a := NewAttempts(64, 1, time.Second)
	now := time.Unix(0, 0)
	try := func(i int, at time.Time) {
		a.Begin(nth(i), at)
		a.End(nth(i), true, at)
	}
	for i := range sweepSize {
		try(i, now)
	}
	later := now.Add(time.Second)
	few := NewAttempts(64, 1, time.Second)
	for _, at := range []time.Time{now, later} {
		few.Begin(nth(at.Second()), at)
		few.End(nth(at.Second()), true, at)
	}
	if n := len(few.budgets); n != 2 {
		t.Errorf("a quiet network was looked for among %d", n)
	}
	if n := len(a.budgets); n != sweepSize {
		t.Errorf("%d networks before there were many", n)
	}
	if try(sweepSize, later); len(a.budgets) != 1 || a.sweepAt != sweepSize {
		t.Errorf("%d networks, the next look at %d", len(a.budgets), a.sweepAt)
	}
	for i := range sweepSize - 1 {
		a.Begin(nth(i), later)
	}
	if try(2*sweepSize, later.Add(time.Hour)); len(a.budgets) != sweepSize || a.sweepAt != 2*(sweepSize-1) {
		t.Errorf("with attempts under way: %d networks, the next look at %d", len(a.budgets), a.sweepAt)
	}
}
