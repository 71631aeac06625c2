package limit

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func prefixes(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, s := range list {
		p, err := ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestOf(t *testing.T) {
	l := New(Options{TrustedProxies: prefixes(t, "10.0.0.0/8", "192.0.2.1", "fd00::/8")})
	for _, c := range []struct{ name, peer, x, forwarded, want string }{
		{"no proxy", "203.0.113.5:1", "", "", "203.0.113.5"},
		{"a peer that is not trusted", "203.0.113.5:1", "198.51.100.1", "", "203.0.113.5"},
		{"mapped", "[::ffff:203.0.113.5]:1", "", "", "203.0.113.5"},
		{"one proxy", "10.0.0.1:1", "198.51.100.1", "", "198.51.100.1"},
		{"what the client wrote itself does not count", "10.0.0.1:1", "1.1.1.1, 198.51.100.1", "", "198.51.100.1"},
		{"two proxies", "10.0.0.1:1", "1.1.1.1, 198.51.100.1, 192.0.2.1", "", "198.51.100.1"},
		{"proxies only", "10.0.0.1:1", "10.0.0.3, 10.0.0.2", "", "10.0.0.3"},
		{"nothing said", "10.0.0.1:1", "", "", "10.0.0.1"},
		{"nonsense", "10.0.0.1:1", "unknown", "", "10.0.0.1"},
		{"nonsense before a proxy", "10.0.0.1:1", "x, 10.0.0.2", "", "10.0.0.2"},
		{"with a port", "10.0.0.1:1", "198.51.100.1:4711", "", "198.51.100.1"},
		{"IPv6", "[fd00::1]:1", "2001:db8::7", "", "2001:db8::7"},
		{"Forwarded", "10.0.0.1:1", "", "for=1.1.1.1, for=198.51.100.1;proto=https", "198.51.100.1"},
		{"Forwarded, IPv6 with a port", "10.0.0.1:1", "", `proto=https;For="[2001:db8::7]:4711"`, "2001:db8::7"},
		{"Forwarded, hidden", "10.0.0.1:1", "", "for=_hidden", "10.0.0.1"},
		{"both headers", "10.0.0.1:1", "198.51.100.1", "for=1.1.1.1", "10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
			if c.x != "" {
				r.Header.Set("X-Forwarded-For", c.x)
			}
			if c.forwarded != "" {
				r.Header.Set("Forwarded", c.forwarded)
			}
			if got := l.Of(r).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

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

func TestParsePrefix(t *testing.T) {
	for _, bad := range []string{"", "x", "10.0.0.0/33", "10.0.0", "::1/x"} {
		if _, err := ParsePrefix(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
