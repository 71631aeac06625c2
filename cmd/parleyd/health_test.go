package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/proxyheader"
	"github.com/parley-rtc/parley/wsconn/clientip"
)

// The health check of a container asks where the daemon's own flags, file or environment
// have it listen.
func TestHealthAsksTheDaemonItself(t *testing.T) {
	dir := t.TempDir()
	settings := filepath.Join(dir, "parley.yaml")
	if err := os.WriteFile(settings, []byte("listen: 127.0.0.1:7000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, process, file, environment, url, socket string
	}{
		{"no settings", "/parleyd\x00", "", "", "http://127.0.0.1:8080/readyz", ""},
		{"flags", "/parleyd\x00--listen\x00:9000\x00", "", "", "http://127.0.0.1:9000/readyz", ""},
		{"a file among the flags", "/parleyd\x00--config\x00" + settings + "\x00", "", "", "http://127.0.0.1:7000/readyz", ""},
		{"a file of its own", "/parleyd\x00--listen\x00:9000\x00", settings, "", "http://127.0.0.1:7000/readyz", ""},
		{"environment", "/parleyd\x00", "", "[::1]:6000", "http://[::1]:6000/readyz", ""},
		{"flags over the environment", "/parleyd\x00--listen=:9000\x00", "", ":6000", "http://127.0.0.1:9000/readyz", ""},
		{"another program", "/sbin/init\x00--listen\x00:9000\x00", "", ":6000", "http://127.0.0.1:6000/readyz", ""},
		{"no such process", "", "", ":6000", "http://127.0.0.1:6000/readyz", ""},
		{"Unix socket", "/parleyd\x00--listen\x00unix:/run/p.sock\x00", "", "", "http://localhost/readyz", "/run/p.sock"},
		{"base path", "/parleyd\x00--base-path\x00/parley/\x00", "", "", "http://127.0.0.1:8080/parley/readyz", ""},
		{"HTTPS", "/parleyd\x00--acme-domain\x00a.example.org\x00--acme-dir\x00/x\x00", "", "", "https://127.0.0.1:443/readyz", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			process := filepath.Join(t.TempDir(), "cmdline")
			if c.process != "" {
				if err := os.WriteFile(process, []byte(c.process), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.environment != "" {
				t.Setenv("PARLEY_LISTEN", c.environment)
			}
			settings, err := runningConfig(c.file, process)
			if err != nil {
				t.Fatal(err)
			}
			if url, socket, err := readyURL(settings); err != nil || url != c.url || socket != c.socket {
				t.Errorf("%s %q %v", url, socket, err)
			}
		})
	}
}

// The health check finds a daemon healthy that takes this machine for a proxy which sends
// the PROXY protocol, on TCP and on a Unix socket, and one that does not.
func TestHealthSendsTheProxyHeader(t *testing.T) {
	for name, trusted := range map[string]string{"TCP": "127.0.0.1", "Unix socket": "unix", "not trusted": "192.0.2.1"} {
		t.Run(name, func(t *testing.T) {
			listen, network, address := "127.0.0.1:0", "tcp", "127.0.0.1:0"
			if trusted == "unix" {
				address, network = filepath.Join(t.TempDir(), "p.sock"), "unix"
				listen = "unix:" + address
			}
			inner, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			proxies, err := clientip.ParseProxies([]string{trusted})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.Listener = proxyheader.New(inner, func(a netip.Addr) bool { return proxies.Trusts(a) }, nil)
			server.Start()
			defer server.Close()
			if network == "tcp" {
				listen = inner.Addr().String()
			}
			settings := filepath.Join(t.TempDir(), "parley.yaml")
			text := fmt.Sprintf("listen: %q\ntrusted-proxy: %q\nproxy-protocol: true\n", listen, trusted)
			if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := newHealth()
			cmd.SetArgs([]string{"--config", settings})
			if err := cmd.Execute(); err != nil {
				t.Error(err)
			}
		})
	}
}
