package stats

import "testing"

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, v := range []float64{0, 1e-6, 3e-6, 0.25, 1e9} {
		h.Observe(v)
	}
	count, sum, buckets := h.Snapshot()
	if count != 5 || sum < 1e9 {
		t.Errorf("count %d, sum %v", count, sum)
	}
	for bound, want := range map[float64]uint64{1e-6: 2, 2e-6: 2, 4e-6: 3, 1e-6 * (1 << 18): 4} {
		if buckets[bound] != want {
			t.Errorf("%d are at most %v, want %d", buckets[bound], bound, want)
		}
	}
}
