package daemon

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// A mistake at the start is told in one line, with exit code 2.
func TestBadStart(t *testing.T) {
	busy := parleyd.Start(t)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"--nonsense"}, "--nonsense"},
		{"bad value", []string{"--rate", "fast"}, "--rate"},
		{"address in use", []string{"--listen", busy.Address}, "listen"},
		{"cluster address in use", []string{
			"--listen", "127.0.0.1:0", "--admin-listen", "", "--node", "a", "--cluster-listen", busy.Address,
			"--cluster-peer", "127.0.0.1:1", "--cluster-peer", "127.0.0.1:2",
		}, "cluster-listen"},
		{"one address twice", []string{"--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"}, "taken"},
		{"no such certificate", []string{"--listen", "127.0.0.1:0", "--admin-listen", "", "--tls-cert", "x", "--tls-key", "y"}, "tls-cert"},
		{"bad ICE server", []string{"--ice-server", "http://x"}, "ice-server"},
		{"TURN without a secret", []string{"--ice-server", "turn:example.org"}, "secret"},
		{"no such secret", []string{"--ice-server", "turn:example.org", "--turn-secret-file", "/no/such/file"}, "turn-secret-file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := parleyd.Command(c.args...)
			var out bytes.Buffer
			cmd.Stderr = &out
			_ = cmd.Run()
			text := out.String()
			if code := cmd.ProcessState.ExitCode(); code != 2 || strings.Count(text, "\n") != 1 || !strings.Contains(text, c.want) {
				t.Errorf("exit code %d and %q", code, text)
			}
		})
	}
}

func TestTexts(t *testing.T) {
	for flag, want := range map[string]string{"--version": "parleyd ", "--help": "--max-room-members"} {
		out, err := parleyd.Command(flag).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %q", flag, err, out)
		}
	}
}

func TestHealth(t *testing.T) {
	d := parleyd.Start(t)
	for _, path := range []string{"/healthz", "/readyz", "/", "/main.js"} {
		if status, body := parleyd.Get(t, d.Address, path); status != 200 || body == "" {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/log/level"} {
		if status, _ := parleyd.Get(t, d.Address, path); status != 404 {
			t.Errorf("%s is there for everybody: %d", path, status)
		}
		if status, _ := parleyd.Get(t, d.Admin, path); status != 200 {
			t.Errorf("%s on the admin listener: %d", path, status)
		}
	}
}

// Every line of the log is a JSON object with a time, a level and a message; what
// happens is in it, and nothing that clients say in confidence.
func TestLog(t *testing.T) {
	d := parleyd.Start(t, "--log-level", "debug")
	a, b := connect(t, d), connect(t, d)
	a.join("garden", "ann")
	b.join("garden", "bob")
	a.send(`{"type":"offer","to":"bob","sdp":"confidential","extra":"confidential"}`)
	a.send(`{"type":"candidate","to":"bob","candidate":"confidential"}`)
	a.send(`{"type":"message","data":"confidential","token":"confidential"}`)
	a.send(`{"type":"confidential"}`)
	a.until(func(m message) bool { return m.Type == "error" })
	b.send(`{"type":"leave"}`)
	a.until(func(m message) bool { return m.Type == "room_members" && len(m.Members) == 1 })
	_ = a.conn.CloseNow()

	start := d.Wait(t, "start")
	for _, field := range []string{"version", "listen", "admin_listen", "max_message_bytes", "queue_bytes", "open_files"} {
		if start[field] == nil {
			t.Errorf("start has no %s", field)
		}
	}
	connected := d.Wait(t, "connect")
	if connected["remote"] == "" || connected["conn"] == nil {
		t.Errorf("connect: %v", connected)
	}
	d.Wait(t, "room opened", "room", "garden")
	joined := d.Wait(t, "join", "room", "garden", "id", "ann")
	d.Wait(t, "forward", "id", "ann", "type", "offer", "to", "bob")
	d.Wait(t, "refused", "id", "ann", "code", "unknown_type")
	d.Wait(t, "leave", "room", "garden", "id", "bob", "reason", "left")
	d.Wait(t, "leave", "room", "garden", "id", "ann", "reason", "lost")
	closed := d.Wait(t, "room closed", "room", "garden")
	if _, ok := closed["duration"].(float64); !ok {
		t.Errorf("room closed: %v", closed)
	}
	d.Wait(t, "disconnect", "conn", joined["conn"], "code", 1006, "reason", "lost")
	ts := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	for i, line := range d.Lines() {
		text := d.Texts()[i]
		when, _ := line["ts"].(string)
		if line == nil || !ts.MatchString(when) || line["level"] == nil || line["msg"] == "" {
			t.Errorf("not a log line: %s", text)
		}
		if strings.Contains(text, "confidential") {
			t.Errorf("said in confidence: %s", text)
		}
	}
}
