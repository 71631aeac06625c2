package main

import (
	"context"
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
)

// Rates of several machines that flood together: verdicts must not decide on the next
// rate, since each machine has its own. So the rates and the times at which they begin
// are settled before, and counted from --start-at.
const (
	ladderGrowth = 1.189207115      // four steps double the rate
	ladderEvery  = 10 * time.Second // the first begins at a multiple of this
	ladderRest   = time.Second      // after each step, for what is on its way
	ladderMissed = 2                // steps in a row, and the flood is over
	ladderAhead  = time.Second / 2  // that all machines are ready before it begins
)

// flood looks for the highest rate that meets the objectives.
type flood struct {
	test  *loadTest
	phase *plan.Phase
}

// run returns the steps and the highest rate that met the objectives.
func (f *flood) run(ctx context.Context) (steps []report.Step, knee float64) {
	if !f.test.plan.Start.IsZero() {
		steps = f.climb(ctx)
	} else {
		steps = f.search(ctx)
	}
	for _, s := range steps {
		if s.Met {
			knee = max(knee, s.Rate)
		}
	}
	return steps, knee
}

// search takes the next rate from what came of the last.
func (f *flood) search(ctx context.Context) (steps []report.Step) {
	end := time.Now().Add(f.phase.Duration)
	knee, bad := 0.0, math.Inf(1)
	for rate := f.phase.Rate; time.Now().Before(end) && ctx.Err() == nil; {
		s, ok := f.step(ctx, rate)
		if !ok {
			break
		}
		steps = append(steps, s)
		if s.Met {
			knee = max(knee, rate)
		} else {
			bad = min(bad, rate)
			f.recover(ctx)
		}
		switch {
		case knee == 0 || bad/knee < floodClose:
			return steps
		case math.IsInf(bad, 1):
			rate = knee * floodGrowth
		default:
			rate = math.Sqrt(knee * bad)
		}
	}
	return steps
}

// climb goes up a ladder of rates by the clock, as the other machines do.
func (f *flood) climb(ctx context.Context) (steps []report.Step) {
	t := f.test
	ladder := newLadder(t.plan.Start, time.Now(), f.phase)
	for n, missed := 0, 0; n < ladder.steps && missed < ladderMissed; n++ {
		at, rate := ladder.step(n)
		t.sleep(ctx, time.Until(at))
		s, ok := f.step(ctx, rate)
		if !ok {
			break
		}
		steps = append(steps, s)
		if missed++; s.Met {
			missed = 0
		}
		f.calm()
	}
	f.recover(ctx)
	return steps
}

// ladder is the rates of a flood and when they begin.
type ladder struct {
	first time.Time
	every time.Duration
	rate  float64
	steps int
}

// newLadder returns that of a phase which is ready now, of a run that started at a time.
func newLadder(start, now time.Time, p *plan.Phase) *ladder {
	past := max(now.Add(ladderAhead).Sub(start), 0)
	every := floodWarm + p.Step + ladderRest
	return &ladder{
		first: start.Add((past + ladderEvery - 1).Truncate(ladderEvery)),
		every: every, rate: p.Rate, steps: max(int(p.Duration/every), 1),
	}
}

// step returns when a step begins, and its rate.
func (l *ladder) step(n int) (time.Time, float64) {
	return l.first.Add(time.Duration(n) * l.every), l.rate * math.Pow(ladderGrowth, float64(n))
}

// step keeps one rate for a time and holds it against the objectives; ok is false where
// the run is to end.
func (f *flood) step(ctx context.Context, rate float64) (s report.Step, ok bool) {
	t := f.test
	t.crowd.SetTraffic(crowd.TrafficOf(f.phase, rate))
	t.sleep(ctx, floodWarm)
	t.recorder.mark()
	first := t.recorder.count()
	began := t.crowd.Now()
	t.sleep(ctx, f.phase.Step)
	tally := t.recorder.since()
	s = report.Step{
		Rate: rate, At: began.Seconds(), Seconds: (t.crowd.Now() - began).Seconds(), Sent: int(tally.Sent), Unsent: int(tally.Unsent), Due: int(tally.Due), Received: int(tally.Received),
		Latency: report.TimesOf(tally.All(), true), Errors: counts(tally.Errors), Closes: counts(tally.Closes),
	}
	s.Judge(t.plan.Objectives, 1)
	if limit := windowLimit(tally, t.recorder.after(first), t.report.Tool.Cores); !s.Met && limit != "" {
		s.Reason, s.ClientLimit = s.Reason+"; "+limit, true
	}
	if ctx.Err() != nil {
		return s, false
	}
	t.out.say("  %.0f/s: p50 %s, p99 %s %s", s.PerSecond(), report.Millis(s.Latency.P50), report.Millis(s.Latency.P99), s.Reason)
	return s, true
}

// calm ends the traffic of a step.
func (f *flood) calm() {
	calm := crowd.TrafficOf(f.phase, 1)
	calm.Calls = 0
	f.test.crowd.SetTraffic(calm)
}

// recover waits until a rate that was too high has passed.
func (f *flood) recover(ctx context.Context) {
	t := f.test
	f.calm()
	t.drained(ctx, settleTime)
	t.crowd.CloseBooks()
}
