package doctor

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// silence is how long the look waits for what never comes, and longer than all else takes
// on a busy machine.
const silence = 4 * time.Second

// quietSocket is the number of the WebSocket that is watched while it is quiet: the first
// is the page's, the second that of another page, which is refused.
const quietSocket = 2

// onceJoined decides on all that the server sends on the quiet socket behind its answer to
// the join.
func onceJoined(what fate) rule {
	var in atomic.Bool
	return func(n int, toServer bool, _ wire.Header, frame []byte) fate {
		switch {
		case n != quietSocket || toServer:
		case in.Load():
			return what
		case strings.Contains(string(frame), `"type":"joined"`):
			in.Store(true)
		}
		return pass
	}
}

// silentSwitch answers each request for the page as if it were for a WebSocket.
func silentSwitch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			next.ServeHTTP(w, r)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client goes
	})
}

// Each way in which a server may be broken is found, and what to do is told.
func TestBrokenSites(t *testing.T) {
	status := func(path string, status int, text string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == path {
					http.Error(w, text, status)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	header := func(change func(*http.Request)) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				change(r)
				next.ServeHTTP(w, r)
			})
		}
	}
	for _, c := range []struct {
		name    string
		site    site
		check   string
		verdict Verdict
		reason  string // a part of it
		advice  string // likewise
	}{
		{
			"a page that switches protocols, and then says nothing",
			site{wrap: silentSwitch},
			CheckPage, Warning, "101", "have the proxy pass all paths on",
		},
		{
			"no address",
			site{visit: func(v *visit) {
				v.base.Host = "meet.example.org"
				v.lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }
			}},
			CheckDNS, Problem, "no such host", "A record",
		},
		{"not parleyd's page", site{wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					_, _ = w.Write([]byte("<title>another</title>"))
					return
				}
				next.ServeHTTP(w, r)
			})
		}}, CheckPage, Warning, "not parleyd's", "proxy"},
		{"no page", site{wrap: status("/", 404, "nothing")}, CheckPage, Warning, "404", "proxy"},
		{"the proxy does not reach the daemon", site{wrap: status("/", 502, "bad gateway")}, CheckPage, Problem, "502", "--listen"},
		{"the page redirects", site{wrap: func(http.Handler) http.Handler {
			return http.RedirectHandler("https://other.example/", http.StatusPermanentRedirect)
		}},
			CheckPage, Warning, "https://other.example/", "URL"},
		{"the upgrade is not passed on", site{wrap: header(func(r *http.Request) { r.Header.Del("Upgrade") })}, CheckWebSocket, Problem, "426", "Upgrade"},
		{"/ws is not passed on", site{wrap: status("/ws", 404, "nothing")}, CheckWebSocket, Problem, "404", "/ws"},
		{"the URL has no base path", site{wrap: status("/ws", 404, "nothing")}, CheckWebSocket, Problem, "404", "--base-path"},
		{"HTTP to a server of HTTPS", site{wrap: status("/ws", 400, "Client sent an HTTP request to an HTTPS server.")}, CheckWebSocket, Problem, "400", "https://"},
		{"/ws is a page", site{wrap: status("/ws", 200, "<html>")}, CheckWebSocket, Problem, "200", "/ws"},
		{"no upstream for /ws", site{wrap: status("/ws", 502, "")}, CheckWebSocket, Problem, "502", "--listen"},
		{"draining", site{wrap: status("/ws", 503, "")}, CheckWebSocket, Problem, "503", "draining"},
		{"too many connections", site{wrap: status("/ws", 429, "")}, CheckWebSocket, Problem, "429", "--trusted-proxy"},
		{"the proxy changes the host", site{wrap: header(func(r *http.Request) { r.Host = "10.0.0.7:8080" })}, CheckOrigin, Problem, "403", "Host"},
		{"the page is elsewhere", site{visit: func(v *visit) { v.Origin = "https://app.example.org" }}, CheckOrigin, Problem, "403", "--allow-origin"},
		{"all pages may connect", site{options: wsconn.Options{AllowOrigins: []string{"*"}}}, CheckOrigin, Warning, "all others", "--allow-origin"},
		{"a token is needed", site{options: wsconn.Options{Gate: gate{wire.CodeUnauthorized}}}, CheckJoin, Skipped, "unauthorized", "--token"},
		{"the room is full", site{options: wsconn.Options{Gate: gate{wire.CodeRoomFull}}}, CheckJoin, Problem, "room_full", "code"},
		{"joins are not answered", site{
			front: front(func(_ int, toServer bool, h wire.Header, _ []byte) fate {
				if toServer && h.Opcode == wire.OpText {
					return drop
				}
				return pass
			}),
			visit: func(v *visit) { v.Timeout = silence },
		}, CheckJoin, Problem, "not answered", "handshake"},
		{"pings are swallowed", site{
			front: front(func(n int, toServer bool, h wire.Header, _ []byte) fate {
				if n == 1 && toServer && h.Opcode == wire.OpPing {
					return drop
				}
				return pass
			}),
			visit: func(v *visit) { v.Timeout = silence },
		}, CheckPings, Problem, "not answered", "control frames"},
		{"long messages are cut", site{
			front: front(func(_ int, _ bool, h wire.Header, _ []byte) fate {
				if h.Length > 20_000 {
					return cut
				}
				return pass
			}),
		}, CheckMessages, Problem, "messages of 16384 bytes come through, but not of 65536", "limit"},
		{"no messages come through", site{
			front: front(func(_ int, _ bool, _ wire.Header, frame []byte) fate {
				if strings.Contains(string(frame), `"xxx`) {
					return cut
				}
				return pass
			}),
			options: wsconn.Options{MaxMessageBytes: 512},
		}, CheckMessages, Problem, "not even small", "handshake"},
		{"quiet connections are cut", site{
			front: front(onceJoined(cut)),
			visit: func(v *visit) { v.Quiet = time.Minute },
		}, CheckQuiet, Problem, "ended after", "--ping-interval"},
		{"quiet connections are forgotten", site{
			front: front(onceJoined(mute)),
			visit: func(v *visit) { v.Quiet, v.Timeout = time.Millisecond, silence },
		}, CheckQuiet, Problem, "is dead", "--ping-interval"},
		{"the server's pings are swallowed", site{
			front: front(func(_ int, toServer bool, h wire.Header, _ []byte) fate {
				if !toServer && h.Opcode == wire.OpPing {
					return drop
				}
				return pass
			}),
			options: wsconn.Options{PingTimeout: time.Minute},
			visit:   func(v *visit) { v.Quiet = 100 * time.Millisecond },
		}, CheckQuiet, Warning, "no ping", "--quiet"},
		{"no ICE servers", site{}, CheckICE, Warning, "no ICE servers", "--turn-listen"},
		{"STUN alone", site{ice: []string{"stun:127.0.0.1:9"}, visit: func(v *visit) { v.Timeout = silence }}, CheckICE, Warning, "no TURN server", "--turn-listen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // many wait for what never comes
			wantFinding(t, c.site.look(t), c.check, c.verdict, c.reason, c.advice)
		})
	}
}

// gate refuses all joins.
type gate struct{ code wire.Code }

func (g gate) Join(context.Context, *wsconn.JoinRequest) (*wsconn.Admission, error) {
	return nil, &wire.Refusal{Code: g.code, Text: "no"}
}

func (g gate) Renew(context.Context, *wsconn.RenewRequest) (*wsconn.Admission, error) {
	return nil, &wire.Refusal{Code: g.code, Text: "no"}
}

// wantFinding wants one finding of a check.
func wantFinding(t *testing.T, found map[string][]Finding, check string, verdict Verdict, reason, advice string) {
	t.Helper()
	for _, f := range found[check] {
		if f.Verdict == verdict && strings.Contains(f.Reason, reason) && strings.Contains(f.Advice, advice) {
			return
		}
	}
	t.Errorf("found %+v\nwant the %s %q with the advice %q", found[check], verdict, reason, advice)
}

// Without an answer there is nothing to look at, and every check says so.
func TestEveryCheckIsReported(t *testing.T) {
	all := []string{
		CheckDNS, CheckIPv6, CheckCertificate, CheckPage, CheckWebSocket, CheckOrigin, CheckJoin, CheckPings, CheckMessages,
		CheckICE, CheckSTUN, CheckTURNUDP, CheckTURNTCP, CheckTURNTLS, CheckQuiet,
	}
	for name, s := range map[string]site{
		"no address": {visit: func(v *visit) {
			v.base.Host = "meet.example.org"
			v.lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
		}},
		"nobody listens": {visit: func(v *visit) { v.base.Host = "127.0.0.1:1" }},
		"no WebSocket":   {wrap: func(http.Handler) http.Handler { return http.NotFoundHandler() }},
		"no join":        {options: wsconn.Options{Gate: gate{wire.CodeForbidden}}},
		"no ICE servers": {},
	} {
		t.Run(name, func(t *testing.T) {
			found := s.look(t)
			for _, check := range all {
				if len(found[check]) == 0 {
					t.Errorf("nothing is said about %s", check)
				}
			}
			if len(found) != len(all) {
				t.Errorf("%d checks, want %d", len(found), len(all))
			}
		})
	}
}

func TestTarget(t *testing.T) {
	for text, want := range map[string]string{
		"meet.example.org":                "https://meet.example.org/",
		"https://meet.example.org":        "https://meet.example.org/",
		"https://meet.example.org/#room":  "https://meet.example.org/",
		"wss://meet.example.org/ws":       "https://meet.example.org/",
		"http://127.0.0.1:8080/":          "http://127.0.0.1:8080/",
		"ws://localhost:8080/parley/ws":   "http://localhost:8080/parley/",
		"https://example.org/parley?a=b":  "https://example.org/parley/",
		"https://[2001:db8::1]:8443/x/y/": "https://[2001:db8::1]:8443/x/y/",
		"ftp://example.org":               "",
		"https://":                        "",
		"https://%":                       "",
	} {
		got, err := target(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%s: %v, %v, want %q", text, got, err, want)
		}
	}
	if err := Run(t.Context(), Options{URL: "ftp://x"}, func(Finding) { t.Error("there is a finding") }); err == nil {
		t.Error("an invalid URL is looked at")
	}
}
