package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// diagnosis is what parleyd doctor --json writes.
type diagnosis struct {
	Problems, Warnings int
	Findings           []struct{ Check, Verdict, Reason, Advice string }
}

// verdict returns that of a check, of several the worst.
func (d *diagnosis) verdict(check string) (worst string) {
	for _, f := range d.Findings {
		if f.Check == check && worst != "problem" {
			worst = f.Verdict
		}
	}
	return worst
}

// doctor runs parleyd doctor, whose exit code must be 1 exactly if there is a problem.
func doctor(t *testing.T, args ...string) (d diagnosis) {
	t.Helper()
	out, err := parleyd.Command(append([]string{"doctor", "--json"}, args...)...).Output()
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if (code == 1) != (d.Problems > 0) || code > 1 {
		t.Errorf("exit code %d with %d problems", code, d.Problems)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("doctor %s:\n%s", args, out)
		}
	})
	return d
}

// startHAProxy runs HAProxy with TLS before a backend.
func startHAProxy(t *testing.T, backend, tunnel, more string) (port string, cert *certificate.Certificate) {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("there is no haproxy")
	}
	dir := t.TempDir()
	cert, port = certificate.New(t, dir), process.FreePort(t)
	var both []byte
	for _, name := range []string{cert.CertFile, cert.KeyFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	pem, config := filepath.Join(dir, "both.pem"), filepath.Join(dir, "haproxy.cfg")
	write(t, pem, both)
	write(t, config, fmt.Appendf(nil, "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel %s\n"+
		"listen parley\n bind 127.0.0.1:%s ssl crt %s\n option forwardfor\n%s server a %s\n", tunnel, port, pem, more, backend))
	process.Start(t, exec.Command("haproxy", "-db", "-f", config))
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return port, cert
}

// Behind each proxy, as the README sets it up, the doctor finds no problem; in each way in
// which the set-up goes wrong, it finds which.
func TestDoctorBehindProxies(t *testing.T) {
	nginx, caddy := &proxies[0], &proxies[1]
	const nobody = "127.0.0.1:1"
	often, never := []string{"--ping-interval", "200ms"}, []string{"--ping-interval", "0"}
	for _, c := range []struct {
		name  string
		args  []string // of the daemon
		proxy func(t *testing.T, backend string) (string, *certificate.Certificate)
		quiet string
		check string // that has the verdict; empty: there is no problem at all
		want  string
	}{
		{"nginx", often, func(t *testing.T, b string) (string, *certificate.Certificate) { return nginx.start(t, b) }, "2s", "", ""},
		{"caddy", often, func(t *testing.T, b string) (string, *certificate.Certificate) { return caddy.start(t, b) }, "2s", "", ""},
		{"haproxy", often, func(t *testing.T, b string) (string, *certificate.Certificate) { return startHAProxy(t, b, "60s", "") }, "2s", "", ""},

		{"nginx without the upgrade", often, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return nginx.start(t, b, "proxy_set_header Upgrade $http_upgrade;", "")
		}, "0", "websocket", "problem"},
		{"nginx with another host", often, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return nginx.start(t, b, "Host $http_host", "Host backend")
		}, "0", "origin", "problem"},
		{"nginx without Origin", often, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return nginx.start(t, b, `proxy_set_header Forwarded "";`, `proxy_set_header Forwarded ""; proxy_set_header Origin "";`)
		}, "0", "origin", "warning"},
		{"nginx that is impatient", never, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return nginx.start(t, b, "proxy_read_timeout 75s", "proxy_read_timeout 1s")
		}, "30s", "quiet", "problem"},
		{"nginx without a daemon", often, func(t *testing.T, _ string) (string, *certificate.Certificate) { return nginx.start(t, nobody) }, "0", "page", "problem"},
		{"caddy without a daemon", often, func(t *testing.T, _ string) (string, *certificate.Certificate) { return caddy.start(t, nobody) }, "0", "websocket", "problem"},
		{"caddy with another host", often, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return caddy.start(t, b, "reverse_proxy 127.0.0.1:8080", "reverse_proxy 127.0.0.1:8080 {\nheader_up Host backend\n}")
		}, "0", "origin", "problem"},
		{"haproxy that is impatient", never, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return startHAProxy(t, b, "1s", "")
		}, "30s", "quiet", "problem"},
		{"haproxy without the upgrade", often, func(t *testing.T, b string) (string, *certificate.Certificate) {
			return startHAProxy(t, b, "60s", " http-request del-header upgrade\n")
		}, "0", "websocket", "problem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parleyd.Start(t, append(c.args, "--trusted-proxy", "127.0.0.1/32")...)
			port, cert := c.proxy(t, d.Address)
			found := doctor(t, "https://localhost:"+port, "--ca-file", cert.CertFile, "--quiet", c.quiet)
			if c.check == "" {
				if found.Problems > 0 {
					t.Errorf("%d problems", found.Problems)
				}
				for _, check := range []string{"certificate", "page", "websocket", "origin", "join", "pings", "messages", "quiet"} {
					if v := found.verdict(check); v != "ok" {
						t.Errorf("%s: %s", check, v)
					}
				}
			} else if v := found.verdict(c.check); v != c.want {
				t.Errorf("%s: %s, want a %s", c.check, v, c.want)
			}
		})
	}
}

// The doctor's lines for people have verdict, reason and what to do; wrong use is told from
// a problem.
func TestDoctorForPeople(t *testing.T) {
	d := parleyd.Start(t)
	out, err := parleyd.Command("doctor", "http://"+d.Address, "--quiet", "0").Output()
	if err != nil {
		t.Errorf("a healthy daemon: %v", err)
	}
	for _, line := range []string{"ok       page ", "ok       messages ", "warning  ice ", "→ Run the TURN server", "\n0 problems, 1 warning\n"} {
		if !strings.Contains(string(out), line) {
			t.Errorf("there is no %q in\n%s", line, out)
		}
	}
	for _, args := range [][]string{{"doctor"}, {"doctor", "ftp://x"}, {"doctor", "x", "--ca-file", "/none"}} {
		var exit *exec.ExitError
		if err := parleyd.Command(args...).Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("%v: %v, want the exit code 2", args, err)
		}
	}
}

// A daemon with TLS and TURN of its own has no problem, on one port or on several; one whose relay listens elsewhere
// than clients are told has one for each transport.
func TestDoctorOfRelays(t *testing.T) {
	cert := certificate.New(t, t.TempDir())
	start := func(more ...string) *parleyd.Daemon {
		return parleyd.Start(t, append([]string{
			"--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile, "--turn-public-ip", "127.0.0.1",
			"--turn-listen", "127.0.0.1:" + process.FreePort(t), "--turn-tls-listen", "127.0.0.1:" + process.FreePort(t),
		}, more...)...)
	}
	look := func(d *parleyd.Daemon) diagnosis {
		_, port, _ := strings.Cut(d.Address, ":")
		return doctor(t, "https://localhost:"+port, "--ca-file", cert.CertFile, "--quiet", "0", "--timeout", "5s")
	}
	checks := []string{"stun", "turn-udp", "turn-tcp", "turn-tls"}
	healthy := look(start("--turn-host", "localhost"))
	for _, check := range checks {
		if v := healthy.verdict(check); v != "ok" {
			t.Errorf("%s: %s", check, v)
		}
	}
	address := "127.0.0.1:" + process.FreePort(t)
	shared := look(parleyd.StartAt(t, address, "--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile,
		"--turn-public-ip", "127.0.0.1", "--turn-host", "localhost", "--turn-tls-listen", address))
	for _, check := range []string{"page", "messages", "turn-tls"} {
		if v := shared.verdict(check); v != "ok" {
			t.Errorf("on one port: %s: %s", check, v)
		}
	}
	found := look(start("--turn-host", "127.0.0.2"))
	for _, check := range checks {
		if v := found.verdict(check); v != "problem" {
			t.Errorf("nobody listens at the host that clients are told: %s: %s, want a problem", check, v)
		}
	}
}
