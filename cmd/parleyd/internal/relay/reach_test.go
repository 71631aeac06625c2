package relay

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// echo is a server of the machine that nobody is to reach through the relay.
func echo(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The machine's own servers are not reached through the relay, though the address
// that they share with relays is.
func TestOwnServersAreOutOfReach(t *testing.T) {
	s := start(t, nil)
	a, b, own := allocate(t, s, "udp", "ann"), allocate(t, s, "udp", "bob"), echo(t)
	if _, err := b.WriteTo([]byte("open"), a.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := a.WriteTo([]byte("attack"), own.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	send(t, a, b, b.LocalAddr(), "behind it")
	_ = own.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, _, err := own.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes have reached a server of the machine", n)
	}
	if s.Stats.Dropped.Load() == 0 {
		t.Error("nothing is counted")
	}
	// Nor does it reach a relay.
	if _, err := own.WriteTo([]byte("attack"), b.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	send(t, a, b, b.LocalAddr(), "behind that")
}

func TestAllowPeer(t *testing.T) {
	s := start(t, func(o *Options) { o.AllowPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	a, own := allocate(t, s, "udp", "ann"), echo(t)
	send(t, a, own, own.LocalAddr(), "hello")
}

func TestPeers(t *testing.T) {
	public := netip.MustParseAddr("9.9.9.9")
	p := newPeers([]netip.Addr{public}, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")})
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1": true, "10.1.2.3": true,
		"127.0.0.1": false, "::1": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "172.16.0.1": false,
		"192.168.1.1": false, "169.254.169.254": false, "fe80::1": false, "fd00::1": false, "100.64.0.1": false,
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "192.0.2.1": false, "240.0.0.1": false, "9.9.9.9": false,
		"168.63.129.16": false, "168.63.129.17": true, "::127.0.0.1": false, "::8.8.8.8": false, "3fff::1": false, "4000::1": false,
		"2001:2::1": false, "2001:10::1": false, "2001:20::1": false, "2001:1::1": false, "2001:200::1": true, "5f00::1": false,
		"192.88.99.1": false, "192.31.196.1": false, "192.52.193.1": false, "192.175.48.1": false, "2620:4f:8000::1": false,
		"100::1": false, "100:0:0:1::1": false, "fd00:ec2::254": false, "100.100.100.200": false, "64:ff9b:1::1": false, "fec0::1": false,
		"198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false, "192.0.0.192": false, "2001:db8::1": false, "2001::1": false,
	} {
		if got := p.may(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, own := range ownAddresses() {
		if p.may(own) && own.String() != "10.1.2.3" {
			t.Errorf("%s is this machine's", own)
		}
	}
}

// A packet is taken for another relay's only if it comes from this machine or its public
// address, and from a port that is a relay: others have the same ports.
func TestSenderOfPacket(t *testing.T) {
	public := netip.MustParseAddr("9.9.9.9")
	s := start(t, func(o *Options) { o.PublicIPs = []netip.Addr{public} })
	socket, port, err := s.relays.open("udp4", s.options.PublicIPs[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(public, port)
	c := &conn{PacketConn: socket, relays: s.relays, at: at, user: s.users.allocated("ann")}
	s.relays.live[at] = c
	s.Stats.Allocations.Add(1)
	defer c.Close()
	for from, want := range map[string]struct {
		addr string
		ok   bool
	}{
		"9.9.9.9":   {"9.9.9.9", true},
		"127.0.0.1": {"9.9.9.9", true},
		"8.8.8.8":   {"8.8.8.8", true},
		"10.0.0.1":  {"10.0.0.1", false},
	} {
		got, ok := c.sender(netip.AddrPortFrom(netip.MustParseAddr(from), port))
		if ok != want.ok || got != netip.AddrPortFrom(netip.MustParseAddr(want.addr), port) {
			t.Errorf("from the port of a relay at %s: %s %v", from, got, ok)
		}
		_, ok = c.sender(netip.AddrPortFrom(netip.MustParseAddr(from), port+1))
		if want := from == "8.8.8.8"; ok != want {
			t.Errorf("from another port at %s: %v", from, ok)
		}
	}
}

// This machine's addresses are known, and looked up again after a while.
func TestOwnAddresses(t *testing.T) {
	p := newPeers([]netip.Addr{netip.MustParseAddr("9.9.9.9")}, nil)
	if !p.isOwn(loopback4) || p.isOwn(netip.MustParseAddr("8.8.8.8")) {
		t.Errorf("this machine's addresses are said to be %v", p.own)
	}
	p.own = nil
	if p.isOwn(loopback4) {
		t.Error("looked up again at once")
	}
	p.seen = p.seen.Add(-ownInterval - time.Second)
	if !p.isOwn(loopback4) {
		t.Error("not looked up again")
	}
}
