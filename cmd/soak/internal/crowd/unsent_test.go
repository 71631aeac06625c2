package crowd

import (
	"testing"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// Messages that were due when new traffic began are counted.
func TestBehind(t *testing.T) {
	const second = int64(1e9)
	tr := traffic{Traffic: Traffic{Calls: 10, Meshes: 2, PerMesh: 90, Messages: 5, Churn: 100, Cuts: 100}}
	for do := range tr.next {
		tr.next[do] = float64(10 * second)
	}
	for now, want := range map[int64]uint64{
		9 * second: 0, 10 * second: 0, 10*second + second/100: 0, 10*second + second/10: plan.MessagesPerCall,
		12 * second: 20*plan.MessagesPerCall + 4*90 + 10,
	} {
		if got := tr.behind(now); got != want {
			t.Errorf("at %d: %d messages, want %d", now, got, want)
		}
	}
}
