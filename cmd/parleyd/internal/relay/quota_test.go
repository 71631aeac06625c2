package relay

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
)

func TestQuota(t *testing.T) {
	s := start(t, func(o *Options) { o.MaxAllocations = 2 })
	first := allocate(t, s, "udp", "ann")
	allocate(t, s, "udp", "ann")
	u := userName("ann", 2*time.Hour) // other credentials of the same member
	third := client(t, s, "udp", u, ice.Password(secret, u))
	if _, err := third.Allocate(); err == nil {
		t.Fatal("a third allocation was made")
	}
	allocate(t, s, "udp", "bob")
	if s.Stats.OverQuota.Load() != 1 {
		t.Error("it is not counted")
	}
	_ = first.Close()
	for deadline := time.Now().Add(patience); s.Stats.Allocations.Load() > 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an allocation is not given back")
		}
	}
	allocate(t, s, "udp", "ann")
}

// No more is relayed than the rate; what is over it is dropped.
func TestRate(t *testing.T) {
	s := start(t, func(o *Options) { o.BytesPerSecond = 10_000 })
	a, b := allocate(t, s, "udp", "ann"), allocate(t, s, "udp", "bob")
	if _, err := b.WriteTo([]byte("open"), a.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	send(t, a, b, b.LocalAddr(), "first")
	begun := time.Now()
	before := s.Stats.BytesToPeers.Load()
	for range 100 {
		if _, err := a.WriteTo(bytes.Repeat([]byte("x"), 1000), b.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); s.Stats.Dropped.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was dropped")
		}
	}
	most := 10_000 * (1 + time.Since(begun).Seconds())
	if sent := s.Stats.BytesToPeers.Load() - before; float64(sent) > most {
		t.Errorf("%d bytes were relayed, more than %.0f", sent, most)
	}
}

// One address can't take all allocations under ever new ids, and gets them back when
// they end.
func TestQuotaOfAnAddress(t *testing.T) {
	s := start(t, func(o *Options) { o.MaxAllocations, o.MaxPerAddress = 10, 3 })
	first := allocate(t, s, "udp", "a")
	allocate(t, s, "tcp", "b")
	allocate(t, s, "udp", "c")
	u := userName("d", time.Hour)
	fourth := client(t, s, "udp", u, ice.Password(secret, u))
	if _, err := fourth.Allocate(); err == nil {
		t.Fatal("a fourth allocation was made")
	}
	if s.Stats.OverQuota.Load() != 1 {
		t.Error("it is not counted")
	}
	_ = first.Close()
	await(t, "an allocation is not given back", func() bool { return s.Stats.Allocations.Load() == 2 })
	allocate(t, s, "udp", "e")
}

// A member may have as many allocations again as it gives back; addresses and ids without
// allocations are forgotten.
func TestWhoHasNothingIsForgotten(t *testing.T) {
	a := addresses{most: 2, have: make(map[netip.Addr]int)}
	u := newUsers(2, 0)
	from := &net.UDPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 1}
	allocate := func(want bool) {
		t.Helper()
		if a.mayAllocate(from) != want || u.mayAllocate("ann") != want || (u.allocated("ann") != nil) != want {
			t.Errorf("an allocation that should be possible: %v", want)
		}
		if want {
			a.count(from, 1)
		}
	}
	release := func() {
		a.count(from, -1)
		u.released("ann")
	}
	allocate(true)
	allocate(true)
	allocate(false)
	release()
	allocate(true)
	allocate(false)
	release()
	release()
	if len(a.have) != 0 || len(u.ids) != 0 {
		t.Errorf("%d addresses, %d ids are kept", len(a.have), len(u.ids))
	}
}
