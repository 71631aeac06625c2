package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// preferences give Firefox a fake camera and microphone, leave to use them, and
// addresses on loopback.
const preferences = `user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("intl.accept_languages", "en");
`

// firefox is a Firefox that is driven by WebDriver BiDi.
type firefox struct {
	t       *testing.T
	ctx     context.Context
	conn    *websocket.Conn
	id      int
	context string // the window
}

// startFirefox runs Firefox until the end of the test.
func startFirefox(t *testing.T) *firefox {
	t.Helper()
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0")
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		listening := regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		_ = cmd.Wait()
	})
	f := &firefox{t: t}
	var cancel context.CancelFunc
	f.ctx, cancel = context.WithTimeout(context.Background(), 4*parleyd.Patience)
	t.Cleanup(cancel)
	select {
	case at := <-address:
		f.conn, _, err = websocket.Dial(f.ctx, at+"/session", nil)
	case <-time.After(2 * parleyd.Patience):
		t.Fatal("Firefox does not listen")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.conn.CloseNow() })
	f.conn.SetReadLimit(-1)
	f.command("session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	var tree struct{ Contexts []struct{ Context string } }
	f.command("browsingContext.getTree", map[string]any{}, &tree)
	f.context = tree.Contexts[0].Context
	return f
}

// command sends a command and waits for its result.
func (f *firefox) command(method string, params map[string]any, result any) {
	f.t.Helper()
	f.id++
	if err := wsjson.Write(f.ctx, f.conn, map[string]any{"id": f.id, "method": method, "params": params}); err != nil {
		f.t.Fatal(err)
	}
	for {
		var answer struct {
			ID             int
			Result         json.RawMessage
			Error, Message string
		}
		if err := wsjson.Read(f.ctx, f.conn, &answer); err != nil {
			f.t.Fatal(err)
		}
		if answer.ID != f.id {
			continue
		}
		if answer.Error != "" {
			f.t.Fatalf("%s: %s: %s", method, answer.Error, answer.Message)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				f.t.Fatal(err)
			}
		}
		return
	}
}

// is evaluates a JavaScript expression.
func (f *firefox) is(expression string) bool {
	f.t.Helper()
	var out struct {
		Result struct {
			Type  string
			Value any
		}
		ExceptionDetails struct{ Text string }
	}
	f.command("script.evaluate", map[string]any{"expression": fmt.Sprintf("(async () => !!(%s))()", expression),
		"target": map[string]any{"context": f.context}, "awaitPromise": true}, &out)
	if out.ExceptionDetails.Text != "" {
		f.t.Fatalf("Firefox: %s: %s", expression, out.ExceptionDetails.Text)
	}
	return out.Result.Value == true
}

func (f *firefox) until(what, expression string) {
	f.t.Helper()
	for deadline := time.Now().Add(2 * parleyd.Patience); !f.is(expression); {
		if time.Now().After(deadline) {
			f.t.Fatalf("Firefox: not in time: %s", what)
		}
		time.Sleep(poll)
	}
}

// Firefox and Chromium meet: pictures, what is told, chat, and after a restart of the
// server too.
func TestFirefox(t *testing.T) {
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#garden")
	ann.meet("garden")
	f := startFirefox(t)
	f.command("browsingContext.navigate", map[string]any{"context": f.context, "url": "http://" + d.Address + "/#garden", "wait": "complete"}, nil)
	f.until("there is a preview", `document.querySelector("#preview").videoWidth > 0`)
	f.is(`(document.querySelector("#nickname").value = "Fox", document.querySelector("#join-button").click(), true)`)
	f.until("Ann's picture plays", others+`.length === 1 && `+others+`[0].querySelector("video").videoWidth > 0`)
	ann.sees(1)
	f.is(`(document.querySelector("#hand").click(), true)`)
	ann.until("Fox raises a hand", `document.querySelector(".tile:not([data-key=self]) .raised:not([hidden])")`)
	ann.eval(`document.querySelector("#words").value = "hello"; document.querySelector("#chat-form").requestSubmit()`)
	f.until("it is told", `document.querySelector("#lines").textContent.includes("hello")`)
	d.Signal(syscall.SIGKILL)
	<-d.Exited()
	parleyd.StartAt(t, d.Address)
	f.until("back in the room", `document.querySelector("#state").dataset.state === "call" && document.querySelectorAll("#members li").length === 2`)
	ann.sees(1)
}
