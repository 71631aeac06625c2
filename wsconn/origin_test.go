package wsconn

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Pages of the same host may connect, and those that a pattern allows.
func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		name, host, origin string
		patterns           string // separated by spaces
		want               bool
	}{
		{"no page", "a.example", "", "", true},
		{"same host, http", "a.example", "http://a.example", "", true},
		{"same host, https", "a.example", "https://a.example", "", true},
		{"same host and port", "a.example:8080", "http://a.example:8080", "", true},
		{"case of the host", "A.Example", "https://a.example", "", true},
		{"case of the origin", "a.example", "HTTPS://A.EXAMPLE", "", true},
		{"the host names the default port of https", "a.example:443", "https://a.example", "", true},
		{"the host names the default port of http", "a.example:80", "http://a.example", "", true},
		{"the origin names the default port", "a.example", "https://a.example:443", "", true},
		{"both name it", "a.example:443", "https://a.example:443", "", true},
		{"an empty port", "a.example:", "https://a.example", "", true},
		{"the default port of the other scheme", "a.example:80", "https://a.example", "", false},
		{"the other way round", "a.example:443", "http://a.example", "", false},
		{"another port", "a.example:8080", "http://a.example:8081", "", false},
		{"a port and the default one", "a.example", "http://a.example:8080", "", false},
		{"the default one and a port", "a.example:8443", "https://a.example", "", false},
		{"IPv6", "[::1]:8080", "http://[::1]:8080", "", true},
		{"IPv6 with the default port", "[::1]:443", "https://[::1]", "", true},
		{"another IPv6 address", "[::1]", "https://[::2]", "", false},
		{"another host", "a.example", "https://b.example", "", false},
		{"a host below", "a.example", "https://x.a.example", "", false},
		{"a host that ends alike", "a.example", "https://evila.example", "", false},
		{"a host that begins alike", "a.example", "https://a.example.evil.test", "", false},
		{"an extension of the same name", "a.example", "chrome-extension://a.example", "", false},
		{"a user before the host", "a.example", "https://b.example@a.example", "", false},
		{"a path", "a.example", "https://a.example/", "", false},
		{"a query", "a.example", "https://a.example?x", "", false},
		{"an empty query", "a.example", "https://a.example?", "", false},
		{"an empty fragment", "a.example", "https://a.example#", "", false},
		{"no scheme", "a.example", "a.example", "", false},
		{"no host", "", "https://", "", false},
		{"not a URL", "a.example", "https://a.example:x", "", false},
		{"null", "a.example", "null", "", false},

		{"a pattern", "a.example", "https://b.example", "b.example", true},
		{"the second pattern", "a.example", "https://b.example", "c.example b.example", true},
		{"case of a pattern", "a.example", "https://b.example", "B.Example", true},
		{"another than the pattern", "a.example", "https://c.example", "b.example", false},
		{"a pattern and a port", "a.example", "https://b.example:8443", "b.example", false},
		{"a pattern with a port", "a.example", "https://b.example:8443", "b.example:8443", true},
		{"a pattern with any port", "a.example", "http://localhost:5173", "localhost:*", true},
		{"a pattern with any port, the default one", "a.example", "http://localhost", "localhost:*", true},
		{"a pattern with the default port", "a.example", "https://b.example", "b.example:443", true},
		{"a pattern with the other default port", "a.example", "http://b.example", "b.example:443", false},
		{"hosts below", "a.example", "https://x.b.example", "*.b.example", true},
		{"hosts below are not the host", "a.example", "https://b.example", "*.b.example", false},
		{"a host that ends like those below", "a.example", "https://evilb.example", "*.b.example", false},
		{"a scheme", "a.example", "https://b.example", "https://b.example", true},
		{"a scheme with the default port", "a.example", "https://b.example", "https://b.example:443", true},
		{"another scheme", "a.example", "http://b.example", "https://b.example", false},
		{"a scheme and hosts below", "a.example", "https://x.b.example", "https://*.b.example", true},
		{"any scheme", "a.example", "capacitor://localhost", "*://localhost", true},
		{"an app's scheme", "a.example", "capacitor://localhost", "capacitor://localhost", true},
		{"an app's host", "a.example", "capacitor://localhost", "localhost", true},
		{"IPv6 pattern", "a.example", "http://[::1]:5173", "http://[::1]:5173", true},
		{"null is allowed", "a.example", "null", "null", true},
		{"null as a host", "a.example", "https://null", "b.example", false},
		{"null is no pattern for others", "a.example", "https://b.example", "null", false},
		{"all are allowed", "a.example", "https://b.example", "*", true},
		{"all, null too", "a.example", "null", "*", true},
		{"all, whatever it is", "a.example", "what?", "*", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if got := originAllowed(r, strings.Fields(c.patterns)); got != c.want {
				t.Errorf("Host %q, Origin %q, patterns %q: %v", c.host, c.origin, c.patterns, got)
			}
		})
	}
}

// Of two origins neither is believed.
func TestTwoOrigins(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "a.example"
	for _, origins := range [][]string{{"https://a.example", "https://a.example"}, {"", "https://b.example"}, {"null", "null"}} {
		r.Header["Origin"] = origins
		if originAllowed(r, []string{"null"}) {
			t.Errorf("%q: allowed", origins)
		}
		if !originAllowed(r, []string{"*"}) {
			t.Errorf("%q: refused where all are allowed", origins)
		}
	}
	r.Header["Origin"] = []string{""}
	if !originAllowed(r, nil) {
		t.Error("an empty header is an origin")
	}
}

// A pattern that could never match is refused when the server starts.
func TestCheckOrigin(t *testing.T) {
	for _, pattern := range []string{
		"*", "null", "a.example", "*.a.example", "localhost:*", "a.example:8443", "https://a.example", "https://*.a.example",
		"http://localhost:5173", "capacitor://localhost", "http://[::1]:8080", "*://a.example", "A.Example",
	} {
		if err := CheckOrigin(pattern); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for pattern, want := range map[string]string{
		"":                         "no host",
		"https://":                 "no host",
		"://a.example":             "no scheme",
		"https://app.example.org/": "slash at the end",
		"app.example.org/":         "slash at the end",
		"https://a.example/page":   "leave out the rest",
		"https://a.example//":      "leave out the rest",
		"a.example/page/":          "leave out the rest",
		"https://a.example#x":      "leave out the rest",
		"https://u@a.example":      "leave out the rest",
		"a.example,b.example":      "by itself",
		"a.example b.example":      "white space",
		"a.example\x00":            "white space",
		"wss://a.example":          "http or https",
		"WS://a.example":           "http or https",
		"[a.example":               "not a pattern",
	} {
		if err := CheckOrigin(pattern); err == nil || !strings.Contains(err.Error(), want) || pattern != "a.example\x00" && !strings.Contains(err.Error(), pattern) {
			t.Errorf("%q: %v, want %q", pattern, err, want)
		}
	}
	h := newHub(t, hub.Options{})
	defer h.Close()
	if _, err := NewHandler(h, Options{AllowOrigins: []string{"a.example", "https://app.example.org/"}}); err == nil || !strings.Contains(err.Error(), "AllowOrigins") {
		t.Errorf("a handler takes a bad pattern: %v", err)
	}
}

// The log and the answer say why an upgrade was refused.
func TestRefusedUpgrades(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.Logger = zap.New(core)
		o.PerAddress = limit.Options{MaxConnections: 1}
	})
	for _, c := range []struct {
		name, method string
		change       http.Header
		status       int
		reason, text string
	}{
		{"origin", "GET", http.Header{"Origin": {"https://b.example"}}, 403, "origin", `"https://b.example" may not connect to "` + s.address + `"`},
		{"origin of a request that is none", "GET", http.Header{"Origin": {"https://b.example"}, "Upgrade": nil}, 403, "origin", "may not connect"},
		{"no upgrade", "GET", http.Header{"Upgrade": nil}, 426, "not_websocket", "Upgrade"},
		{"another upgrade", "GET", http.Header{"Upgrade": {"h2c"}}, 426, "not_websocket", "Upgrade"},
		{"no connection", "GET", http.Header{"Connection": {"keep-alive"}}, 426, "not_websocket", "Connection"},
		{"post", "POST", nil, 405, "method", "GET"},
		{"version", "GET", http.Header{"Sec-Websocket-Version": {"8"}}, 400, "version", "13"},
		{"no key", "GET", http.Header{"Sec-Websocket-Key": nil}, 400, "key", "16 bytes"},
		{"two keys", "GET", http.Header{"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="}}, 400, "key", "16 bytes"},
		{"short key", "GET", http.Header{"Sec-Websocket-Key": {"AAAA"}}, 400, "key", "16 bytes"},
		{"a key that is not base64", "GET", http.Header{"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ="}}, 400, "key", "16 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			logged.TakeAll()
			resp, text := s.upgrade(t, c.method, c.change)
			if resp.StatusCode != c.status || !strings.Contains(text, c.text) {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, text, c.status, c.text)
			}
			lines := logged.FilterMessage(EventUpgradeRefused).TakeAll()
			if len(lines) != 1 {
				t.Fatalf("%d lines in the log", len(lines))
			}
			f := lines[0].ContextMap()
			if f[event.FieldReason] != c.reason || f[FieldHost] != s.address || f[FieldOrigin] != c.change.Get("Origin") || f[event.FieldCode] != int64(c.status) {
				t.Errorf("logged %v", f)
			}
		})
	}
	t.Run("lists", func(t *testing.T) {
		resp, _ := s.upgrade(t, "GET", http.Header{
			"Connection": {"keep-alive, upgrade"}, "Upgrade": {"x, WebSocket"}, "Sec-Websocket-Key": {" dGhlIHNhbXBsZSBub25jZQ== "},
		})
		if resp.StatusCode != 101 {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

// A request of HTTP/1.0 can't be upgraded.
func TestOldHTTP(t *testing.T) {
	s := newServer(t, nil)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Proto, r.ProtoMinor = "HTTP/1.0", 0
	w := httptest.NewRecorder()
	if refused := s.handler.checkRequest(w, r); refused == nil || refused.reason != refusedHTTPVersion || refused.status != http.StatusUpgradeRequired {
		t.Errorf("%+v", refused)
	}
}

// Requests that a web page can make its visitors send take nothing from what their address
// may do.
func TestRefusedUpgradesAreFree(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { o.PerAddress = limit.Options{Rate: 1} }) // ten at once
	for range 20 {
		s.upgrade(t, "GET", http.Header{"Origin": {"https://evil.test"}})
		s.upgrade(t, "GET", http.Header{"Upgrade": nil})
	}
	resp, _ := s.upgrade(t, "GET", nil)
	if resp.StatusCode != 101 {
		t.Errorf("then a request of its own gets %d", resp.StatusCode)
	}
}

// A header that is far too long is neither logged nor answered whole.
func TestShort(t *testing.T) {
	if got := short(strings.Repeat("x", 10_000)); len(got) != shortBytes {
		t.Errorf("%d bytes", len(got))
	}
	if got := short("x"); got != "x" {
		t.Errorf("%q", got)
	}
}

// upgrade sends a request that is valid but for the headers that are changed, and
// returns the answer.
func (s *server) upgrade(t *testing.T, method string, change http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for name, values := range change {
		req.Header[name] = values
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := make([]byte, 500)
	n := 0
	if resp.StatusCode != http.StatusSwitchingProtocols {
		n, _ = resp.Body.Read(text)
	}
	return resp, string(text[:n])
}
