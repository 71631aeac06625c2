package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/wire"
)

//go:embed testdata/calls.js
var callsScript string

// The server's log tells the same of calls in Chromium as the page that makes them: which came up and
// over which path, failed since the TURN server refused them or there was no candidate, were declined or
// not answered, and which were cut and resumed.
func TestCallsAgree(t *testing.T) {
	d := parleyd.Start(t, "--allow-origin", "*", "--turn-listen", "127.0.0.1:0", "--turn-public-ip", "127.0.0.1", "--turn-allow-peer", "127.0.0.1")
	network := wire.New(t, d.Address)
	w := open(t, browser.Start(t), "calls", "http://"+d.Address+"/healthz", callsScript)
	for _, kind := range []string{"connected", "relayed", "declined", "unanswered", "no-candidate", "no-relay"} {
		w.eval(fmt.Sprintf("makeCall(%q, %q, %q)", kind, "ws://"+d.Address+"/ws", "ws://"+network.Address+"/ws"))
	}
	w.eval(fmt.Sprintf("window.last = makeCall(%q, %q, %q); undefined", "resumed", "ws://"+d.Address+"/ws", "ws://"+network.Address+"/ws"))
	w.until("the caller is in the call", "window.waiting")
	network.Cut(true)
	d.Wait(t, "suspended", "id", "caller")
	network.Cut(false)
	w.eval("window.last")

	var counted, paths map[string]int
	for script, to := range map[string]*map[string]int{"JSON.stringify(counted)": &counted, "JSON.stringify(paths)": &paths} {
		var text string
		w.value(script, &text)
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]int{"connected": 3, "declined": 1, "unanswered": 1, "failed": 2}; !maps.Equal(counted, want) {
		t.Errorf("the page counts %v, want %v", counted, want)
	}
	d.Signal(syscall.SIGTERM)
	d.Wait(t, "stopped")
	outcomes, logged := map[string]int{}, map[string]int{}
	for _, line := range d.Lines() {
		if line["msg"] != "call" {
			continue
		}
		outcome := line["outcome"].(string)
		outcomes[outcome]++
		if outcome == "connected" {
			logged[fmt.Sprint(line["path"])]++
			if line["setup"] == nil || line["rtt"] == nil {
				t.Errorf("no figures: %v", line)
			}
		}
		if (outcome == "failed") != (line["cause"] == "no_candidate") {
			t.Errorf("the cause: %v", line)
		}
	}
	if !maps.Equal(outcomes, counted) || !maps.Equal(logged, paths) || logged["relay"] != 1 {
		t.Errorf("the log has %v by %v, the page %v by %v", outcomes, logged, counted, paths)
	}
	d.Wait(t, "resumed", "id", "caller")
}
