package crowd

import (
	"testing"
	"time"
)

// noted returns what is remembered of stalls: how late, and when.
func noted(list ...[2]time.Duration) (s stalls) {
	for _, l := range list {
		s.note(int64(l[0]), int64(l[1]))
	}
	return s
}

// A stall of this process explains delays of what came due until the server has caught
// up, however few messages there are, and of nothing after that.
func TestStallsAreBounded(t *testing.T) {
	const ms, second = time.Millisecond, time.Second
	for name, c := range map[string]struct {
		stalls stalls
		want   map[time.Duration]time.Duration // by when something was due
	}{
		"none":  {nil, map[time.Duration]time.Duration{second: 0}},
		"small": {noted([2]time.Duration{9 * ms, second}), map[time.Duration]time.Duration{second: 0}},
		"one, from 8 s to 10 s": {noted([2]time.Duration{2 * second, 10 * second}), map[time.Duration]time.Duration{
			8 * second: 2 * second, 12 * second: 2 * second, 12*second + 1: 0, time.Minute: 0}},
		"a small one does not hide a large one": {noted([2]time.Duration{2 * second, 10 * second}, [2]time.Duration{50 * ms, 11 * second}, [2]time.Duration{20 * ms, 20 * second}),
			map[time.Duration]time.Duration{8 * second: 2 * second, 12 * second: 2 * second, 13 * second: 20 * ms, 21 * second: 0}},
		"a larger one counts at once": {noted([2]time.Duration{2 * second, 10 * second}, [2]time.Duration{3 * second, 11 * second}),
			map[time.Duration]time.Duration{8 * second: 3 * second, 14 * second: 3 * second, 15 * second: 0}},
		"an old one is forgotten": {noted([2]time.Duration{2 * second, 10 * second}, [2]time.Duration{20 * ms, 80 * second}),
			map[time.Duration]time.Duration{8 * second: 20 * ms}},
	} {
		for due, want := range c.want {
			if got := c.stalls.of(int64(due)); got != int64(want) {
				t.Errorf("%s: due at %v: %v are explained, want %v", name, due, time.Duration(got), want)
			}
		}
	}
	var s stalls
	for i := range int64(10 * mostStalls) {
		s.note(int64(time.Hour)-i, i)
	}
	if len(s) > mostStalls {
		t.Errorf("%d are remembered", len(s))
	}
}
