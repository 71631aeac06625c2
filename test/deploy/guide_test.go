package deploy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"sigs.k8s.io/yaml"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// The Secret that the guide makes has what its values name.
func TestSecretInTheGuide(t *testing.T) {
	guide := "cmd/parleyd/deploy/README.md"
	name, made := "", []string(nil)
	for _, block := range fenced(t, guide, "sh") {
		for _, words := range commands(t, guide, block) {
			if len(words) > 4 && slices.Equal(words[:4], []string{"kubectl", "create", "secret", "generic"}) {
				name = words[4]
				for _, word := range words[5:] {
					key, _, _ := strings.Cut(strings.TrimPrefix(word, "--from-literal="), "=")
					made = append(made, key)
				}
			}
		}
	}
	used := 0
	for _, block := range fenced(t, guide, "yaml values") {
		var values struct {
			Secret struct {
				Name string
				Keys []string
			}
		}
		if err := yaml.Unmarshal([]byte(block), &values); err != nil {
			t.Fatal(err)
		}
		for _, key := range values.Secret.Keys {
			used++
			if values.Secret.Name != name || !slices.Contains(made, key) {
				t.Errorf("%s of %s is not made: the guide makes %v in %s", key, values.Secret.Name, made, name)
			}
		}
	}
	if used == 0 {
		t.Error("the guide uses no Secret")
	}
}

// The questions to the log in the documents have answers.
func TestQuestionsToTheLog(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("there is no jq")
	}
	d := parleyd.Start(t, "--max-room-members", "2", "--resume-window", "1s")
	join := func(id string) *websocket.Conn {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", nil)
		if err == nil {
			err = conn.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"type":"join","room":"garden","from":%q,"resumable":true}`, id))
		}
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	ann := join("ann")
	d.Wait(t, "join", "id", "ann")
	amy := join("amy")
	d.Wait(t, "join", "id", "amy")
	_ = join("bob")
	d.Wait(t, "refused", "id", "bob")
	say := func(conn *websocket.Conn, text string) {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say(ann, `{"type":"offer","to":"amy","sdp":"x"}`)
	for { // until amy has the offer
		_, text, err := amy.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"offer"`) {
			break
		}
	}
	say(amy, `{"type":"answer","to":"ann","sdp":"y"}`)
	say(amy, `{"type":"report","to":"ann","data":{"outcome":"connected","path":"relay","protocol":"udp","rtt_ms":900,"loss":0.2}}`)
	say(amy, `{"type":"hangup","to":"ann"}`)
	d.Wait(t, "call")
	_, _ = amy.CloseNow(), ann.CloseNow()
	d.Wait(t, "suspended")
	d.Wait(t, "room closed")
	d.Wait(t, "disconnect")
	_, _, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://foreign.example.org"}}})
	if err == nil {
		t.Fatal("a foreign page was let in")
	}
	d.Wait(t, "upgrade refused")

	dir := t.TempDir()
	today := strings.Join(d.Texts(), "\n") + "\n"
	now := time.Now().UTC()
	for file, text := range map[string]string{
		// The day before was the same.
		"parley.log": strings.ReplaceAll(today, now.Format(time.DateOnly), now.AddDate(0, 0, -1).Format(time.DateOnly)) + today,
		"journalctl": "#!/bin/sh\ncat \"$(dirname \"$0\")/parley.log\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	for _, document := range documents {
		for _, block := range fenced(t, document, "sh") {
			for line := range strings.Lines(block) {
				if !strings.Contains(line, "jq ") {
					continue
				}
				asked++
				sh := exec.Command("sh", "-c", line)
				sh.Dir = dir
				sh.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
				out, err := sh.CombinedOutput()
				if err != nil || len(out) == 0 && !strings.Contains(line, "conn ==") {
					t.Errorf("%s: %s: %v, and the answer is %q", document, line, err, out)
				}
			}
		}
	}
	if asked < 10 {
		t.Errorf("only %d questions were found", asked)
	}
}

// The Python in the guide takes the signatures of webhooks, and no others.
func TestSignatureInTheGuide(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3")
	}
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	type event struct {
		header http.Header
		body   []byte
	}
	events := make(chan event, 10)
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		events <- event{r.Header, body}
	}))
	t.Cleanup(application.Close)
	d := parleyd.Start(t, "--event-webhook", application.URL, "--webhook-secret-file", file)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", nil)
	if err == nil {
		err = conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"join","room":"garden","from":"ann"}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	got := <-events
	block := pythonWith(t, "def verified(")
	for body, want := range map[string]string{string(got.body): "True", string(got.body) + " ": "False"} {
		script := block + `
import sys
print(verified({"webhook-id": sys.argv[1], "webhook-timestamp": sys.argv[2], "webhook-signature": sys.argv[3]}, sys.argv[4].encode(), sys.argv[5]))
`
		h := got.header
		out, err := exec.Command("python3", "-c", script, h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature"), body, secret).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%v: %s, want %s", err, out, want)
		}
	}
}

// pythonWith returns the guide's block of Python with this line.
func pythonWith(t *testing.T, line string) string {
	t.Helper()
	for _, block := range fenced(t, "cmd/parleyd/deploy/README.md", "python") {
		if strings.Contains(block, line) {
			return block
		}
	}
	t.Fatalf("the guide has no Python with %q", line)
	return ""
}

// The daemon lets in who has a token that the guide's Python made, with what it says.
func TestTokenInTheGuide(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3")
	}
	const secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := pythonWith(t, "def token(") + "\nimport sys\nprint(token(sys.argv[1], 'garden', 'ann', 'Ann', ['send', 'message', 'moderate']))\n"
	made, err := exec.Command("python3", "-c", script, secret).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, made)
	}
	d := parleyd.Start(t, "--auth-secret-file", file)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	join := fmt.Sprintf(`{"type":"join","room":"garden","token":%q}`, strings.TrimSpace(string(made)))
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(join)); err != nil {
		t.Fatal(err)
	}
	_, answer, err := conn.Read(t.Context())
	for _, want := range []string{`"joined"`, `"from":"ann"`, `"name":"Ann"`, `"moderate"`} {
		if err != nil || !strings.Contains(string(answer), want) {
			t.Errorf("got %s, %v; want %s", answer, err, want)
		}
	}
}

// The load balancers of the guide take its configurations, in which they hash rooms.
func TestBalancersOfTheGuide(t *testing.T) {
	const guide = "cmd/parleyd/deploy/README.md"
	for _, balancer := range []struct {
		info, frame string
		command     []string
	}{
		{"nginx", "events {}\nhttp {\n%s\n}\n", []string{"/usr/sbin/nginx", "-t", "-e", "stderr", "-g", "pid nginx.pid;", "-c"}},
		{"haproxy", "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1h\n  timeout server 1h\nfrontend all\n  bind 127.0.0.1:8080\n  default_backend parley\n%s\n", []string{"/usr/sbin/haproxy", "-c", "-f"}},
	} {
		blocks := fenced(t, guide, balancer.info)
		if len(blocks) == 0 {
			t.Errorf("the guide has nothing for %s", balancer.info)
		}
		for _, block := range blocks {
			dir := t.TempDir()
			file := filepath.Join(dir, "balancer.conf")
			if err := os.WriteFile(file, fmt.Appendf(nil, balancer.frame, block), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(balancer.command[0], append(slices.Clone(balancer.command[1:]), file)...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s\n%s", balancer.info, err, out, block)
			}
		}
	}
}
