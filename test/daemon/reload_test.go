package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// configured is a daemon with a file of settings that can change.
type configured struct {
	*parleyd.Daemon
	t    *testing.T
	file string
}

func startConfigured(t *testing.T, text string) *configured {
	t.Helper()
	c := &configured{t: t, file: filepath.Join(t.TempDir(), "parley.yaml")}
	write(t, c.file, []byte(text))
	c.Daemon = parleyd.Start(t, "--config", c.file)
	return c
}

// reload changes the file, and waits until the daemon has read it: the log must have
// this line and no other.
func (c *configured) reload(text, msg string) parleyd.Line {
	c.t.Helper()
	write(c.t, c.file, []byte(text))
	had := len(c.Lines())
	c.Signal(syscall.SIGHUP)
	for deadline := time.Now().Add(parleyd.Patience); ; {
		if time.Now().After(deadline) {
			c.t.Fatal("SIGHUP has had no effect")
		}
		for _, line := range c.Lines()[had:] {
			if line["msg"] == "config reloaded" || line["msg"] == "config not reloaded" {
				if line["msg"] != msg {
					c.t.Fatalf("%v", line)
				}
				return line
			}
		}
		select {
		case <-c.Exited():
			c.t.Fatal("SIGHUP has ended the daemon")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// joins reports whether somebody else may join a room.
func (c *configured) joins(room, more string) bool {
	c.t.Helper()
	a := connect(c.t, c.Daemon)
	defer a.conn.CloseNow()
	a.send(`{"type":"join","room":%q%s}`, room, more)
	return a.until(func(m message) bool { return m.Type == "joined" || m.Type == "error" }).Type == "joined"
}

// At SIGHUP all that can change without a restart changes, for those who are in and for
// those who come, and nobody is disconnected. The log says what changed.
func TestReload(t *testing.T) {
	c := startConfigured(t, "max-room-members: 1\n")
	ann := connect(t, c.Daemon)
	ann.join("garden", "ann")
	from := func(origin string) bool {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+c.Address+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			_ = conn.CloseNow()
		}
		return err == nil
	}
	if c.joins("garden", "") || from("https://app.test") {
		t.Error("joined a full room, or from another page")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte(strings.Repeat("s", 32)))
	line := c.reload(`max-room-members: 2
allow-origin: [app.test]
log-level: debug
ice-server: ["stun:stun.test"]
auth-secret-file: `+secret+`
rooms: {garden: {token: optional}}
turn-port-range: 50000-50100
`, "config reloaded")
	if got := fmt.Sprint(line["changed"], line["restart"]); got != "[allow-origin auth-secret-file ice-server log-level max-room-members rooms] [turn-port-range]" {
		t.Errorf("the log says %s", got)
	}
	if !c.joins("garden", "") || !from("https://app.test") || c.joins("elsewhere", "") {
		t.Error("the new settings are not in force")
	}
	ann.send(`{"type":"ice"}`)
	if m := ann.until(func(m message) bool { return m.Type == "ice" || m.Type == "error" }); len(m.ICEServers) != 1 {
		t.Errorf("ICE servers: %+v", m)
	}
	ann.send(`{"type":"message","to":"ann","data":1}`)
	c.Wait(t, "forward", "id", "ann")

	// The API shows the settings in force: one that needs a restart has its old value.
	config := operate(t, c.Daemon, "").ask("GET", "/api/v1/config", "", 200)
	if config["max-room-members"] != "2" || config["turn-port-range"] != "49152-65535" {
		t.Errorf("%v", config)
	}
	// The same again is no change.
	text, _ := os.ReadFile(c.file)
	if line := c.reload(string(text), "config reloaded"); fmt.Sprint(line["changed"]) != "[]" {
		t.Errorf("the log says %v", line)
	}
}

// A file that is not valid changes nothing, whatever else is in it.
func TestReloadOfABadFile(t *testing.T) {
	c := startConfigured(t, "max-room-members: 1\n")
	for _, bad := range []string{
		"max-room-members: 9\nrate: fast\n",
		"max-room-members: 9\nno-setting: 1\n",
		"max-room-members: 9\nauth-secret-file: /no/such/file\n",
		"max-room-members: 9\nrooms: {a: {passcode: clear}}\n",
		"max-room-members: 9\nallow-origin: ['[']\n",
		"max-room-members: 9\nqueue-bytes: 1\n",
		"max-room-members: 9\n---\n",
		"", // as who writes it anew leaves it for a moment
	} {
		if line := c.reload(bad, "config not reloaded"); line["error"] == "" {
			t.Errorf("%q: no reason is told", bad)
		}
	}
	connect(t, c.Daemon).join("garden", "ann")
	if c.joins("garden", "") {
		t.Error("a bad file has changed something")
	}
}

// Webhooks change without the loss of an event.
func TestReloadOfWebhooks(t *testing.T) {
	heard := make(chan string, 100)
	hook := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard <- name }))
		t.Cleanup(s.Close)
		return s.URL
	}
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\n"))
	first, second := hook("first"), hook("second")
	c := startConfigured(t, "event-webhook: "+first+"\nwebhook-secret-file: "+secret+"\n")
	connect(t, c.Daemon).join("garden", "ann") // a room, and a member
	c.reload("event-webhook: "+second+"\nwebhook-secret-file: "+secret+"\n", "config reloaded")
	connect(t, c.Daemon).join("orchard", "bob")
	got := map[string]int{}
	for range 4 {
		select {
		case name := <-heard:
			got[name]++
		case <-time.After(parleyd.Patience):
			t.Fatalf("events are lost: %v", got)
		}
	}
	if got["first"] != 2 || got["second"] != 2 {
		t.Errorf("%v", got)
	}
}

// The admin API and its command do what SIGHUP does, and tell what comes of it.
func TestReloadByAdmin(t *testing.T) {
	c := startConfigured(t, "max-rooms: 1\n")
	admin := func() (string, error) {
		out, err := parleyd.Command("admin", "--server", "http://"+c.Admin, "reload").CombinedOutput()
		return string(out), err
	}
	write(t, c.file, []byte("max-rooms: 2\nnode: other\n"))
	if out, err := admin(); err != nil || out != "changed: max-rooms\nneed a restart: node\n" {
		t.Errorf("%q %v", out, err)
	}
	write(t, c.file, []byte("max-rooms: two\n"))
	if out, err := admin(); err == nil || !strings.Contains(out, "max-rooms") {
		t.Errorf("%q %v", out, err)
	}
}

// A file can be checked without a start, with the files that it names.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	cert := certificate.New(t, dir)
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)
	for name, c := range map[string]struct {
		text string
		want string // in what it says; empty: it is valid
	}{
		"valid":                             {"listen: :1\nrooms: {a: {max-members: 3}}\ntls-cert: " + cert.CertFile + "\ntls-key: " + cert.KeyFile + "\n", ""},
		"setting":                           {"liste: :1\n", "liste"},
		"value":                             {"rate: fast\n", "rate"},
		"rule":                              {"rooms: {a: {size: 3}}\n", "size"},
		"no certificate":                    {"tls-cert: /no/such\ntls-key: /no/such\n", "tls-cert"},
		"another's key":                     {"tls-cert: " + cert.CertFile + "\ntls-key: " + cert.CertFile + "\n", "tls-cert"},
		"empty secret":                      {"admin-token-file: " + empty + "\n", "empty"},
		"no key set":                        {"auth-jwks: /no/such\n", "/no/such"},
		"STUN server without a scheme":      {"ice-server: turn.example.org\n", "ice-server"},
		"TURN server without a secret":      {"ice-server: \"turn:turn.example.org\"\n", "turn-secret-file"},
		"no root of the authority":          {"acme-domain: a.example.org\nacme-dir: /x\nacme-root: /no/such\n", "acme-root"},
		"a root that is none":               {"acme-domain: a.example.org\nacme-dir: /x\nacme-root: " + empty + "\n", "acme-root"},
		"no credentials for NATS":           {"cluster-nats: \"nats://127.0.0.1:1\"\nnode: a\ncluster-nats-creds: /no/such\n", "cluster-nats-creds"},
		"a socket of nobody's":              {"listen: \"unix:/run/p.sock?owner=nobody-of-this-name\"\n", "nobody-of-this-name"},
		"a key set that may be there later": {"auth-jwks: https://127.0.0.1:1/keys\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "parley.yaml")
			write(t, file, []byte(c.text))
			out, err := parleyd.Command("check", file).CombinedOutput()
			if (err == nil) != (c.want == "") || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if out, err := parleyd.Command("check", "/no/such/file").CombinedOutput(); err == nil {
		t.Errorf("%s", out)
	}
}
