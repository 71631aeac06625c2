package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
)

// newTestDaemon makes a daemon that does not serve.
func newTestDaemon(t testing.TB, args ...string) *daemon {
	t.Helper()
	args = append([]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	c, err := config.Load(args, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(c, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.handler.Shutdown(context.Background())
		d.close(context.Background())
		d.logs.close()
	})
	return d
}

func TestRoutes(t *testing.T) {
	d := newTestDaemon(t)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 200}, {"HEAD", "/", 200}, {"GET", "/healthz", 200}, {"GET", "/readyz", 200},
		{"POST", "/", 405}, {"POST", "/healthz", 405}, {"DELETE", "/readyz", 405}, {"GET", "/nothing", 404},
		{"GET", "/metrics", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/ws", 426}, {"POST", "/ws", 426},
		{"GET", "/ws/", 404}, {"GET", "/page", 404}, {"OPTIONS", "/", 405}, {"TRACE", "/", 405},
	} {
		w := httptest.NewRecorder()
		d.routes().ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}

func TestAdminToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newTestDaemon(t, "--admin-token-file", file)
	for header, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer wrong": 401, "Basic open sesame": 401, "Bearer open sesame": 200,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Authorization", header)
		d.adminRoutes().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", header, w.Code, want)
		}
	}
}

// FuzzHTTP sends any request: it is answered, never with a 5xx of an accident, and
// no answer can be taken for something else by a browser.
func FuzzHTTP(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /%2e%2e/main.js HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: null\r\n\r\n",
		"HEAD //healthz HTTP/1.0\r\n\r\n",
		"PUT /log/level HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{\"level\":\"debug\"}",
		"GET /main.js HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1,5-\r\nIf-None-Match: *\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 1.2.3.4,,\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	d := newTestDaemon(f, "--trusted-proxy", "192.0.2.1", "--connect-rate-per-ip", "1000")
	routes, admin := d.routes(), d.adminRoutes()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i, h := range []http.Handler{routes, admin} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw))))
			if err != nil || r.URL.Path == "/debug/pprof/profile" || r.URL.Path == "/debug/pprof/trace" {
				return // these take their time, as they should
			}
			r.RemoteAddr = "192.0.2.1:1"
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%d for %q", w.Code, raw)
			}
			if i == 0 && w.Code == http.StatusOK && w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("no nosniff for %q", raw)
			}
		}
	})
}
