package clientip

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

const (
	xff  = "X-Forwarded-For"
	fwd  = "Forwarded"
	real = "X-Real-IP"
)

func TestOf(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.0/8", "192.0.2.1", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, peer string
		headers    http.Header
		want       string
	}{
		{"no proxy", "203.0.113.5:1", nil, "203.0.113.5"},
		{"a peer that is not trusted", "203.0.113.5:1", header(xff, "198.51.100.1", real, "198.51.100.1"), "203.0.113.5"},
		{"mapped", "[::ffff:203.0.113.5]:1", nil, "203.0.113.5"},
		{"mapped proxy", "[::ffff:10.0.0.1]:1", header(xff, "198.51.100.1"), "198.51.100.1"},
		{"zone", "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"nothing said", "10.0.0.1:1", nil, "10.0.0.1"},

		{"one proxy", "10.0.0.1:1", header(xff, "198.51.100.1"), "198.51.100.1"},
		{"what the client wrote itself does not count", "10.0.0.1:1", header(xff, "1.1.1.1, 198.51.100.1"), "198.51.100.1"},
		{"in two lines", "10.0.0.1:1", header(xff, "1.1.1.1", xff, "198.51.100.1"), "198.51.100.1"},
		{"two proxies", "10.0.0.1:1", header(xff, "1.1.1.1, 198.51.100.1, 192.0.2.1"), "198.51.100.1"},
		{"proxies only", "10.0.0.1:1", header(xff, "10.0.0.3, 10.0.0.2"), "10.0.0.3"},
		{"nonsense", "10.0.0.1:1", header(xff, "unknown"), "10.0.0.1"},
		{"empty", "10.0.0.1:1", header(xff, ""), "10.0.0.1"},
		{"unspecified", "10.0.0.1:1", header(xff, "0.0.0.0"), "10.0.0.1"},
		{"nonsense before a proxy", "10.0.0.1:1", header(xff, "x, 10.0.0.2"), "10.0.0.2"},
		{"with a port", "10.0.0.1:1", header(xff, "198.51.100.1:4711"), "198.51.100.1"},
		{"IPv6", "[fd00::1]:1", header(xff, "2001:db8::7"), "2001:db8::7"},

		{"Forwarded", "10.0.0.1:1", header(fwd, "for=1.1.1.1, for=198.51.100.1;proto=https"), "198.51.100.1"},
		{"Forwarded, IPv6 with a port", "10.0.0.1:1", header(fwd, `proto=https;For="[2001:db8::7]:4711"`), "2001:db8::7"},
		{"Forwarded, brackets without quotes", "10.0.0.1:1", header(fwd, `for=[2001:db8::7]`), "2001:db8::7"},
		{"Forwarded, hidden", "10.0.0.1:1", header(fwd, "for=_hidden"), "10.0.0.1"},
		{"Forwarded, without for", "10.0.0.1:1", header(fwd, "proto=https"), "10.0.0.1"},
		{"Forwarded, comma in quotes", "10.0.0.1:1", header(fwd, `for=198.51.100.9;proto=https;host="x,for=6.6.6.6"`), "198.51.100.9"},
		{"Forwarded, comma and semicolon in quotes", "10.0.0.1:1", header(fwd, `for=198.51.100.9;host="x,for=6.6.6.6;y=1"`), "198.51.100.9"},
		{"Forwarded, escaped quote", "10.0.0.1:1", header(fwd, `for=198.51.100.9;host="x\",for=6.6.6.6;y=\""`), "198.51.100.9"},
		{"Forwarded, open quote", "10.0.0.1:1", header(fwd, `for=198.51.100.9;host="x,for=6.6.6.6`), "10.0.0.1"},
		{"Forwarded, open escape", "10.0.0.1:1", header(fwd, `for=198.51.100.9;host="x\`), "10.0.0.1"},
		{"Forwarded, for twice", "10.0.0.1:1", header(fwd, `for=198.51.100.9;for=6.6.6.6`), "10.0.0.1"},
		{"Forwarded, more behind a value", "10.0.0.1:1", header(fwd, `for="198.51.100.9"6`), "10.0.0.1"},
		{"Forwarded, no value", "10.0.0.1:1", header(fwd, `for=`), "10.0.0.1"},
		{"Forwarded, open list", "10.0.0.1:1", header(fwd, `for=198.51.100.9,`), "10.0.0.1"},

		{"X-Real-IP", "10.0.0.1:1", header(real, " 198.51.100.1"), "198.51.100.1"},
		{"X-Real-IP twice", "10.0.0.1:1", header(real, "6.6.6.6", real, "198.51.100.1"), "10.0.0.1"},
		{"X-Real-IP with a list", "10.0.0.1:1", header(real, "6.6.6.6, 198.51.100.1"), "10.0.0.1"},

		{"two headers that differ", "10.0.0.1:1", header(xff, "198.51.100.1", fwd, "for=1.1.1.1"), "10.0.0.1"},
		{"two others that differ", "10.0.0.1:1", header(xff, "198.51.100.1", real, "1.1.1.1"), "10.0.0.1"},
		{"two headers that agree", "10.0.0.1:1", header(xff, "1.1.1.1, 198.51.100.1", real, "198.51.100.1"), "198.51.100.1"},
		{"the third differs", "10.0.0.1:1", header(xff, "198.51.100.1", fwd, "for=198.51.100.1", real, "1.1.1.1"), "10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: c.headers}
			if got := proxies.Of(r).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A peer on a Unix socket has no address, and is a proxy only if that is said.
func TestUnixSocket(t *testing.T) {
	r := &http.Request{RemoteAddr: "@", Header: header(xff, "198.51.100.1")}
	if got := new(Proxies).Of(r); got.IsValid() {
		t.Errorf("got %s", got)
	}
	trusted, err := ParseProxies([]string{"unix"})
	if err != nil {
		t.Fatal(err)
	}
	if got := trusted.Of(r).String(); got != "198.51.100.1" {
		t.Errorf("got %s", got)
	}
	r.Header = header(xff, "unknown")
	if got := trusted.Of(r); got.IsValid() {
		t.Errorf("got %s", got)
	}
}

// The address that a listener learned counts as the peer's.
func TestWithPeer(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for peer, want := range map[string]string{"198.51.100.1": "198.51.100.1", "10.0.0.1": "203.0.113.9"} {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: header(xff, "203.0.113.9")}
		r = r.WithContext(WithPeer(t.Context(), netip.MustParseAddr(peer)))
		if got := proxies.Of(r).String(); got != want {
			t.Errorf("peer %s: got %s, want %s", peer, got, want)
		}
	}
}

func TestParseProxies(t *testing.T) {
	for _, bad := range []string{"", "x", "10.0.0.0/33", "10.0.0", "::1/x", "Unix", "fe80::1%eth0"} {
		if _, err := ParseProxies([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	p, err := ParseProxies([]string{"::ffff:10.0.0.1", "10.1.2.3/16"})
	if err != nil || p.Unix || !p.Trusts(netip.MustParseAddr("10.0.0.1")) || !p.Trusts(netip.MustParseAddr("10.1.0.0")) ||
		p.Trusts(netip.MustParseAddr("10.0.0.2")) {
		t.Errorf("%+v %v", p, err)
	}
}

func TestForwardedFor(t *testing.T) {
	for text, want := range map[string]string{
		`for=a`: "[a]", `for=a;by=b, for="c d"`: "[a c d]", `by=b`: "[]", "for=a\t;\tby=b\t,\tfor=c": "[a c]", `FOR="\a\"b"`: `[a"b]`,
		`for=;by=b`: "", `=a`: "", `for`: "", ``: "", `for=a b`: "", "for=a\x7f": "", `for="a`: "", `for=a;`: "", `for=a,`: "", `for=a for=b`: "",
		`for =a`: "", `for= a`: "", "for=\u00e4": "",
	} {
		list, ok := forwardedFor([]string{text})
		if got := fmt.Sprint(list); ok && got != want || ok != (want != "") {
			t.Errorf("%s: %q %v", text, list, ok)
		}
	}
	if list, ok := forwardedFor([]string{"for=a", "for=b, for=c"}); fmt.Sprint(list) != "[a b c]" || !ok {
		t.Errorf("two lines: %q", list)
	}
	if _, ok := forwardedFor([]string{"for=a", "for"}); ok {
		t.Error("a bad line behind a good one")
	}
}

// Whatever a header says, the parser gives a value for each element or none at all.
func FuzzForwarded(f *testing.F) {
	f.Add(`for=198.51.100.9;host="x\",for=6.6.6.6;y=\"", for="[::1]:1"`)
	f.Fuzz(func(t *testing.T, text string) {
		list, ok := forwardedFor([]string{text})
		if ok == (len(list) == 0) {
			t.Errorf("%q: %q %v", text, list, ok)
		}
	})
}
