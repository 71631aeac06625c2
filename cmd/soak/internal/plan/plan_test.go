package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func none(string) (string, bool) { return "", false }

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	p, err := Load(nil, none)
	if err != nil {
		t.Fatal(err)
	}
	want := Phase{Name: "call", Profile: Call, Rooms: 50, Peers: 3, Rate: 500, Duration: 30 * time.Second, Ramp: 5 * time.Second, SlowRate: 1000, Step: 3 * time.Second, WebRTCCalls: "connected"}
	if p.URL != "ws://127.0.0.1:8080/ws" || len(p.Phases) != 1 || p.Phases[0] != want || p.Late != time.Second {
		t.Errorf("%+v", p)
	}
	for profile, want := range map[string]Phase{
		"bigroom": {Rooms: 1, Peers: 100, Ramp: 5 * time.Second}, "mesh": {Rooms: 20, Peers: 6, Ramp: 5 * time.Second},
		"storm": {Rooms: 50, Peers: 3}, "flood": {Rooms: 50, Peers: 3, Ramp: 5 * time.Second},
	} {
		p, err := Load([]string{"--profile", profile}, none)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Phases[0]; got.Rooms != want.Rooms || got.Peers != want.Peers || got.Ramp != want.Ramp {
			t.Errorf("%s: %+v", profile, got)
		}
	}
	if p, _ := Load([]string{"--profile", "churn"}, none); p.Phases[0].Churn != 7.5 {
		t.Errorf("churn of %v", p.Phases[0].Churn)
	}
}

// A flag wins over the environment, that over a phase, that over the rest of the file,
// and that over a profile's own default.
func TestOrder(t *testing.T) {
	path := file(t, `
url: ws://file/ws
rooms: 7
objective: [p99<1s, loss=0]
phases:
  - {name: a, rate: 1}
  - {name: b, profile: mesh, rate: 2, peers: 9}
`)
	env := map[string]string{"SOAK_RATE": "3", "SOAK_SCENARIO": path, "SOAK_OBJECTIVE": "p50<1s,max<2s"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	p, err := Load([]string{"--duration", "4s"}, lookup)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Phase{
		{Name: "a", Profile: Call, Rooms: 7, Peers: 3, Rate: 3, Duration: 4 * time.Second},
		{Name: "b", Profile: Mesh, Rooms: 7, Peers: 9, Rate: 3, Duration: 4 * time.Second},
	} {
		got := p.Phases[i]
		got.Ramp, got.SlowRate, got.Step, got.WebRTCCalls = 0, 0, 0, ""
		if got != want {
			t.Errorf("phase %d is %+v, want %+v", i, got, want)
		}
	}
	if p.URL != "ws://file/ws" || len(p.Objectives) != 2 || p.Objectives[1].Text != "max<2s" {
		t.Errorf("%+v", p)
	}
	if p, err = Load([]string{"--objective", "p90<1s", "--rate", "5"}, lookup); err != nil || len(p.Objectives) != 1 || p.Phases[1].Rate != 5 {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--rooms", "x"}, {"--rooms", "0"}, {"--peers", "0"}, {"--peers", "1"}, {"--rate", "0"}, {"--rate", "NaN"}, {"--duration", "0s"},
		{"--ramp", "-1s"}, {"--profile", "party"}, {"--dialect", "klingon"}, {"--url", "ws://"}, {"--url", "http://x"}, {"--source", "here"},
		{"--header", "x"}, {"--header", "a: b\r\nc: d"}, {"--objective", "p99"}, {"--objective", "speed>1"}, {"--objective", "p99<1"},
		{"--objective", "rate>1%"}, {"--objective", "sent>1"}, {"--metrics-url", "x"}, {"--start-at", "noon"}, {"--late", "-1s"}, {"--churn", "-1"}, {"--cuts", "NaN"},
		{"--slow-share", "101"}, {"--slow-rate", "0"}, {"--step", "1ms"}, {"--webrtc", "-1"}, {"--webrtc-calls", "connected,lost"}, {"--webrtc-calls", ""}, {"--webrtc", "1", "--dialect", "peerserver"}, {"more"},
		{"--token-file", "/no/such"}, {"--auth-secret-file", "/no/such"}, {"--passcode", "p", "--dialect", "peerserver"},
		{"--token-ttl", "1ms", "--auth-secret-file", "/no/such"},
	} {
		if _, err := Load(args, none); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := Load([]string{"--peers", "1", "--profile", "idle"}, none); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"": "empty", "- a": "fields", "rooms: 1\nrooms: 2": "rooms", "colour: red": "colour", "help: true": "help", "rooms: [1, 2]": "rooms",
		"rooms: {a: 1}": "rooms", "phases: 3": "phases", "phases: []": "phases", "phases: [3]": "fields", "phases: [{url: ws://x}]": "url",
		"phases: [{rate: fast}]": "rate", "a: [": "yaml", "objective: [{a: 1}]": "objective", "phases: [{name: a}, {name: b, peers: 1}]": "phase 2",
	} {
		_, err := Load([]string{"--scenario", file(t, text)}, none)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Load(nil, func(name string) (string, bool) { return "x", name == "SOAK_ROOMS" }); err == nil || !strings.Contains(err.Error(), "SOAK_ROOMS") {
		t.Errorf("%v", err)
	}
}

func TestCredentials(t *testing.T) {
	secret := file(t, "a secret that is long enough for those who sign")
	p, err := Load(nil, none)
	if err != nil || p.Credentials != nil {
		t.Errorf("without any: %v, %v", p.Credentials, err)
	}
	scenario := file(t, "auth-secret-file: "+secret+"\ntoken-ttl: 2m\npasscode: p")
	if p, err = Load([]string{"--scenario", scenario}, none); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(p.Credentials.Token(0, "r", "a").Expires); left > 2*time.Minute || left < time.Minute || p.Credentials.Passcode() != "p" {
		t.Errorf("a token is good for %v, the passcode is %q", left, p.Credentials.Passcode())
	}
}

func TestObjective(t *testing.T) {
	for text, want := range map[string]Objective{
		"p99<20ms":       {Metric: MetricLatency, Quantile: .99, Op: "<", Limit: .02},
		" p99.9 <= 1s ":  {Metric: MetricLatency, Quantile: .999, Op: "<=", Limit: 1},
		"max<1s":         {Metric: MetricLatency, Quantile: 1, Op: "<", Limit: 1},
		"setup_p95<1s":   {Metric: MetricSetup, Quantile: .95, Op: "<", Limit: 1},
		"join_max<1s":    {Metric: MetricJoin, Quantile: 1, Op: "<", Limit: 1},
		"loss=0":         {Metric: MetricLoss, Op: "="},
		"loss<0.1%":      {Metric: MetricLoss, Op: "<", Limit: .001, Percent: true},
		"sent>95%":       {Metric: MetricSent, Op: ">", Limit: .95, Percent: true},
		"rate>=1000":     {Metric: MetricRate, Op: ">=", Limit: 1000},
		"server_rss<500": {Metric: MetricServerRSS, Op: "<", Limit: 500},
	} {
		got, err := ParseObjective(text)
		want.Text = strings.ReplaceAll(text, " ", "")
		if d := got.Quantile - want.Quantile; err != nil || d > 1e-9 || d < -1e-9 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if got.Quantile = want.Quantile; got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	for op, met := range map[string][3]bool{"<": {true, false, false}, "<=": {true, true, false}, "=": {false, true, false}, ">=": {false, true, true}, ">": {false, false, true}} {
		o := Objective{Op: op, Limit: 2}
		for i, want := range met {
			if got := o.Met(float64(i + 1)); got != want {
				t.Errorf("%d %s 2 is %v", i+1, op, got)
			}
		}
	}
}

func TestStartAt(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "12:30:00": now.Add(30 * time.Minute), "11:30:00": now.Add(23*time.Hour + 30*time.Minute), "2026-11-24T13:00:00Z": now.Add(time.Hour),
	} {
		if got, err := startTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// Whatever a scenario holds, it is read or refused.
func FuzzScenario(f *testing.F) {
	f.Add([]byte("rooms: 1\nphases: [{rate: 2}]"))
	f.Add([]byte("objective: [p99<1s]"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		s, err := parse(text)
		if err != nil {
			return
		}
		p := new(Plan)
		if len(s.phases) == 0 {
			s.phases = []settings{nil}
		}
		for _, fields := range s.phases {
			_, _ = p.phase(s.common, fields, none, nil)
		}
	})
}
