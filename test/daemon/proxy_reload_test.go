package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// resumable is a member that comes back when its connection is lost.
type resumable struct {
	*client
	url, session string
	received     int
}

func joinResumable(t *testing.T, url, id string) *resumable {
	t.Helper()
	r := &resumable{client: dial(t, url, nil), url: url}
	r.client.send(`{"type":"join","room":"garden","from":%q,"resumable":true}`, id)
	r.session = r.next("joined").Session
	return r
}

// next returns the next message of a type. If the connection is closed meanwhile, as
// proxies close them, the membership is taken up on another.
func (r *resumable) next(kind string) message {
	r.t.Helper()
	for {
		_, text, err := r.conn.Read(r.ctx)
		if err != nil {
			if code := websocket.CloseStatus(err); code != websocket.StatusGoingAway && code != -1 {
				r.t.Fatalf("closed with %d: %v", code, err)
			}
			r.client = dial(r.t, r.url, nil)
			r.client.send(`{"type":"resume","session":%q,"received":%d}`, r.session, r.received)
			continue
		}
		if strings.HasPrefix(string(text), `{"type":"error"`) {
			r.t.Fatalf("%s", text)
		}
		if !strings.HasPrefix(string(text), `{"type":"resumed"`) {
			r.received++
		}
		if strings.HasPrefix(string(text), fmt.Sprintf(`{"type":%q`, kind)) {
			var m message
			if err := json.Unmarshal(text, &m); err != nil {
				r.t.Fatal(err)
			}
			return m
		}
	}
}

// proxyThatReloads is a proxy whose configuration is read again.
type proxyThatReloads struct {
	name   string
	config func(port, backend, admin string) string
	start  func(dir, config string) *exec.Cmd
	reload func(t *testing.T, proxy *exec.Cmd, config, admin string)
}

var proxiesThatReload = []proxyThatReloads{
	{
		name: "nginx",
		config: func(port, backend, _ string) string {
			return "pid nginx.pid;\nevents {}\nworker_shutdown_timeout 1s;\nhttp { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;\n" +
				"uwsgi_temp_path u; scgi_temp_path s;\nserver { listen 127.0.0.1:" + port + ";\nlocation / { proxy_pass http://" + backend + ";\n" +
				"proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } } }\n"
		},
		start: func(dir, config string) *exec.Cmd {
			return exec.Command("/usr/sbin/nginx", "-p", dir, "-c", config, "-e", "stderr", "-g", "daemon off;")
		},
		reload: func(t *testing.T, proxy *exec.Cmd, _, _ string) { anotherWorker(t, proxy, syscall.SIGHUP) },
	},
	{
		name: "HAProxy",
		config: func(port, backend, _ string) string {
			return "global\n hard-stop-after 1s\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 1h\n" +
				"listen parley\n bind 127.0.0.1:" + port + "\n server parley " + backend + "\n"
		},
		start: func(_, config string) *exec.Cmd {
			return exec.Command("/usr/sbin/haproxy", "-W", "-db", "-f", config)
		},
		reload: func(t *testing.T, proxy *exec.Cmd, _, _ string) { anotherWorker(t, proxy, syscall.SIGUSR2) },
	},
	{
		name: "Caddy",
		config: func(port, backend, admin string) string {
			return "{\nadmin " + admin + "\nauto_https off\n}\nhttp://127.0.0.1:" + port + " {\nreverse_proxy " + backend + "\n}\n"
		},
		start: func(dir, config string) *exec.Cmd {
			cmd := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", config)
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			return cmd
		},
		reload: func(t *testing.T, _ *exec.Cmd, config, admin string) {
			out, err := exec.Command("caddy", "reload", "--force", "--adapter", "caddyfile", "--address", admin, "--config", config).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		},
	},
}

// anotherWorker signals a proxy until it has started another worker: one that has just started
// serves before it takes signals.
func anotherWorker(t *testing.T, proxy *exec.Cmd, s syscall.Signal) {
	t.Helper()
	workers := func() []string {
		pid := strconv.Itoa(proxy.Process.Pid)
		text, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(text))
	}
	first := workers()
	for deadline := time.Now().Add(parleyd.Patience); time.Now().Before(deadline); {
		if err := proxy.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			time.Sleep(50 * time.Millisecond)
			if slices.ContainsFunc(workers(), func(w string) bool { return !slices.Contains(first, w) }) {
				return
			}
		}
	}
	t.Fatal("the proxy starts no worker")
}

// When a proxy reads its configuration again it closes all WebSockets, on both sides. That
// ends no membership: members come back and have missed nothing.
func TestProxyReload(t *testing.T) {
	for _, p := range proxiesThatReload {
		t.Run(p.name, func(t *testing.T) {
			d := parleyd.Start(t)
			dir, port, admin := t.TempDir(), process.FreePort(t), "127.0.0.1:"+process.FreePort(t)
			config := filepath.Join(dir, "config")
			write(t, config, []byte(p.config(port, d.Address, admin)))
			proxy := p.start(dir, config)
			process.Start(t, proxy)
			process.AwaitTCP(t, "127.0.0.1:"+port)

			url := "ws://127.0.0.1:" + port + "/ws"
			ann, bob := joinResumable(t, url, "ann"), joinResumable(t, url, "bob")
			p.reload(t, proxy, config, admin)
			direct := connect(t, d)
			direct.join("garden", "cid")
			d.Wait(t, "suspended", "id", "ann")
			d.Wait(t, "suspended", "id", "bob")
			for i := range 3 {
				direct.send(`{"type":"message","data":%d}`, i)
			}
			for _, r := range []*resumable{ann, bob} {
				for i := range 3 {
					if m := r.next("message"); m.Data != float64(i) {
						t.Errorf("message %v came, want %d", m.Data, i)
					}
				}
			}
			d.Wait(t, "resumed", "id", "ann")
			d.Wait(t, "resumed", "id", "bob")
			for _, line := range d.Lines() {
				if line["msg"] == "leave" {
					t.Errorf("somebody left: %v", line)
				}
			}
		})
	}
}
