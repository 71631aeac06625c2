package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// Rates of a flood: it doubles until a rate misses an objective, then looks between
// the last two until they are close.
const (
	floodGrowth = 2.0
	floodClose  = 1.08
	floodWarm   = time.Second // at each rate before it is measured
	floodRelay  = .97         // of what is due must arrive,
	floodWay    = 50          // but for so many messages, which may be on their way
)

// defaultGoal is what a flood's rates are held against where nothing is said.
var defaultGoal, _ = plan.ParseObjective("p99<50ms")

// flood looks for the highest rate that meets the objectives.
type flood struct {
	test  *loadTest
	phase *plan.Phase
}

// run returns the steps and the highest rate that met the objectives.
func (f *flood) run(ctx context.Context) (steps []report.Step, knee float64) {
	end := time.Now().Add(f.phase.Duration)
	bad := math.Inf(1)
	for rate := f.phase.Rate; time.Now().Before(end) && ctx.Err() == nil; {
		s := f.step(ctx, rate)
		if ctx.Err() != nil {
			break
		}
		steps = append(steps, s)
		f.test.out.say("  %.0f/s: p50 %s, p99 %s %s", s.Rate, report.Millis(s.P50), report.Millis(s.P99), s.Reason)
		if s.Met {
			knee = max(knee, rate)
		} else {
			bad = min(bad, rate)
			f.recover(ctx)
		}
		switch {
		case knee == 0 || bad/knee < floodClose:
			return steps, knee
		case math.IsInf(bad, 1):
			rate = knee * floodGrowth
		default:
			rate = math.Sqrt(knee * bad)
		}
	}
	return steps, knee
}

// step keeps one rate for a time and holds it against the objectives.
func (f *flood) step(ctx context.Context, rate float64) report.Step {
	t := f.test
	t.crowd.SetTraffic(crowd.TrafficOf(f.phase, rate))
	t.sleep(ctx, floodWarm)
	t.recorder.mark()
	first := t.recorder.count()
	began := time.Now()
	t.sleep(ctx, f.phase.Step)
	tally := t.recorder.since()
	seconds := time.Since(began).Seconds()
	latency := report.TimesOf(tally.All(), true)
	s := report.Step{Rate: rate, Received: float64(tally.Received) / seconds, P50: latency.P50, P99: latency.P99}
	switch missed := f.missed(&latency); {
	case tally.Refusals() > 0:
		s.Reason = "errors: " + report.CountsText(counts(tally.Errors))
	case len(tally.Closes) > 0:
		s.Reason = "closed: " + report.CountsText(counts(tally.Closes))
	case float64(tally.Received)+floodWay < floodRelay*float64(tally.Due):
		s.Reason = fmt.Sprintf("only %.0f a second arrived", s.Received)
	default:
		s.Reason = missed
	}
	s.Met = s.Reason == ""
	if limit := windowLimit(tally, t.recorder.after(first), t.report.Tool.Cores); !s.Met && limit != "" {
		s.Reason, s.ClientLimit = s.Reason+"; "+limit, true
	}
	return s
}

// missed says which objective a step's latencies miss.
func (f *flood) missed(latency *report.Times) string {
	objectives, any := f.test.plan.Objectives, false
	for i := range objectives {
		o := &objectives[i]
		if o.Metric == plan.MetricLatency {
			any = true
			if v, ok := latency.At(o.Quantile); ok && !o.Met(v) {
				return o.Text + " missed"
			}
		}
	}
	if v, ok := latency.At(defaultGoal.Quantile); !any && ok && !defaultGoal.Met(v) {
		return defaultGoal.Text + " missed"
	}
	return ""
}

// recover waits until a rate that was too high has passed.
func (f *flood) recover(ctx context.Context) {
	t := f.test
	calm := crowd.TrafficOf(f.phase, 1)
	calm.Calls = 0
	t.crowd.SetTraffic(calm)
	t.drained(ctx, settleTime)
	t.crowd.CloseBooks()
}
