package daemon

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// proxy is a reverse proxy and how its block in the daemon's README becomes a
// configuration for a test.
type proxy struct {
	language string // of the block
	frame    string // what stands around it
	replace  func(port, backend string, cert *certificate.Certificate) []string
	command  func(dir, config string) *exec.Cmd
}

var proxies = []proxy{
	{
		language: "nginx",
		frame: "events {}\nhttp {\naccess_log off;\nclient_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;\n" +
			"uwsgi_temp_path u; scgi_temp_path s;\n%s\n}\n",
		replace: func(port, backend string, cert *certificate.Certificate) []string {
			return []string{
				"listen 443 ssl", "listen 127.0.0.1:" + port + " ssl",
				"/etc/ssl/signal.example.org/cert.pem", cert.CertFile,
				"/etc/ssl/signal.example.org/key.pem", cert.KeyFile,
				"server_name signal.example.org", "server_name localhost",
				"127.0.0.1:8080", backend,
			}
		},
		command: func(dir, config string) *exec.Cmd {
			return exec.Command("/usr/sbin/nginx", "-p", dir, "-c", config, "-e", "stderr", "-g", "daemon off; pid nginx.pid;")
		},
	},
	{
		language: "caddy",
		frame:    "{\nadmin off\nauto_https disable_redirects\n}\n%s\n",
		replace: func(port, backend string, cert *certificate.Certificate) []string {
			return []string{
				"signal.example.org {", "localhost:" + port + " {\nbind 127.0.0.1\ntls " + cert.CertFile + " " + cert.KeyFile,
				"127.0.0.1:8080", backend,
			}
		},
		command: func(dir, config string) *exec.Cmd {
			cmd := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", config)
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			return cmd
		},
	},
}

// The proxies are set up with what the daemon's README says, word for word but for names,
// ports and files. WebSockets go through TLS, the daemon knows where clients are, and
// they are told when it drains.
func TestProxies(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.language, func(t *testing.T) {
			d := parleyd.Start(t, "--trusted-proxy", "127.0.0.1/32")
			port, cert := p.start(t, d.Address)

			client := cert.Client(t)
			// Everything here is on loopback; this one client is at another address of it.
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 7)}}
			client.Transport.(*http.Transport).DialContext = from.DialContext
			resp, err := client.Get("https://localhost:" + port + "/")
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("the page: %v %v", resp, err)
			}
			_ = resp.Body.Close()
			url := "wss://localhost:" + port + "/ws"
			a, b := dial(t, url, client), dial(t, url, client)
			a.join("r", "a")
			b.join("r", "b")
			a.sees("b")
			a.send(`{"type":"offer","to":"b","sdp":"v=0"}`)
			b.until(func(m message) bool { return m.Type == "offer" && m.From == "a" })
			d.Wait(t, "connect", "remote", "127.0.0.7")

			d.Signal(syscall.SIGTERM)
			a.wantClose(websocket.StatusGoingAway)
			b.wantClose(websocket.StatusGoingAway)
			if code := d.ExitCode(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// start runs the proxy before a backend, and returns its port and certificate. changes are
// pairs of what is replaced in the daemon's README's block.
func (p *proxy) start(t *testing.T, backend string, changes ...string) (port string, cert *certificate.Certificate) {
	t.Helper()
	dir := t.TempDir()
	cert, port = certificate.New(t, dir), process.FreePort(t)
	block := fromREADME(t, p.language)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(block, changes[i]) {
			t.Fatalf("the daemon's README's block for %s has no %q", p.language, changes[i])
		}
		block = strings.Replace(block, changes[i], changes[i+1], 1)
	}
	block = strings.NewReplacer(p.replace(port, backend, cert)...).Replace(block)
	config := filepath.Join(dir, "config")
	write(t, config, []byte(strings.Replace(p.frame, "%s", block, 1)))
	process.Start(t, p.command(dir, config))
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return port, cert
}

// fromREADME returns the fenced block of a language.
func fromREADME(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "cmd", "parleyd", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```"+language+"\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("the daemon's README has no block for %s", language)
	}
	return block
}
