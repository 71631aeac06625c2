package relay

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/ice"
)

// Options that can't work are refused with an error; options that are not set have a default.
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
