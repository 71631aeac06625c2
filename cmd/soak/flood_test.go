package main

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// Machines that are ready in the same ten seconds after --start-at take the same steps
// at the same times.
func TestLadder(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 3, 0, time.UTC)
	p := &plan.Phase{Rate: 1000, Step: 3 * time.Second, Duration: 21 * time.Second}
	for _, c := range []struct {
		ready, first time.Duration
	}{
		{-time.Second, 0}, {0, 10 * time.Second}, {time.Second, 10 * time.Second}, {9*time.Second + 500*time.Millisecond, 10 * time.Second},
		{9*time.Second + 501*time.Millisecond, 20 * time.Second}, {12 * time.Second, 20 * time.Second},
	} {
		l := newLadder(start, start.Add(c.ready), p)
		at, rate := l.step(0)
		if at.Sub(start) != c.first || rate != 1000 || l.steps != 4 {
			t.Errorf("ready after %v: the first of %d steps is at %v, with %v", c.ready, l.steps, at.Sub(start), rate)
		}
		if next, twice := l.step(4); next.Sub(at) != 20*time.Second || twice < 1999.9 || twice > 2000.1 {
			t.Errorf("the fifth step is after %v, with %v", next.Sub(at), twice)
		}
	}
	if l := newLadder(start, start, &plan.Phase{Rate: 1, Step: time.Minute, Duration: time.Second}); l.steps != 1 {
		t.Errorf("%d steps", l.steps)
	}
}
