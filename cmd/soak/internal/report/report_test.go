package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// times returns those of a histogram with n values, each step microseconds more.
func times(n, step int) Times {
	h := crowd.NewHistogram()
	for i := range n {
		_ = h.RecordValue(int64((i + 1) * step))
	}
	return TimesOf(h, true)
}

// sample is a report with something of everything.
func sample() *Report {
	v := func(f float64) *float64 { return &f }
	r := &Report{
		Schema: Name, Version: Version, Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Seconds: 42.5,
		URL: "ws://127.0.0.1:8080/ws", Dialect: "parley", Machines: 1,
		Tool: Tool{Version: "v0", Go: "go1", System: "linux/amd64", Cores: 2},
		Phases: []Phase{{
			Name: "talk", Profile: "call", Start: 1, Seconds: 10, Rooms: 50, Peers: 3, Rate: 500,
			Counts: Counts{Sent: 4000, Unsent: 40, Due: 5000, Received: 4990, ReceivedBytes: 2_000_000, Lost: 3, ExpectedLosses: 5, Refused: 2, Joins: 150, Renewals: 7, Leaves: 4,
				Cuts: 2, Resumes: 3, Calls: 170, Answered: 168, Abandoned: 2},
			Times:  map[string]Times{"latency": times(5000, 2), "offer": times(170, 3), "join": times(150, 40), "setup": times(168, 9), "late": times(5000, 1), "read_late": times(100, 1)},
			Errors: map[string]int{"target_not_found": 2}, Closes: map[string]int{"1001": 1, "broken": 3},
			WebRTC: &WebRTC{Pairs: 10, Up: 9, Failed: 1, Echoes: 90, Relayed: 9,
				Stages: map[string]Times{"join": times(10, 300), "setup": times(9, 5000)}, Failures: map[string]int{"ICE: failed": 1}},
			Intervals: []Interval{
				{At: 1, Seconds: 1, Members: 75, Connections: 80, ClientCPU: .1, ClientBytes: 1e7},
				{At: 2, Seconds: 1, Members: 150, Connections: 150, Sent: 500, Unsent: 5, Received: 499, Errors: 1, Faults: 1, Latency: times(499, 2), Late: .1, ReadLate: .05,
					ClientCPU: .2, ClientBytes: 1.1e7, Wait: .01, ServerCPU: v(.3), ServerMemory: v(2e7), ServerOutbox: v(100)},
			},
		}, {
			Name: "flood", Profile: "flood", Start: 20, Seconds: 9, Rooms: 50, Peers: 3, Rate: 1000,
			Counts: Counts{Sent: 9000, Due: 9000, Received: 9000}, Times: map[string]Times{"latency": times(9000, 1)}, Knee: 2000,
			Steps: []Step{
				{Rate: 1000, At: 21, Seconds: 3, Due: 3003, Received: 3003, Latency: times(3003, 1), Met: true},
				{Rate: 2000, At: 25, Seconds: 3, Due: 6000, Received: 5997, Latency: times(5997, 1), Met: true},
				{Rate: 4000, At: 29, Seconds: 3, Due: 9000, Received: 9000, Latency: times(9000, 20), Reason: "p99<50ms missed"}},
			Intervals: []Interval{},
		}},
		Faults: []FaultKind{{Kind: "lost", Count: 3, Examples: []Fault{{At: 3.25, Fault: crowd.Fault{Message: "message 7", From: "a", To: "b", Text: "never came"}}}}},
		Client: Client{Cores: 2, CPU: .2, Memory: 1.1e7, Descriptors: 162},
		Server: &Server{CPU: .3, Mean: .25, Memory: 2e7, Outbox: 100},
	}
	return r
}

func objectives(t *testing.T, texts ...string) (list []plan.Objective) {
	t.Helper()
	for _, text := range texts {
		o, err := plan.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
	}
	return list
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was (go test -update writes it anew):\n%s", name, got)
	}
}

func TestGolden(t *testing.T) {
	r := sample()
	r.Judge(objectives(t, "p99<20ms", "loss=0", "setup_p95<10ms", "knee>1000", "server_rss<100", "loss<1%"))
	var text strings.Builder
	r.Text(&text)
	golden(t, "summary.txt", text.String())
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", string(b))
	back, err := Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.JSON()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("read and written again it is another: %v\n%s", err, again)
	}
}

// Page has what the report has, and nothing that needs another.
func TestPage(t *testing.T) {
	r := sample()
	r.URL = "ws://<script>alert(1)</script>"
	r.Judge(objectives(t, "p99<20ms", "loss=0"))
	var page strings.Builder
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAIL: 3 faults", "loss=0 NOT MET: 3", "never came", "p99&lt;20ms met: 9.92ms", "Latency over time", "How long messages took",
		"Server&#39;s outboxes", "Flood: latency at each rate", "Real peer connections", "ICE: failed 1", "<b>7</b>tokens renewed"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "src=", "href="} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*Report)
		objectives []string
		exit       int
	}{
		"all well":                              {func(*Report) {}, []string{"p99<20ms", "loss=0"}, ExitOK},
		"a fault":                               {func(r *Report) { r.Faults = sample().Faults }, nil, ExitFailed},
		"a fault, and the client was the limit": {func(r *Report) { r.Faults, r.Client.Limit = sample().Faults, true }, []string{"p99<1us"}, ExitFailed},
		"an objective":                          {func(*Report) {}, []string{"p99<1us"}, ExitFailed},
		"an objective, and the client was the limit": {func(r *Report) { r.Client.Limit = true }, []string{"p99<1us"}, ExitLimit},
		"the client was the limit and all is met":    {func(r *Report) { r.Client.Limit = true }, []string{"p99<20ms"}, ExitOK},
		"no descriptors":         {func(r *Report) { r.Client.DialsFailed = 1 }, nil, ExitLimit},
		"nothing was sent":       {func(r *Report) { r.Phases[0].Counts.Received = 0; r.Phases = r.Phases[:1] }, nil, ExitFailed},
		"no rate of a flood":     {func(r *Report) { r.Phases[1].Knee = 0 }, nil, ExitFailed},
		"nothing was to be sent": {func(r *Report) { r.Phases[0].Counts, r.Phases[0].Profile = Counts{}, "idle"; r.Phases = r.Phases[:1] }, nil, ExitOK},
		"what was not measured":  {func(r *Report) { r.Server = nil }, []string{"server_cpu<1"}, ExitFailed},
	} {
		r := sample()
		r.Faults = nil
		r.Phases[0].Counts.Lost = 0
		c.change(r)
		r.Judge(objectives(t, c.objectives...))
		if r.Verdict.Exit != c.exit || r.Verdict.Pass != (c.exit == ExitOK) {
			t.Errorf("%s: %+v", name, r.Verdict)
		}
	}
}

// The share of losses is that of deliveries: a message to everybody can be lost once
// for each who should have it.
func TestLossShare(t *testing.T) {
	r := &Report{Phases: []Phase{
		{Name: "talk", Profile: "bigroom", Counts: Counts{Sent: 10, Due: 500, Lost: 10, Received: 490}},
		{Name: "more", Profile: "call", Counts: Counts{Sent: 500, Due: 500, Received: 500}},
	}}
	for text, met := range map[string]bool{"loss<=2%": true, "loss<2%": false, "loss<=10": true, "loss<10": false} {
		r.Judge(objectives(t, text))
		if r.Objectives[0].Met != met {
			t.Errorf("%s: %+v", text, r.Objectives[0])
		}
	}
	r = &Report{Phases: []Phase{{Name: "nothing was sent", Profile: "idle"}}}
	if r.Judge(objectives(t, "loss<1%")); !r.Objectives[0].Met {
		t.Errorf("of nothing: %+v", r.Objectives[0])
	}
}

// Load that could not be sent is told, and an objective may bound it: a server that
// loses members must not look faster for it.
func TestUnsent(t *testing.T) {
	for name, c := range map[string]struct {
		sent, unsent int
		told, met    bool
	}{"all was sent": {1000, 0, false, true}, "nearly all": {970, 30, false, true}, "too little": {969, 31, true, true},
		"less than wanted": {940, 60, true, false}, "nothing was due": {0, 0, false, false}, "nothing was sent": {0, 100, true, false}} {
		r := &Report{Phases: []Phase{
			{Name: "good", Profile: "call", Counts: Counts{Sent: 10, Due: 10, Received: 10}},
			{Name: "talk", Profile: "call", Counts: Counts{Sent: c.sent, Unsent: c.unsent, Due: c.sent, Received: c.sent}},
		}}
		if name == "nothing was due" {
			r.Phases = r.Phases[1:]
		}
		r.Judge(objectives(t, "sent>95%"))
		if got := strings.Contains(r.Verdict.Text, "in phase \"talk\" only "); got != c.told || r.Objectives[0].Met != c.met {
			t.Errorf("%s: %+v, %q", name, r.Objectives[0], r.Verdict.Text)
		}
		if c.told && c.sent > 0 && r.Objectives[0].Phase != "talk" {
			t.Errorf("%s: %+v", name, r.Objectives[0])
		}
	}
}

// A flood that ended before any rate was too high says so.
func TestKneeAtLeast(t *testing.T) {
	r := sample()
	for want, steps := range map[string][]Step{"knee      2000": r.Phases[1].Steps, "knee      at least 2000": r.Phases[1].Steps[:2]} {
		p := Phase{Knee: 2000, Steps: steps}
		var text strings.Builder
		(&Report{Phases: []Phase{p}}).Text(&text)
		if !strings.Contains(text.String(), want+" messages") {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

// of returns a report whose seconds have these medians.
func of(p50s ...int) *Report {
	r := &Report{Phases: []Phase{{Name: "call"}}}
	for i, us := range p50s {
		r.Phases[0].Intervals = append(r.Phases[0].Intervals, Interval{At: float64(i), Seconds: 1, Received: 500, Latency: times(1, us)})
	}
	return r
}

func TestCompare(t *testing.T) {
	quiet := of(200, 210, 190, 205, 195, 200, 210, 190, 205, 195, 201, 199)
	slower := of(300, 310, 290, 305, 295, 300, 310, 290, 305, 295, 301, 299)
	noisy := of(100, 900, 200, 150, 700, 180, 210, 120, 800, 190, 100, 205)
	for name, c := range map[string]struct {
		a, b *Report
		want string
	}{
		"the same": {quiet, quiet, Same}, "slower": {quiet, slower, Worse}, "faster": {slower, quiet, Better}, "noise": {quiet, noisy, Same},
		"too short": {quiet, of(300, 300), Unknown},
	} {
		for _, d := range Compare(c.a, c.b) {
			if d.Metric == "latency p50" && d.Verdict != c.want {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
	var text strings.Builder
	if WriteComparison(&text, Compare(quiet, quiet)) || !WriteComparison(&text, Compare(quiet, slower)) {
		t.Error(text.String())
	}
	lossy := of(200, 200)
	lossy.Faults = sample().Faults
	if !WriteComparison(&text, Compare(quiet, lossy)) || WriteComparison(&text, Compare(lossy, quiet)) {
		t.Error(text.String())
	}
}

func TestMerge(t *testing.T) {
	a, b := sample(), sample()
	a.Judge(objectives(t, "p99<20ms"))
	b.Phases[0].Times["latency"] = times(5000, 200)
	b.Phases[0].Intervals[1].At = 2.2
	sum, err := Merge([]*Report{a, b})
	if err != nil {
		t.Fatal(err)
	}
	p, i := sum.Phases[0], sum.Phases[0].Intervals
	switch {
	case sum.Machines != 2 || p.Rooms != 100 || p.Rate != 1000 || p.Counts.Sent != 8000 || p.Counts.Due != 10000 || p.Errors["target_not_found"] != 4:
		t.Errorf("%+v", p)
	case len(i) != 2 || i[1].Received != 998 || i[1].Members != 300 || i[1].Latency.Count != 998 || *i[1].ServerCPU != .3:
		t.Errorf("%+v", i)
	case p.Times["latency"].Count != 10000 || p.Times["latency"].P99 < 900 || p.WebRTC.Up != 18 || p.WebRTC.Stages["join"].Count != 20:
		t.Errorf("%+v", p.Times["latency"])
	case sum.total() != 6 || len(sum.Faults) != 1 || len(sum.Objectives) != 4 || sum.Objectives[0].Met:
		t.Errorf("%+v, %+v", sum.Faults, sum.Objectives)
	case a.Phases[0].Counts.Sent != 4000 || *a.Phases[0].Intervals[1].ServerCPU != .3:
		t.Error("the parts have changed")
	}
	b.Phases[1].Name = "other"
	if _, err := Merge([]*Report{a, b}); err == nil {
		t.Error("different phases were merged")
	}
	b.Phases = b.Phases[:1]
	if _, err := Merge([]*Report{a, b}); err == nil {
		t.Error("different numbers of phases were merged")
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string]string{"": "no report", "[]": "no report", "{}": "no report of soak",
		`{"schema":"parley-soak","version":1}`: "version 1", `{"schema":"parley-soak","version":99}`: "version 99"} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
