package report

import (
	"testing"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// A phase without losses does not make up for one with many.
func TestSharesOfEachPhase(t *testing.T) {
	r := Report{Phases: []Phase{
		{Name: "good", Counts: Counts{Due: 1_000_000, Received: 1_000_000}},
		{Name: "bad", Counts: Counts{Due: 100, Received: 20, Lost: 30, ExpectedLosses: 50}},
	}}
	for text, want := range map[string]float64{"loss<1%": 30, "excused<1%": 50} {
		o, err := plan.ParseObjective(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.hold(&o); got.Met || got.Value != want || got.Phase != "bad" {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
