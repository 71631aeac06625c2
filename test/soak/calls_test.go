package soak

import (
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// callLines waits until the log has a line for each call that has begun, and returns those of
// rooms of which wanted holds.
func callLines(t *testing.T, d *parleyd.Daemon, wanted func(room string) bool) (lines []parleyd.Line) {
	t.Helper()
	d.Wait(t, "stopped")
	for _, line := range d.Lines() {
		if room, ok := line["room"].(string); ok && line["msg"] == "call" && wanted(room) {
			lines = append(lines, line)
		}
	}
	return lines
}

// The server's log tells the same of real calls as soak that makes them: which were connected and
// over which path, failed since the TURN server refused them or there was no candidate, were declined
// or not answered, and which were cut and resumed.
func TestCallsAgree(t *testing.T) {
	d := parleyd.Start(t, "--turn-listen", "127.0.0.1:0", "--turn-public-ip", "127.0.0.1", "--turn-allow-peer", "127.0.0.1")
	const each = 2
	kinds := []string{"connected", "resumed", "declined", "unanswered", "no-candidate", "no-relay"}
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--webrtc", "12", "--webrtc-calls", strings.Join(kinds, ","))...)
	r.want(t, 0)
	w := r.report.Phases[0].WebRTC
	if want := map[string]int{"connected": 2 * each, "declined": each, "unanswered": each, "failed": 2 * each}; !maps.Equal(w.Outcomes, want) {
		t.Errorf("soak counts %v, want %v", w.Outcomes, want)
	}
	d.Signal(syscall.SIGTERM)
	outcomes, relayed := map[string]int{}, 0
	var setups []float64
	for _, line := range callLines(t, d, func(room string) bool { return strings.Contains(room, "rtc-") }) {
		outcome := line["outcome"].(string)
		outcomes[outcome]++
		if line["from"] != "caller" || line["to"] != "callee" {
			t.Errorf("who calls whom: %v", line)
		}
		if line["path"] == "relay" {
			relayed++
		}
		if setup, ok := line["setup"].(float64); ok {
			setups = append(setups, setup)
		}
		if failed := outcome == "failed"; failed != (line["cause"] == "no_candidate") {
			t.Errorf("the cause: %v", line)
		}
	}
	if !maps.Equal(outcomes, w.Outcomes) {
		t.Errorf("the log has %v, soak %v", outcomes, w.Outcomes)
	}
	if relayed != w.Relayed {
		t.Errorf("the log has %d relayed calls, soak %d", relayed, w.Relayed)
	}
	// soak's figures are in buckets of a thousandth.
	if setup := w.Stages["setup"]; len(setups) != setup.Count || len(setups) > 0 && math.Abs(slices.Max(setups)*1000-setup.Max) > 0.01*setup.Max {
		t.Errorf("the log has set-up times of %v s, soak %d up to %v ms", setups, setup.Count, setup.Max)
	}
	resumed := 0
	for _, line := range d.Lines() {
		if line["msg"] == "resumed" && line["id"] == "caller" {
			resumed++
		}
	}
	if resumed != each {
		t.Errorf("%d callers have resumed", resumed)
	}
}

// Calls through a relay are told to be that, by both.
func TestRelayedCallsAgree(t *testing.T) {
	d := parleyd.Start(t, "--turn-listen", "127.0.0.1:0", "--turn-public-ip", "127.0.0.1", "--turn-allow-peer", "127.0.0.1")
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--webrtc", "3", "--relay-only")...)
	r.want(t, 0)
	d.Signal(syscall.SIGTERM)
	lines := callLines(t, d, func(room string) bool { return strings.Contains(room, "rtc-") })
	if w := r.report.Phases[0].WebRTC; w.Relayed != 3 || len(lines) != 3 {
		t.Errorf("soak has %d relayed calls, the log %d calls", w.Relayed, len(lines))
	}
	for _, line := range lines {
		if line["path"] != "relay" || line["outcome"] != "connected" {
			t.Errorf("got %v", line)
		}
	}
}

// Of virtual calls, also while connections are cut and resumed, each offer is counted once: soak
// counts calls, of which a later one of the same two is another offer in the log.
func TestOffersAgree(t *testing.T) {
	d := parleyd.Start(t)
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--profile", "reconnect", "--cuts", "3")...)
	r.want(t, 0)
	d.Signal(syscall.SIGTERM)
	offers := 0
	for _, line := range callLines(t, d, func(string) bool { return true }) {
		offers += int(line["offers"].(float64))
	}
	if c := r.report.Phases[0].Counts; offers != c.Calls || c.Resumes == 0 {
		t.Errorf("the log has %d offers, soak %d calls; %d resumes", offers, c.Calls, c.Resumes)
	}
}
