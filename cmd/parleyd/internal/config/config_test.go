package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func none(string) (string, bool) { return "", false }

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parley.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	c, err := Load(nil, none)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen[0] != ":8080" || c.AdminListen != "127.0.0.1:8081" || c.MaxMessageBytes != 65536 || c.MaxRoomMembers != 100 ||
		c.QueueBytes != 1048576 || c.Rate != 200 || c.Burst != 1000 ||
		c.RateBytes != 1048576 || c.BurstBytes != 4194304 || c.RateChanges != 5 || c.BurstChanges != 50 || c.PingInterval != 25*time.Second || c.LogLevel != "info" {
		t.Errorf("%+v", c)
	}
}

// A flag wins over the environment, and that over the file.
func TestWeight(t *testing.T) {
	path := file(t, "rate: 1\nburst: 1\nmax-rooms: 1\nallow-origin: [a, b]\nice-server: stun:example.org\nping-interval: 5s\n")
	c, err := Load([]string{"--config", path, "--rate", "3"}, environment(map[string]string{
		"PARLEY_RATE": "2", "PARLEY_BURST": "2", "PARLEY_ICE_SERVER": "stun:a.org,stun:b.org", "PARLEY_UNKNOWN": "x",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Rate != 3 || c.Burst != 2 || c.MaxRooms != 1 {
		t.Errorf("rate %d, burst %d, max-rooms %d", c.Rate, c.Burst, c.MaxRooms)
	}
	if len(c.AllowOrigins) != 2 || len(c.ICEServers) != 2 || c.ICEServers[1] != "stun:b.org" || c.PingInterval != 5*time.Second {
		t.Errorf("%+v", c)
	}
	byEnvironment, err := Load(nil, environment(map[string]string{"PARLEY_CONFIG": path}))
	if err != nil || byEnvironment.Rate != 1 {
		t.Errorf("PARLEY_CONFIG: %v, %+v", err, byEnvironment)
	}
}

// A wrong setting is told in one line that names it.
func TestBadSettings(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		yaml string
		want string
	}{
		{"unknown flag", []string{"--colour"}, nil, "", "--colour"},
		{"flag without a value", []string{"--listen"}, nil, "", "--listen"},
		{"an argument", []string{"start"}, nil, "", `"start"`},
		{"number", []string{"--rate", "x"}, nil, "", "--rate"},
		{"negative", []string{"--max-rooms", "-1"}, nil, "", "max-rooms: -1"},
		{"address", []string{"--listen", "8080"}, nil, "", "listen"},
		{"port", []string{"--listen", ":99999"}, nil, "", "listen"},
		{"a second address", []string{"--listen", ":1", "--listen", "8080"}, nil, "", "listen"},
		{"socket without a path", []string{"--listen", "unix:"}, nil, "", "listen"},
		{"no address", nil, nil, "listen: []\n", "listen"},
		{"base path", []string{"--base-path", "parley"}, nil, "", "base-path"},
		{"base path that goes up", []string{"--base-path", "/a/../b"}, nil, "", "base-path"},
		{"base path with a query", []string{"--base-path", "/a?b"}, nil, "", "base-path"},
		{"ancestor without a scheme", []string{"--frame-ancestor", "portal.example.org"}, nil, "", "frame-ancestor"},
		{"ancestor with more behind", []string{"--frame-ancestor", "https://a.org; script-src *"}, nil, "", "frame-ancestor"},
		{"admin address", []string{"--admin-listen", "x"}, nil, "", "admin-listen"},
		{"duration", []string{"--ping-timeout", "0s"}, nil, "", "ping-timeout"},
		{"duration without a unit", []string{"--ping-timeout", "5"}, nil, "", "ping-timeout"},
		{"message size", []string{"--max-message-bytes", "0"}, nil, "", "max-message-bytes"},
		{"queue smaller than a message", []string{"--queue-bytes", "65536"}, nil, "", "max-message-bytes and"},
		{"admin listener for everybody", []string{"--admin-listen", ":8081"}, nil, "", "admin-token-file"},
		{"trusted proxy", []string{"--trusted-proxy", "proxy"}, nil, "", "trusted-proxy"},
		{"proxy header of nobody", []string{"--proxy-protocol"}, nil, "", "trusted-proxy"},
		{"connections of an address", []string{"--max-connections-per-ip", "-1"}, nil, "", "max-connections-per-ip"},
		{"burst", []string{"--burst", "0"}, nil, "", "burst"},
		{"origin with a slash", []string{"--allow-origin", "https://app.example.org/"}, nil, "", "slash"},
		{"rate of bytes", []string{"--rate-bytes", "-1"}, nil, "", "rate-bytes"},
		{"burst of bytes", []string{"--burst-bytes", "0"}, nil, "", "burst-bytes"},
		{"rate of changes", []string{"--rate-changes", "-1"}, nil, "", "rate-changes"},
		{"burst of changes", []string{"--burst-changes", "0"}, nil, "", "burst-changes"},
		{"certificate without a key", []string{"--tls-cert", "x"}, nil, "", "tls-key"},
		{"certificate for an address", []string{"--acme-domain", "203.0.113.7"}, nil, "", "host name"},
		{"certificate for all names", []string{"--acme-domain", "*.example.org"}, nil, "", "list each name"},
		{"certificate twice", []string{"--acme-domain", "a.example.org", "--acme-domain", "A.example.org"}, nil, "", "twice"},
		{"certificates from two sides", []string{"--acme-domain", "a.example.org", "--tls-cert", "x", "--tls-key", "y"}, nil, "", "exclude"},
		{"authority without TLS", []string{"--acme-domain", "a.example.org", "--acme-directory", "http://a.org/dir"}, nil, "", "https"},
		{"authority for nothing", []string{"--acme-email", "ann@example.org"}, nil, "", "acme-domain"},
		{"mail address without a host", []string{"--acme-domain", "a.example.org", "--acme-email", "ann"}, nil, "", "acme-email"},
		{"mail address with a name", []string{"--acme-domain", "a.example.org", "--acme-email", "Ann <ann@example.org>"}, nil, "", "acme-email"},
		{"redirect to nowhere", []string{"--redirect-listen", ":80"}, nil, "", "acme-domain"},
		{"pattern", []string{"--allow-origin", "["}, nil, "", "allow-origin"},
		{"origin with a path", []string{"--allow-origin", "https://app.example.org/"}, nil, "", "leave it out"},
		{"host with a path", []string{"--allow-origin", "app.example.org/x"}, nil, "", "leave out"},
		{"log level", []string{"--log-level", "loud"}, nil, "", "log-level"},
		{"log format", []string{"--log-format", "xml"}, nil, "", "log-format"},
		{"secret for nothing", []string{"--turn-secret-file", "x"}, nil, "", "turn-secret-file"},
		{"short secret for nothing", []string{"--auth-issuer", "x"}, nil, "", "auth-secret-file"},
		{"path without a slash", []string{"--peerjs", "peer"}, nil, "", "peerjs"},
		{"path with a query", []string{"--ayame", "/a?b"}, nil, "", "ayame"},
		{"path that goes up", []string{"--webtorrent", "/a/../b"}, nil, "", "webtorrent"},
		{"path of the daemon", []string{"--y-webrtc", "/ws"}, nil, "", "y-webrtc"},
		{"path of the tracker's figures", []string{"--webtorrent", "/", "--ayame", "/stats"}, nil, "", "ayame"},
		{"figures at another's path", []string{"--y-webrtc", "/t/stats.json", "--webtorrent", "/t"}, nil, "", "webtorrent"},
		{"path of two", []string{"--y-webrtc", "/a", "--ayame", "/a/"}, nil, "", "ayame"},
		{"path of PeerJS", []string{"--peerjs", "/a", "--ayame", "/a/peerjs"}, nil, "", "ayame"},
		{"key for nothing", []string{"--peerjs-key", "k"}, nil, "", "peerjs"},
		{"no topics", []string{"--y-webrtc-topics", "0"}, nil, "", "y-webrtc-topics"},
		{"too many topics", []string{"--y-webrtc-topics", "1001"}, nil, "", "y-webrtc-topics"},
		{"too many swarms", []string{"--webtorrent-swarms", "1001"}, nil, "", "webtorrent-swarms"},
		{"a swarm of one", []string{"--webtorrent-peers", "1"}, nil, "", "webtorrent-peers"},
		{"a topic of one", []string{"--y-webrtc-clients", "1"}, nil, "", "y-webrtc-clients"},
		{"no offers", []string{"--webtorrent-offers", "0"}, nil, "", "webtorrent-offers"},
		{"no announce interval", []string{"--webtorrent-interval", "0"}, nil, "", "webtorrent-interval"},
		{"no time to expire", []string{"--peerjs-expire", "1ms"}, nil, "", "peerjs-expire"},
		{"empty key", []string{"--peerjs", "/", "--peerjs-key", ""}, nil, "", "peerjs-key"},
		{"Ayame webhook for nothing", []string{"--ayame-authn-webhook", "http://a.org"}, nil, "", "ayame"},
		{"Ayame webhook that is no URL", []string{"--ayame", "/a", "--ayame-disconnect-webhook", "a.org"}, nil, "", "ayame-disconnect-webhook"},
		{"webhook without a secret", []string{"--event-webhook", "http://a.org"}, nil, "", "webhook-secret-file"},
		{"webhook that is no URL", []string{"--join-webhook", "a.org", "--webhook-secret-file", "x"}, nil, "", "join-webhook"},
		{"patient webhook", []string{"--join-webhook-timeout", "1m"}, nil, "", "join-webhook-timeout"},
		{"TURN for nobody", []string{"--turn-listen", ":3478"}, nil, "", "turn-public-ip"},
		{"TURN address", []string{"--turn-listen", ":3478", "--turn-public-ip", "turn.example.org"}, nil, "", "turn-public-ip"},
		{"TURN addresses of one family", []string{"--turn-public-ip", "203.0.113.7", "--turn-public-ip", "203.0.113.8"}, nil, "", "second of its family"},
		{"TURN address that is found, and another", []string{"--turn-public-ip", "auto", "--turn-public-ip", "203.0.113.8"}, nil, "", "combined"},
		{"TURN over TLS without a certificate", []string{"--turn-tls-listen", "127.0.0.1:5349"}, nil, "", "tls-cert"},
		{"TURN ports", []string{"--turn-port-range", "2000-1000"}, nil, "", "turn-port-range"},
		{"TURN ports with more behind", []string{"--turn-port-range", "1000-2000x"}, nil, "", "turn-port-range"},
		{"TURN peer", []string{"--turn-allow-peer", "x"}, nil, "", "turn-allow-peer"},
		{"cluster without peers", []string{"--cluster-listen", "127.0.0.1:6222"}, nil, "", "cluster-peer"},
		{"cluster of two", []string{"--cluster-listen", "127.0.0.1:6222", "--cluster-peer", "127.0.0.1:6223"}, nil, "", "third"},
		{"cluster without a folder", []string{
			"--cluster-listen", ":6222", "--cluster-peer", "parleyd:6222", "--cluster-secret-file", "x",
		}, nil, "", "cluster-dir"},
		{"cluster-peer with an external NATS", []string{"--cluster-nats", "nats://x", "--cluster-peer", "a:6222"}, nil, "", "cluster-peer goes with cluster-listen"},
		{"certificate without an authority for NATS", []string{"--cluster-nats", "nats://x", "--cluster-tls-cert", "a", "--cluster-tls-key", "b"}, nil, "", "cluster-tls-ca"},
		{"authority for no cluster", []string{"--cluster-tls-ca", "a"}, nil, "", "cluster-tls-ca"},
		{"direct connections of no cluster", []string{"--cluster-direct-listen", "127.0.0.1:0"}, nil, "", "cluster-direct-listen"},
		{"direct connections nowhere", []string{"--cluster-nats", "nats://x", "--cluster-direct-listen", "here"}, nil, "", "cluster-direct-listen"},
		{"direct connections that none leads to", []string{"--cluster-nats", "nats://x", "--cluster-direct-advertise", "a:1"}, nil, "", "cluster-direct-listen"},
		{"TURN settings for nothing", []string{"--turn-host", "x"}, nil, "", "turn-listen"},
		{"room that can't be", nil, nil, "rooms: {' a': {max-members: 3}}\n", "neither a room's name"},
		{"rooms as a list", nil, nil, "rooms: [a]\n", "mapping"},
		{"room with an unknown setting", nil, nil, "rooms: {a: {size: 3}}\n", `"size"; a rule has max-members`},
		{"room twice", nil, nil, "rooms: {a: {}, a: {}}\n", "twice"},
		{"capacity of a room", nil, nil, "rooms: {a: {max-members: few}}\n", "max-members"},
		{"tokens for a room without keys", nil, nil, "rooms: {a: {token: required}}\n", "auth-secret-file"},
		{"passcode in the clear", nil, nil, "rooms: {a: {passcode: 1234}}\n", "bcrypt"},
		{"passcode beside tokens", nil, nil, "auth-secret-file: x\nrooms: {a: {token: required, passcode: x}}\n", "all need one"},
		{"environment", nil, map[string]string{"PARLEY_RATE": "fast"}, "", "PARLEY_RATE"},
		{"missing file", []string{"--config", "/no/such/file"}, nil, "", "/no/such/file"},
		{"unknown key", nil, nil, "rates: 1\n", "unknown setting \"rates\"; see parleyd --help"},
		{"a command as key", nil, nil, "version: true\n", "unknown setting \"version\""},
		{"bad value", nil, nil, "listen: :1\nrate: fast\n", ":2: rate"},
		{"list for a number", nil, nil, "rate: [1]\nburst: [1, 2]\n", ":2: burst"},
		{"null", nil, nil, "rate:\n", "rate"},
		{"mapping", nil, nil, "rate: {a: 1}\n", "rate"},
		{"nested list", nil, nil, "allow-origin: [[a]]\n", "allow-origin"},
		{"key twice", nil, nil, "rate: 1\nrate: 2\n", "twice"},
		{"not a mapping", nil, nil, "- rate\n", "not a mapping"},
		{"not YAML", nil, nil, "rate: [\n", "yaml"},
		{"two documents", nil, nil, "rate: 1\n---\nrate: 2\n", "more than one document"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.yaml != "" {
				args = append(args, "--config", file(t, c.yaml))
			}
			_, err := Load(args, environment(c.env))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with %q", err, c.want)
			}
		})
	}
}

// A variable that looks like a setting and is none is a mistake, unless somebody
// else has set it.
func TestEnvironment(t *testing.T) {
	for text, want := range map[string]bool{
		"PARLEY_LISTEN=:1": true, "PARLEY_MAX_ROOMS=1": true, "PARLEY_CONFIG=x": true, "PARLEY_VERSION=1": true, "LISTENS=x": true, "PARLEY=x": true,
		"PARLEY_ADMIN_URL=http://x": true, "PARLEY_PORT=tcp://10.0.0.1:8080": true, "PARLEY_SERVICE_HOST=10.0.0.1": true,
		"PARLEY_SERVICE_PORT_HTTP=8080": true, "PARLEY_PORT_8080_TCP_ADDR=10.0.0.1": true, "PARLEY_ADMIN_SERVICE_PORT=8081": true,
		"PARLEY_LISTENS=x": false, "PARLEY_=x": false, "PARLEY_listen=x": false, "PARLEY_MAX-ROOMS=1": false, "PARLEY_ADMIN_TOKEN=x": false,
		"PARLEY_PORT=8090": false, "PARLEY_ADMIN_PORT=8091": false, "PARLEY_PORT=": false,
	} {
		err := New().CheckEnvironment([]string{"PATH=/bin", text})
		name, _, _ := strings.Cut(text, "=")
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), name+": unknown setting; see parleyd --help") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "null\n"} {
		if _, err := Load([]string{"--config", file(t, text)}, none); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestRooms(t *testing.T) {
	hash := "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
	c, err := Load([]string{"--config", file(t, "rooms:\n  board: {max-members: 3, passcode: "+hash+"}\n  team-*: {token: optional}\nauth-jwks: x\n")}, none)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Rooms.For("board"); r.MaxMembers != 3 || r.Passcode != hash {
		t.Errorf("%+v", r)
	}
	if r := c.Rooms.For("team-a"); r.Token != "optional" {
		t.Errorf("%+v", r)
	}
}

// The settings that are shown have no secret in them.
func TestEffective(t *testing.T) {
	hash := "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
	c, err := Load([]string{
		"--join-webhook", "https://user:hidden@a.org/x?key=hidden", "--webhook-secret-file", "f", "--allow-origin", "a",
		"--cluster-nats", "nats://parley:hidden@nats.example.org:4222", "--cluster-nats", "nats://b.org", "--node", "a",
		"--auth-jwks", "https://user:hidden@a.org/jwks?key=hidden",
		"--ayame", "/a", "--ayame-authn-webhook", "https://user:hidden@a.org/x?key=hidden",
		"--config", file(t, "rooms: {board: {passcode: "+hash+"}}\n"),
	}, none)
	if err != nil {
		t.Fatal(err)
	}
	e := c.Effective()
	text := fmt.Sprint(e)
	if strings.Contains(text, "hidden") || strings.Contains(text, hash) || e["join-webhook"] != "https://a.org/x" {
		t.Error(text)
	}
	if fmt.Sprint(e["cluster-nats"]) != "[nats://nats.example.org:4222 nats://b.org]" || e["auth-jwks"] != "https://a.org/jwks" {
		t.Error(text)
	}
	if fmt.Sprint(e["allow-origin"]) != "[a]" || e["rate"] != "200" {
		t.Error(text)
	}
}

// FuzzFile sees that no file does more than fail with one line.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{"rate: 1\n", "rooms: {a*: {max-members: 3}}\n", "allow-origin: [a, b]\n", "a: &a [*a]\n", "? [x]\n: y\n", "---\n--- x\n", "rate: !!int 5\n", "\x00", "%YAML 1.1\n---\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := New().decode("f.yaml", strings.NewReader(text))
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q", text, err)
		}
	})
}

// A host name is enough for HTTPS on the usual ports; what is given stays.
func TestPublicServer(t *testing.T) {
	for _, c := range []struct {
		name, listen, redirect, dir string
		args                        []string
	}{
		{"name alone", ":443", ":80", "/state/acme", nil},
		{"other ports", ":8443", ":8080", "/state/acme", []string{"--listen", ":8443", "--redirect-listen", ":8080"}},
		{"no redirect", ":443", "", "/state/acme", []string{"--redirect-listen", ""}},
		{"the default's port", ":8080", ":80", "/state/acme", []string{"--listen", ":8080"}},
		{"folder", ":443", ":80", "/x", []string{"--acme-dir", "/x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Load(append([]string{"--acme-domain", "Meet.example.org", "--state-dir", "/state"}, c.args...), none)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Listen) != 1 || got.Listen[0] != c.listen || got.Redirect != c.redirect || got.ACME.Dir != c.dir || got.ACME.Domains[0] != "meet.example.org" {
				t.Errorf("%q %q %+v", got.Listen, got.Redirect, got.ACME)
			}
		})
	}
}

// With a host name and a public address the TURN server is on its usual port, and beside
// the page.
func TestPublicTURN(t *testing.T) {
	for _, c := range []struct {
		name, listen, secure, host string
		args                       []string
	}{
		{"with certificates", ":3478", ":443", "meet.example.org", []string{"--acme-domain", "meet.example.org"}},
		{"with another port for TLS", ":3478", ":5349", "turn.example.org", []string{
			"--acme-domain", "meet.example.org", "--turn-listen", ":3478", "--turn-tls-listen", ":5349", "--turn-host", "turn.example.org",
		}},
		{"without UDP", "", ":443", "meet.example.org", []string{"--acme-domain", "meet.example.org", "--turn-listen", "", "--turn-tls-listen", ":443"}},
		{"without TLS", ":3478", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Load(append([]string{"--turn-public-ip", "203.0.113.7", "--state-dir", "/state"}, c.args...), none)
			if err != nil {
				t.Fatal(err)
			}
			if got.TURN.Listen != c.listen || got.TURN.TLSListen != c.secure || got.TURN.Host != c.host {
				t.Errorf("%+v", got.TURN)
			}
			if want := c.secure == ":443"; got.Shares() != want {
				t.Errorf("one port: %v", !want)
			}
		})
	}
}
