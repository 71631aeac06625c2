package doctor

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/relay"
)

const secret = "north wind"

// startRelay runs the daemon's TURN server over UDP, TCP and TLS.
func startRelay(t *testing.T, change func(*relay.Options)) *relay.Server {
	t.Helper()
	var none *authority
	o := relay.Options{
		Listen: "127.0.0.1:0", PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, PortMin: 1024, PortMax: 65535,
		Secrets: func() [][]byte { return [][]byte{[]byte(secret)} }, TLSListen: "127.0.0.1:0", Host: "127.0.0.1",
		TLS: &tls.Config{Certificates: []tls.Certificate{none.issue(t, nil).chain()}},
	}
	if change != nil {
		change(&o)
	}
	s, err := relay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Relays that work are found to work over each transport.
func TestRelays(t *testing.T) {
	var none *authority
	own := none.issue(t, nil)
	server := startRelay(t, func(o *relay.Options) { o.TLS.Certificates = []tls.Certificate{own.chain()} })
	found := site{ice: server.URLs(), secret: secret, visit: func(v *visit) {
		v.Roots.AddCert(own.certificate)
		v.Quiet = 2 * time.Second
	}}.look(t)
	for check, want := range map[string]string{
		CheckCertificate: "valid", CheckPage: "there", CheckWebSocket: "opens", CheckOrigin: "others may not", CheckJoin: "joined",
		CheckPings: "answered", CheckMessages: "65536", CheckICE: "3 URLs", CheckSTUN: "127.0.0.1",
		CheckTURNUDP: "transport=udp relays", CheckTURNTCP: "transport=tcp relays", CheckTURNTLS: "relays", CheckQuiet: "a ping of the server came",
	} {
		wantFinding(t, found, check, OK, want, "")
	}
}

// The doctor tells why a relay does not work.
func TestBrokenRelays(t *testing.T) {
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	server, narrow := startRelay(t, nil), startRelay(t, func(o *relay.Options) { o.MaxAllocations = 1 })
	soon := func(v *visit) { v.Quiet, v.Timeout = 0, silence }
	unwilling := deaf(t)
	for _, c := range []struct {
		name           string
		site           site
		check          string
		reason, advice string
	}{
		{"nothing answers STUN", site{ice: []string{"stun:" + silent.LocalAddr().String()}, visit: soon}, CheckSTUN, "no answer", "UDP port"},
		{"nothing answers over UDP", site{ice: []string{"turn:" + silent.LocalAddr().String()}, secret: secret, visit: soon}, CheckTURNUDP, "no relay", "Open port"},
		{"nobody listens on TCP", site{ice: []string{"turn:" + closed.Addr().String() + "?transport=tcp"}, secret: secret, visit: soon}, CheckTURNTCP, "refused", "Open port"},
		{"nobody listens on TLS", site{ice: []string{"turns:" + closed.Addr().String()}, secret: secret, visit: soon}, CheckTURNTLS, "refused", "Open port"},
		{"the certificate is of nobody", site{ice: server.URLs(), secret: secret, visit: soon}, CheckTURNTLS, "certificate", "--turn-host"},
		{"another secret", site{ice: server.URLs(), secret: "south wind", visit: soon}, CheckTURNUDP, "no relay", "--turn-secret-file"},
		{"a quota of one", site{ice: narrow.URLs(), secret: secret, visit: soon}, CheckTURNUDP, "only one relay", "--turn-max-allocations"},
		{"nothing is relayed", site{ice: []string{unwilling}, secret: secret, visit: soon}, CheckTURNUDP, "nothing comes through", "--turn-port-range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantFinding(t, c.site.look(t), c.check, Problem, c.reason, c.advice)
		})
	}
}

// deaf runs a TURN server that gives relays and permits nobody to use them, and returns its
// URL.
func deaf(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm:         relay.Realm,
		LoggerFactory: &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, relay.Realm, ice.Password([]byte(secret), a.Username)), true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"},
			PermissionHandler:     func(net.Addr, net.IP) bool { return false },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return "turn:" + conn.LocalAddr().String()
}

// Addresses that only the server's own network reaches are found on a public server, and
// are right on a private one.
func TestPrivateAddresses(t *testing.T) {
	for _, c := range []struct {
		host  string
		local bool
		found bool
	}{{"meet.example.org", false, true}, {"203.0.113.7", false, true}, {"192.168.1.2", false, false}, {"localhost", true, false}} {
		var found []Finding
		v, err := newVisit(Options{URL: c.host}, func(f Finding) { found = append(found, f) })
		if err != nil {
			t.Fatal(err)
		}
		v.local = c.local
		var all []endpoint
		for _, url := range []string{"turn:10.0.0.7:3478", "turn:203.0.113.7", "turns:turn.example.org", "stun:[2001:db8::1]:3478"} {
			e, err := parse(url, iceServer{})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		v.checkPrivate(all)
		if (len(found) == 1 && strings.Contains(found[0].Reason, "10.0.0.7")) != c.found || !c.found && len(found) > 0 {
			t.Errorf("%s: %+v", c.host, found)
		}
	}
}

func TestParse(t *testing.T) {
	for url, want := range map[string][3]string{
		"stun:example.org":                    {"example.org", "3478", "udp"},
		"turn:example.org:80?transport=tcp":   {"example.org", "80", "tcp"},
		"turn:example.org?transport=udp":      {"example.org", "3478", "udp"},
		"turns:example.org":                   {"example.org", "5349", "tls"},
		"turns:example.org:443?transport=tcp": {"example.org", "443", "tls"},
		"turn:[2001:db8::1]:3479":             {"2001:db8::1", "3479", "udp"},
		"turn:[2001:db8::1]":                  {"2001:db8::1", "3478", "udp"},
		"http://example.org":                  {},
		"turn:":                               {},
		"example.org":                         {},
	} {
		e, err := parse(url, iceServer{})
		if got := [3]string{e.host, e.port, e.transport}; (err != nil) != (want[0] == "") || err == nil && got != want {
			t.Errorf("%s: %v %v, want %v", url, got, err, want)
		}
	}
}
