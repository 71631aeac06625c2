package relay

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

var (
	secret    = []byte("north wind")
	loopback4 = netip.MustParseAddr("127.0.0.1")
)

func only(secret []byte) func() [][]byte { return func() [][]byte { return [][]byte{secret} } }

func start(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	o := Options{
		Listen: "127.0.0.1:0", PublicIPs: []netip.Addr{loopback4}, PortMin: 1024, PortMax: 65535,
		Secrets: only(secret),
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// address returns host:port of the first URL.
func (s *Server) address() string {
	_, rest, _ := strings.Cut(s.URLs()[0], ":")
	host, _, _ := strings.Cut(rest, "?")
	return host
}

// userName returns a user name that is good for some time.
func userName(id string, good time.Duration) string {
	return fmt.Sprintf("%d:%s", time.Now().Add(good).Unix(), id)
}

// client makes a TURN client over UDP, or over TCP.
func client(t *testing.T, s *Server, network, user, password string) *turn.Client {
	t.Helper()
	var conn net.PacketConn
	if network == "tcp" {
		stream, err := net.Dial("tcp", s.address())
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(stream)
	} else {
		var err error
		if conn, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: s.address(), Conn: conn, Username: user, Password: password, Realm: Realm,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
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

// allocate returns a relayed address of a member.
func allocate(t *testing.T, s *Server, network, id string) net.PacketConn {
	t.Helper()
	u := userName(id, time.Hour)
	relayed, err := client(t, s, network, u, ice.Password(secret, u)).Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relayed.Close() })
	return relayed
}

// send sends until the packet has arrived: the first ones ask for permission.
func send(t *testing.T, from, to net.PacketConn, at net.Addr, text string) {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		b := make([]byte, 2000)
		_ = to.SetReadDeadline(time.Now().Add(patience))
		for {
			n, _, err := to.ReadFrom(b)
			if err != nil || string(b[:n]) == text {
				got <- string(b[:n])
				return
			}
		}
	}()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := from.WriteTo([]byte(text), at); err != nil {
			t.Fatal(err)
		}
		select {
		case have := <-got:
			if have != text {
				t.Fatal("nothing has arrived")
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("nothing has arrived")
}

// Two members who are both behind the server reach each other through it.
func TestRelayToRelay(t *testing.T) {
	s := start(t, nil)
	a, b := allocate(t, s, "udp", "ann"), allocate(t, s, "tcp", "bob")
	if _, err := b.WriteTo([]byte("open"), a.LocalAddr()); err != nil { // permits a
		t.Fatal(err)
	}
	send(t, a, b, b.LocalAddr(), "hello")
	send(t, b, a, a.LocalAddr(), "and back")
	if n := s.Stats.Allocations.Load(); n != 2 {
		t.Errorf("%d allocations", n)
	}
	if s.Stats.BytesToPeers.Load() == 0 || s.Stats.BytesFrom.Load() == 0 {
		t.Error("no bytes are counted")
	}
}

func TestCredentials(t *testing.T) {
	s := start(t, nil)
	good, gone := userName("ann", time.Hour), userName("ann", -time.Minute)
	for _, c := range []struct {
		name, user, password string
		want                 bool
	}{
		{"good", good, ice.Password(secret, good), true},
		{"expired", gone, ice.Password(secret, gone), false},
		{"forged", good, ice.Password([]byte("guess"), good), false},
		{"of another", userName("bob", time.Hour), ice.Password(secret, good), false},
		{"longer than granted", userName("ann", 100*time.Hour), ice.Password(secret, good), false},
		{"no time", "ann", ice.Password(secret, "ann"), false},
		{"no id", "99999999999:", ice.Password(secret, "99999999999:"), false},
		{"empty password", good, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.Stats.Unauthorized.Load()
			relayed, err := client(t, s, "udp", c.user, c.password).Allocate()
			if (err == nil) != c.want {
				t.Errorf("%v", err)
			}
			if !c.want && s.Stats.Unauthorized.Load() == before {
				t.Error("it is not counted")
			}
			if relayed != nil {
				_ = relayed.Close()
			}
		})
	}
}

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

// await waits for what must come.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// Credentials that have expired make no new allocation; those that there are go on, for
// a while whoever has them, and then as long as their id is a member's.
func TestAfterExpiry(t *testing.T) {
	s := start(t, func(o *Options) { o.Present = func(id string) bool { return id == "ann" } })
	for _, c := range []struct {
		name, id string
		good     time.Duration
		method   stun.Method
		want     bool
	}{
		{"new", "ann", time.Minute, stun.MethodAllocate, true},
		{"new, expired", "ann", -time.Minute, stun.MethodAllocate, false},
		{"refreshed, expired", "bob", -time.Minute, stun.MethodRefresh, true},
		{"permission, expired", "bob", -time.Minute, stun.MethodCreatePermission, true},
		{"refreshed, long expired", "bob", -afterExpiry - time.Minute, stun.MethodRefresh, false},
		{"refreshed, long expired, of a member", "ann", -afterExpiry - time.Minute, stun.MethodRefresh, true},
		{"channel, long expired, of a member", "ann", -1000 * afterExpiry, stun.MethodChannelBind, true},
		{"new, long expired, of a member", "ann", -afterExpiry - time.Minute, stun.MethodAllocate, false},
	} {
		if _, _, ok := s.authenticate(&turn.RequestAttributes{Username: userName(c.id, c.good), Realm: Realm, Method: c.method}); ok != c.want {
			t.Errorf("%s: %v", c.name, ok)
		}
	}
}

// signed returns credentials that name their secret.
func signed(secret []byte, id string) (user, password string) {
	user = fmt.Sprintf("%d.%s:%s", time.Now().Add(time.Hour).Unix(), ice.Key(secret), id)
	return user, ice.Password(secret, user)
}

// While two secrets are listed both make allocations. When one is taken out, what it
// has made goes on, and nothing new is made with it.
func TestSecretChanges(t *testing.T) {
	older, newer := []byte("south wind"), []byte("west wind")
	var list atomic.Pointer[[][]byte]
	list.Store(&[][]byte{older})
	s := start(t, func(o *Options) { o.Secrets = func() [][]byte { return *list.Load() } })
	user, password := signed(older, "ann")
	running := client(t, s, "udp", user, password)
	relayed, err := running.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer relayed.Close()

	allocates := func(secret []byte) bool {
		user, password := signed(secret, "bob")
		c, err := client(t, s, "udp", user, password).Allocate()
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	list.Store(&[][]byte{newer, older})
	if !allocates(newer) || !allocates(older) {
		t.Error("both are listed, and one is refused")
	}
	list.Store(&[][]byte{newer})
	if !allocates(newer) || allocates(older) {
		t.Error("the new one is refused, or the old one is taken")
	}
	if err := running.CreatePermission(echo(t).LocalAddr()); err != nil {
		t.Errorf("the allocation under the old secret does not go on: %v", err)
	}
	list.Store(&[][]byte{[]byte("east wind")})
	if err := running.CreatePermission(echo(t).LocalAddr()); err != nil {
		t.Errorf("nor does it after another change: %v", err)
	}
}

// The log says which peer was refused and which setting would allow it, but not as
// often as somebody asks.
func TestPeerRefusedIsLogged(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	s := start(t, func(o *Options) { o.Logger = zap.New(core) })
	for range 5 {
		if s.permit(&net.UDPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 1}, net.IPv4(10, 0, 0, 1)) {
			t.Fatal("permitted")
		}
	}
	lines := logged.FilterMessage(EventPeerRefused).All()
	if len(lines) != 1 || s.Stats.PeersRefused.Load() != 5 {
		t.Fatalf("%d lines", len(lines))
	}
	if f := lines[0].ContextMap(); f["remote"] != "203.0.113.7" || f["peer"] != "10.0.0.1" || f["setting"] != "turn-allow-peer" {
		t.Errorf("%v", f)
	}
}

// What can't work is refused with an error; what is left open has a default.
func TestOptions(t *testing.T) {
	whole := func() Options {
		return Options{Listen: "127.0.0.1:0", PublicIPs: []netip.Addr{loopback4}, Secrets: only(secret)}
	}
	s, err := New(whole())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Options){
		"nothing":              func(o *Options) { *o = Options{} },
		"no listener":          func(o *Options) { o.Listen = "" },
		"no address":           func(o *Options) { o.PublicIPs = nil },
		"two of one family":    func(o *Options) { o.PublicIPs = append(o.PublicIPs, netip.MustParseAddr("203.0.113.7")) },
		"no secret":            func(o *Options) { o.Secrets = nil },
		"TLS without a config": func(o *Options) { o.TLSListen = "127.0.0.1:0" },
		"ports":                func(o *Options) { o.PortMin, o.PortMax = 2000, 1000 },
	} {
		o := whole()
		change(&o)
		if s, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
			_ = s.Close()
		}
	}
}

func TestParsePorts(t *testing.T) {
	if low, high, err := ParsePorts("1000-2000"); low != 1000 || high != 2000 || err != nil {
		t.Errorf("%d %d %v", low, high, err)
	}
	if low, high, err := ParsePorts("1000-1000"); low != 1000 || high != 1000 || err != nil {
		t.Errorf("one port: %d %d %v", low, high, err)
	}
	for _, text := range []string{"", "1000", "0-10", "2-1", "1-70000", "1-2-3", "a-b", " 1-2", "-1-2"} {
		if _, _, err := ParsePorts(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestURLs(t *testing.T) {
	s := start(t, func(o *Options) { o.Host = "turn.example.org" })
	urls := s.URLs()
	if len(urls) != 2 || !strings.HasPrefix(urls[0], "turn:turn.example.org:") || !strings.HasSuffix(urls[1], "?transport=tcp") {
		t.Errorf("%q", urls)
	}
	if _, err := ice.New(nil, urls, only(secret), time.Hour); err != nil {
		t.Error(err)
	}
}

// Relayed addresses have ports of the range, however small it is.
func TestPortsAreOfTheRange(t *testing.T) {
	low := echo(t).LocalAddr().(*net.UDPAddr).Port // is taken; the next one is free, as a rule
	s := start(t, func(o *Options) { o.PortMin, o.PortMax = uint16(low), uint16(low)+1 })
	for range 20 {
		socket, port, err := s.relays.open("udp4", s.options.PublicIPs[0], 0)
		if err != nil {
			t.Skip(err)
		}
		if at := socket.LocalAddr().(*net.UDPAddr).Port; at != int(port) || at != low+1 {
			t.Errorf("port %d, said to be %d, of %d to %d", at, port, low, low+1)
		}
		_ = socket.Close()
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

// What is given back can be had again, and no more; addresses and ids without
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

// TLS alone is enough, and so is one port for relayed addresses.
func TestLeastOptions(t *testing.T) {
	s := start(t, func(o *Options) {
		o.Listen, o.TLSListen, o.TLS = "", "127.0.0.1:0", &tls.Config{}
		o.PortMin, o.PortMax = 2000, 2000
	})
	if urls := s.URLs(); len(urls) != 1 || !strings.HasPrefix(urls[0], "turns:127.0.0.1:") {
		t.Errorf("%q", urls)
	}
}

// However few ports there are, no client address gets them all.
func TestPortsForOthers(t *testing.T) {
	for _, c := range []struct{ ports, limit, want int }{
		{16384, 1000, 1000}, {100, 1000, 50}, {3, 1000, 2}, {2, 1000, 1}, {1, 1000, 1}, {100, 10, 10}, {100, 0, 0},
	} {
		o := Options{PortMin: 40000, PortMax: uint16(40000 + c.ports - 1), MaxPerAddress: c.limit}
		if got := o.perAddress(); got != c.want {
			t.Errorf("%d ports, limit %d: %d for one address, want %d", c.ports, c.limit, got, c.want)
		}
	}
}
