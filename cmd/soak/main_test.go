package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/cmd/soak/internal/report"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // most of the time tests wait
	goleak.VerifyTestMain(m)
}

// server runs a server and returns its ws:// URL.
func server(t *testing.T, change ...func(*hub.Options, *wsconn.Options)) string {
	t.Helper()
	of, ow := hub.Options{ResumeWindow: time.Minute}, wsconn.DefaultOptions()
	ow.PingTimeout = time.Minute
	for _, f := range change {
		f(&of, &ow)
	}
	h, err := hub.New(of)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := wsconn.NewHandler(h, ow)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		if err := handler.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// soak runs the program and returns its exit code, what it printed, and its report.
func soak(t *testing.T, url string, args ...string) (int, string, *report.Report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	code := run(t.Context(), append([]string{"--url", url, "--json", path, "--no-progress"}, args...), &out, &out)
	r, err := read(path)
	if err != nil {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out.String())
	}
	return code, out.String(), r
}

// small is a run of a second. On a busy machine messages may take their time.
var small = []string{"--rooms", "3", "--peers", "3", "--rate", "400", "--duration", "1s", "--ramp", "10ms", "--late", "30s"}

func with(args []string, more ...string) []string { return append(args[:len(args):len(args)], more...) }

func TestGoodServer(t *testing.T) {
	t.Parallel()
	code, out, r := soak(t, server(t), with(small, "--objective", "loss=0", "--objective", "p99<20s")...)
	p := r.Phases[0]
	switch {
	case code != report.ExitOK || !r.Verdict.Pass || !strings.Contains(out, "PASS"):
		t.Errorf("exit code %d:\n%s", code, out)
	case p.Counts.Sent < 300 || p.Counts.Received != p.Counts.Sent || p.Counts.Joins != 9 || p.Counts.Answered != p.Counts.Calls:
		t.Errorf("%+v", p.Counts)
	case p.Times["latency"].Count != p.Counts.Received || p.Times["late"].Count != p.Counts.Sent || p.Times["join"].Count != 9:
		t.Errorf("%+v", p.Times)
	}
}

// Each profile makes its traffic, and a good server passes all of them.
func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		profile string
		args    []string
		happens func(*report.Phase) bool
	}{
		{"mesh", []string{"--peers", "4", "--rooms", "2"}, func(p *report.Phase) bool { return p.Counts.Calls > 0 && p.Counts.Calls%6 == 0 }},
		{"storm", []string{"--rooms", "30"}, func(p *report.Phase) bool { return p.Counts.Joins == 90 }},
		{"bigroom", []string{"--rooms", "1", "--peers", "40"}, func(p *report.Phase) bool {
			return p.Times["message"].Count > 39 && p.Counts.Received > p.Counts.Sent
		}},
		{"churn", []string{"--churn", "10"}, func(p *report.Phase) bool {
			return p.Counts.Leaves > 3 && p.Counts.Joins == 9+p.Counts.Leaves
		}},
		{"reconnect", []string{"--cuts", "10"}, func(p *report.Phase) bool { return p.Counts.Cuts > 3 && p.Counts.Resumes == p.Counts.Cuts }},
		{"slow", []string{"--slow-share", "50"}, func(p *report.Phase) bool {
			return p.Times["latency"].Count < p.Counts.Received && p.Counts.Received == p.Counts.Sent
		}},
		{"idle", nil, func(p *report.Phase) bool { return p.Counts.Sent == 0 && p.Counts.Joins == 9 }},
	} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			code, out, r := soak(t, server(t), with(small, append(c.args, "--profile", c.profile)...)...)
			if code != report.ExitOK || !c.happens(&r.Phases[0]) {
				t.Errorf("exit code %d, %+v:\n%s", code, r.Phases[0].Counts, out)
			}
		})
	}
}

// A flood finds where a server stops to meet the objectives.
func TestFlood(t *testing.T) {
	t.Parallel()
	url := server(t, func(_ *hub.Options, o *wsconn.Options) { o.Rate, o.Burst = 200, 400 })
	code, out, r := soak(t, url, "--profile", "flood", "--rooms", "2", "--peers", "2", "--ramp", "10ms",
		"--rate", "100", "--step", "1s", "--objective", "p99<20s")
	p := r.Phases[0]
	if code == report.ExitLimit && r.Client.Limit {
		return
	}
	if code != report.ExitOK || p.Knee < 100 || p.Knee > 2500 {
		t.Errorf("exit code %d, knee %v:\n%s", code, p.Knee, out)
	}
	refused := false
	for _, s := range p.Steps {
		// On a machine that is too busy the client is the limit.
		refused = refused || !s.Met && (s.ClientLimit || strings.Contains(s.Reason, "rate_limited"))
	}
	if !refused {
		t.Errorf("no step says what limited it: %+v", p.Steps)
	}
}

// A scenario's phases follow each other with the members that are there.
func TestScenario(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	text := `
rooms: 2
peers: 2
ramp: 10ms
duration: 1s
rate: 300
late: 30s
phases:
  - name: few
  - name: more
    rooms: 4
    rate: 600
  - name: fewer
    profile: idle
    rooms: 1
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, r := soak(t, server(t), "--scenario", path)
	if code != report.ExitOK || len(r.Phases) != 3 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	var joins []int
	for _, p := range r.Phases {
		joins = append(joins, p.Counts.Joins)
	}
	last := r.Phases[2].Intervals
	if joins[0] != 4 || joins[1] != 4 || joins[2] != 0 || last[len(last)-1].Members != 2 || r.Phases[1].Counts.Sent < r.Phases[0].Counts.Sent {
		t.Errorf("joins %v, %d members at the end:\n%s", joins, last[len(last)-1].Members, out)
	}
}

// Real peer connections come up, and what they do is measured.
func TestWebRTC(t *testing.T) {
	t.Parallel()
	code, out, r := soak(t, server(t), with(small, "--webrtc", "3", "--objective", "setup_p95<30s")...)
	w := r.Phases[0].WebRTC
	if code != report.ExitOK || w == nil || w.Up != 3 || w.Echoes != 30 {
		t.Fatalf("exit code %d, %+v:\n%s", code, w, out)
	}
	for _, stage := range report.Stages {
		if w.Stages[stage].Count != 3 {
			t.Errorf("%s was measured %d times", stage, w.Stages[stage].Count)
		}
	}
	code, out, _ = soak(t, server(t), with(small, "--webrtc", "1", "--relay-only")...)
	if code != report.ExitFailed || !strings.Contains(out, "FAULT     call failed: 1") {
		t.Errorf("relayed without a TURN server: exit code %d:\n%s", code, out)
	}
}

func TestObjectives(t *testing.T) {
	url := server(t)
	for objective, want := range map[string]int{
		"p50<1ns": report.ExitFailed, "max<1h": report.ExitOK, "join_p99<1ns": report.ExitFailed, "rate>1": report.ExitOK,
		"rate>1000000": report.ExitFailed, "loss<1%": report.ExitOK, "server_cpu<1": report.ExitFailed,
	} {
		t.Run(objective, func(t *testing.T) {
			t.Parallel()
			code, out, r := soak(t, url, with(small, "--objective", objective)...)
			// On a machine that is too busy there is no verdict.
			if code != want && !(want == report.ExitFailed && code == report.ExitLimit && r.Client.Limit) {
				t.Errorf("exit code %d, want %d:\n%s", code, want, out)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	code, out, _ := soak(t, "ws://127.0.0.1:1/ws", small...)
	if code != report.ExitFailed || !strings.Contains(out, "FAULT     not joined: 9") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// An interrupted run reports what it has seen.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var out bytes.Buffer
	code := run(ctx, []string{"--url", server(t), "--rooms", "2", "--ramp", "0s", "--duration", "1h"}, &out, &out)
	if code != report.ExitOK || !strings.Contains(out.String(), "PASS") || !strings.Contains(out.String(), "the run was interrupted after") {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}

func TestWrongUse(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.json")
	if err := os.WriteFile(empty, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--url", "http://x"}, {"--rooms", "0"}, {"--colour"}, {"now"}, {"--objective", "p99"}, {"--scenario", empty + ".not"},
		{"--json", filepath.Join(empty, "x")}, {"--tls-ca", empty}, {"--metrics-token-file", empty + ".not", "--metrics-url", "http://127.0.0.1:1/"},
		{"--url", "ws://no.such.host.invalid/ws"},
		{"compare"}, {"compare", empty, empty}, {"merge", empty}, {"merge", empty + ".out", empty},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), args, io.Discard, &stderr)
		if text := stderr.String(); code != report.ExitUsage || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "soak: ") {
			t.Errorf("%v: exit code %d, %q", args, code, text)
		}
	}
	for _, args := range [][]string{{"--help"}, {"--version"}, {"schema"}} {
		var stdout bytes.Buffer
		if code := run(t.Context(), args, &stdout, io.Discard); code != report.ExitOK || stdout.Len() == 0 {
			t.Errorf("%v: exit code %d, %q", args, code, stdout.String())
		}
	}
}
