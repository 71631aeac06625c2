package crowd

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever is scheduled is done once, never early, and in the order of its ticks.
func TestWheel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var w wheel
	now := int64(0)
	due := map[uint32]int64{}
	last := int64(0)
	for id := uint32(0); id < 20000; {
		for range r.IntN(40) {
			at := now + r.Int64N(3*horizon*tick)
			if r.IntN(2) == 0 {
				at = now + r.Int64N(100*tick)
			}
			due[id] = w.add(at, event{gen: id})
			id++
		}
		if next := w.next(); len(due) > 0 && len(w.later) == 0 && next > slices.Min(values(due)) {
			t.Fatalf("next is at %d, but something is due at %d", next, slices.Min(values(due)))
		}
		now += r.Int64N(50 * tick)
		w.take(now, 1+r.IntN(100), func(at int64, e event) {
			if want, ok := due[e.gen]; !ok || at != want || at > now || at < last {
				t.Fatalf("event %d at %d, due %d (%v), now %d, the last one %d", e.gen, at, want, ok, now, last)
			}
			last = at
			delete(due, e.gen)
		})
	}
	now += 4 * horizon * tick
	for w.take(now, 1000, func(_ int64, e event) { delete(due, e.gen) }) > 0 {
	}
	if len(due) > 0 {
		t.Errorf("%d events were never done", len(due))
	}
}

func values(m map[uint32]int64) (list []int64) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}
