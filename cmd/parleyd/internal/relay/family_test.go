package relay

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
)

var loopback6 = netip.IPv6Loopback()

// needIPv6 skips a test on machines without IPv6.
func needIPv6(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	_ = l.Close()
}

// port is the one that the server listens on.
func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.address())
	return port
}

// clientAt makes a TURN client that reaches the server at an address.
func clientAt(t *testing.T, network, address, id string) *turn.Client {
	t.Helper()
	var conn net.PacketConn
	if network == "tcp" {
		stream, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(stream)
	} else {
		var err error
		host, _, _ := net.SplitHostPort(address)
		if conn, err = net.ListenPacket("udp", net.JoinHostPort(host, "0")); err != nil {
			t.Fatal(err)
		}
	}
	user := userName(id, time.Hour)
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: address, Conn: conn, Username: user, Password: ice.Password(secret, user), Realm: Realm,
		RequestedAddressFamily: turn.RequestedAddressFamilyIPv4, // it sends none then
		LoggerFactory:          &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = conn.Close()
	})
	return c
}

// A client that asks for no family, as browsers do, gets a relayed address of the family
// that it came by, or of the only one that there is. Members of one family reach each
// other.
func TestFamilies(t *testing.T) {
	needIPv6(t)
	for _, c := range []struct {
		name   string
		public []netip.Addr
		want   map[netip.Addr]netip.Addr // relayed address by that of the server
	}{
		{"IPv4", []netip.Addr{loopback4}, map[netip.Addr]netip.Addr{loopback4: loopback4, loopback6: loopback4}},
		{"IPv6", []netip.Addr{loopback6}, map[netip.Addr]netip.Addr{loopback4: loopback6, loopback6: loopback6}},
		{"both", []netip.Addr{loopback4, loopback6}, map[netip.Addr]netip.Addr{loopback4: loopback4, loopback6: loopback6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, func(o *Options) { o.Listen, o.PublicIPs = ":0", c.public })
			for at, want := range c.want {
				var both []net.PacketConn
				for _, network := range []string{"udp", "tcp"} {
					relayed, err := clientAt(t, network, net.JoinHostPort(at.String(), s.port()), "ann").Allocate()
					if err != nil {
						t.Fatalf("%s at %s: %v", network, at, err)
					}
					t.Cleanup(func() { _ = relayed.Close() })
					if got := addrPort(relayed.LocalAddr()).Addr(); got != want {
						t.Errorf("%s at %s: relayed at %s, want %s", network, at, got, want)
					}
					both = append(both, relayed)
				}
				if _, err := both[1].WriteTo([]byte("open"), both[0].LocalAddr()); err != nil {
					t.Fatal(err)
				}
				send(t, both[0], both[1], both[1].LocalAddr(), "hello")
			}
		})
	}
}

// Without a name clients are told of both addresses.
func TestURLsOfBoth(t *testing.T) {
	needIPv6(t)
	s := start(t, func(o *Options) { o.Listen, o.PublicIPs = ":0", []netip.Addr{loopback4, loopback6} })
	want := "turn:127.0.0.1:P?transport=udp turn:127.0.0.1:P?transport=tcp turn:[::1]:P?transport=udp turn:[::1]:P?transport=tcp"
	if got := strings.ReplaceAll(strings.Join(s.URLs(), " "), ":"+s.port()+"?", ":P?"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// binding is a STUN request, and reports whether its answer came to a socket that takes
// packets from nobody but the address that it sends to.
func binding(t *testing.T, from, to netip.Addr, port int) bool {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, uint16(port))))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a packet may be lost
		if _, err := c.Write(request.Raw); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience / 4))
		if n, err := c.Read(make([]byte, 1500)); err == nil && n > 0 {
			return true
		}
	}
	return false
}

// On a machine with several addresses an answer comes from the one that was asked.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	s := start(t, func(o *Options) { o.Listen = ":0" })
	port, err := net.LookupPort("udp", s.port())
	if err != nil {
		t.Fatal(err)
	}
	asked := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.9.9.9")}
	for _, own := range ownAddresses() {
		if own.IsGlobalUnicast() || own.IsLoopback() {
			asked = append(asked, own)
		}
	}
	for _, to := range asked {
		from := loopback4
		if to.Is6() {
			from = loopback6
		}
		if !binding(t, from, to, port) {
			t.Errorf("%s was asked, and %s got no answer from it", to, from)
		}
	}
}

// Of clients with forged addresses only so many are remembered, and not for ever; one
// that goes on sending is not forgotten.
func TestRemembered(t *testing.T) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	w := newWildcard(socket, false)
	if w == nil {
		t.Skip("this system does not tell where packets were sent to")
	}
	defer w.Close()
	ann := netip.MustParseAddrPort("198.51.100.7:1")
	w.remember(ann, loopback4, 0)
	for i := range rememberMost + 100 {
		forged := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		w.remember(forged, loopback4, 0)
	}
	if len(w.now) != rememberMost {
		t.Errorf("%d are remembered", len(w.now))
	}
	has := func() bool {
		_, now := w.now[ann]
		_, then := w.then[ann]
		return now || then
	}
	next := uint16(0)
	later := func() {
		w.turned = w.turned.Add(-rememberFor)
		next++
		w.remember(netip.AddrPortFrom(netip.MustParseAddr("198.51.100.8"), next), loopback4, 0)
	}
	for range 3 { // it sends again in time
		later()
		if !has() {
			t.Fatal("ann is forgotten")
		}
		w.remember(ann, loopback4, 0)
	}
	if len(w.now)+len(w.then) > 10 {
		t.Errorf("%d are remembered", len(w.now)+len(w.then))
	}
	later()
	later()
	if has() {
		t.Error("ann is not forgotten")
	}
}
