package limit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestMaxConnections(t *testing.T) {
	l := New(Options{MaxConnections: 2})
	now := time.Unix(0, 0)
	a, same, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::1")
	if !l.Connect(a, now) || !l.Connect(same, now) {
		t.Fatal("refused below the limit")
	}
	if l.Connect(a, now) {
		t.Error("a third connection from one /64")
	}
	if !l.Connect(other, now) {
		t.Error("another /64 was refused")
	}
	l.Disconnect(same)
	if !l.Connect(a, now) {
		t.Error("refused although there is place again")
	}
}

func TestRate(t *testing.T) {
	l := New(Options{Rate: 2})
	now := time.Unix(0, 0)
	a := netip.MustParseAddr("203.0.113.5")
	for i := range 2 * burstSeconds {
		if !l.Connect(a, now) || !l.Join(a, now) {
			t.Fatalf("refused at %d", i)
		}
	}
	if l.Connect(a, now) || l.Join(a, now) {
		t.Error("more than the burst")
	}
	now = now.Add(time.Second)
	for i, want := range []bool{true, true, false} {
		if got := l.Connect(a, now); got != want {
			t.Errorf("a second later, connection %d: %v", i, got)
		}
	}
}

// Addresses that are quiet are forgotten.
func TestSweep(t *testing.T) {
	l := New(Options{Rate: 1})
	now := time.Unix(0, 0)
	for i := range 20_000 {
		a := netip.MustParseAddr(fmt.Sprintf("10.%d.%d.1", i/256, i%256))
		if l.Connect(a, now) {
			l.Disconnect(a)
		}
		now = now.Add(10 * time.Millisecond)
	}
	if n := len(l.entries); n > 2*sweepSize {
		t.Errorf("%d addresses are kept", n)
	}
}

// Limits that change hold from then on: for connections that were counted, and not for
// those from before there were any.
func TestConfigure(t *testing.T) {
	l := New(Options{})
	now := time.Unix(0, 0)
	a := netip.MustParseAddr("203.0.113.5")
	l.Connect(a, now)
	l.Configure(Options{MaxConnections: 2})
	allowed := func() (n int) {
		for l.Connect(a, now) {
			n++
		}
		return n
	}
	if n := allowed(); n != 2 {
		t.Errorf("%d connections are allowed, and one from before does not count", n)
	}
	for range 3 { // that from before among them
		l.Disconnect(a)
	}
	l.Configure(Options{MaxConnections: 3})
	if n := allowed(); n != 3 {
		t.Errorf("%d connections are allowed", n)
	}
	l.Configure(Options{Rate: 1})
	for i := range burstSeconds {
		if !l.Join(a, now) {
			t.Fatalf("refused at %d", i)
		}
	}
	if l.Join(a, now) {
		t.Error("more than the burst of the new rate")
	}
	l.Configure(Options{})
	if !l.Join(a, now) || !l.Connect(a, now) {
		t.Error("there is no limit any more")
	}
}
