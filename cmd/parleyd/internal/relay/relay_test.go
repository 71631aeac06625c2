package relay

import (
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
