package report

import (
	"strings"
	"testing"
	"time"
)

var began = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// flooded returns a machine's report of a flood with such steps.
func flooded(started time.Time, steps ...Step) *Report {
	r := &Report{Schema: Name, Version: Version, Started: started, Machines: 1, Faults: []FaultKind{}}
	p := Phase{Name: "flood", Profile: "flood", Rooms: 1, Peers: 2, Steps: steps, Counts: Counts{Sent: 1, Due: 1, Received: 1}}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Judge(nil, 1); s.Met {
			p.Knee = max(p.Knee, s.Rate)
		}
	}
	r.Phases = []Phase{p}
	return r
}

// rung is a step: n messages, each us microseconds later than the last.
func rung(at, rate float64, n, us int) Step {
	return Step{Rate: rate, At: at, Seconds: 3, Due: n, Received: n, Latency: times(n, us)}
}

// The knee of several machines is the highest sum of rates that they kept at the same
// time and that all of them together met; where they did not step together there is
// none, and the reason is told.
func TestMergedKnee(t *testing.T) {
	low, high, over := rung(10, 1000, 3000, 1), rung(14, 2000, 3000, 2), rung(18, 4000, 3000, 30)
	later := began.Add(100 * time.Millisecond)
	broken := high
	broken.Errors = map[string]int{"rate_limited": 1}
	few := high
	few.Received = 2000
	unsent := high
	unsent.Sent, unsent.Unsent = 3000, 300
	shifted := high
	shifted.At += .5
	for name, c := range map[string]struct {
		a, b  *Report
		knee  float64
		steps int
		text  string
	}{
		"together":               {flooded(began, low, high, over), flooded(later, low, high, over), 4000, 3, "knee      4000 messages a second"},
		"one ends sooner":        {flooded(began, low, high, over), flooded(later, low), 2000, 1, "knee      at least 2000 messages a second"},
		"an error at one":        {flooded(began, low, high), flooded(later, low, broken), 2000, 2, "errors: rate_limited 1"},
		"too few arrive":         {flooded(began, low, high), flooded(later, low, few), 2000, 2, "only 1667 a second arrived"},
		"too few are sent":       {flooded(began, low, high), flooded(later, low, unsent), 2000, 2, "only 91% of the load could be sent"},
		"one steps half a late":  {flooded(began, low, high), flooded(later, low, shifted), 2000, 1, "at least 2000"},
		"one starts later":       {flooded(began, low, high), flooded(began.Add(time.Second), low, high), 0, 4, "knee      none: the machines did not step together"},
		"one starts a day later": {flooded(began, low, high), flooded(began.AddDate(0, 0, 1), low, high), 0, 4, "knee      none: the machines did not step together"},
		"other rates":            {flooded(began, low, high), flooded(later, rung(10, 1500, 3000, 1), high), 0, 4, "knee      none: the machines did not step together"},
		"the first too high":     {flooded(began, over), flooded(later, over), 0, 1, "FAIL: not even the first rate of the flood met the objectives"},
	} {
		sum, err := Merge([]*Report{c.a, c.b})
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		sum.Text(&text)
		p := sum.Phases[0]
		if p.Knee != c.knee || len(p.Steps) != c.steps || !strings.Contains(text.String(), c.text) || (c.knee == 0) != (p.NoKnee != "" || !p.Steps[0].Met) {
			t.Errorf("%s: knee %v, %d steps:\n%s", name, p.Knee, len(p.Steps), text.String())
		}
		var page strings.Builder
		if err := sum.HTML(&page); err != nil || strings.Contains(page.String(), "There is no knee: the machines") != (p.NoKnee != "") {
			t.Errorf("%s: %v:\n%s", name, err, page.String())
		}
	}
}

// Objectives are held against the latencies of all machines together.
func TestMergedStepsAreJudgedTogether(t *testing.T) {
	many, late := rung(10, 1000, 100_000, 0), rung(10, 1000, 100, 1000)
	many.Latency = times(100_000, 0)
	a, b := flooded(began, many), flooded(began, late)
	if a.Phases[0].Knee != 1000 || b.Phases[0].Knee != 0 {
		t.Fatal("the parts are not as this test needs them")
	}
	sum, err := Merge([]*Report{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if s := sum.Phases[0].Steps[0]; !s.Met || s.Rate != 2000 || s.Latency.Count != 100_100 || s.Due != 100_100 {
		t.Errorf("%+v", s)
	}
	b.Objectives = []Objective{{Text: "max<50ms"}}
	if sum, err = Merge([]*Report{b, a}); err != nil || sum.Phases[0].Steps[0].Reason != "max<50ms missed" {
		t.Errorf("%v, %+v", err, sum.Phases[0].Steps[0])
	}
	three, err := Merge([]*Report{sum, a})
	if err != nil || three.Phases[0].Steps[0].Rate != 3000 {
		t.Errorf("a sum and another machine: %v, %+v", err, three.Phases[0])
	}
}

// A sum without a knee has no value for an objective on it.
func TestNoKneeIsNotMeasured(t *testing.T) {
	a := flooded(began, rung(10, 1000, 3000, 1))
	a.Judge(objectives(t, "knee>1"))
	for started, met := range map[time.Time]bool{began: true, began.Add(time.Minute): false} {
		sum, err := Merge([]*Report{a, flooded(started, rung(10, 1000, 3000, 1))})
		if err != nil || sum.Objectives[0].Met != met || (sum.Objectives[0].Unit == unmeasured) == met || sum.Verdict.Pass != met {
			t.Errorf("%v: %v, %+v, %+v", met, err, sum.Objectives, sum.Verdict)
		}
	}
}
