package crowd

import (
	"maps"
	"slices"
	"testing"
)

func TestFlow(t *testing.T) {
	f := flow{sent: 10}
	for i, c := range []struct {
		seq  uint32
		want arrival
	}{{0, inOrder}, {1, inOrder}, {1, again}, {4, inOrderGap}, {2, overtaken}, {2, again}, {10, neverSent}, {5, inOrder}} {
		if got := f.arrived(c.seq, int64(i)); got != c.want {
			t.Errorf("message %d, step %d: %d, want %d", c.seq, i, got, c.want)
		}
	}
	if n := f.outstanding(); n != 5 { // 3, 6, 7, 8, 9
		t.Errorf("%d are outstanding", n)
	}
	if f.refuse(6) {
		t.Error("a refusal was expected")
	}
	f.excuse(7)
	f.excuse(8)
	if !f.refuse(8) || f.outstanding() != 2 {
		t.Errorf("%d are outstanding, of those 3 and 9 are not explained", f.outstanding())
	}
	b := f.close(99)
	if lost := slices.Sorted(maps.Keys(b.lost)); !slices.Equal(lost, []uint32{3, 9}) || b.lost[3] != 3 || b.lost[9] != 99 || b.refused != 2 || b.expected != 1 {
		t.Errorf("%+v", b)
	}
	if f.outstanding() != 0 {
		t.Errorf("after its end: %+v", f)
	}
}

// A message that comes after the books were closed on it has been counted, and is neither
// repeated nor out of order. One that came before has not.
func TestFlowTooLate(t *testing.T) {
	f := flow{sent: 10}
	for _, seq := range []uint32{0, 2, 7} {
		f.arrived(seq, 0)
	}
	if b := f.close(0); len(b.lost) != 7 {
		t.Errorf("%+v", b)
	}
	f.sent = 12
	for _, c := range []struct {
		seq  uint32
		want arrival
	}{{4, tooLate}, {4, again}, {3, tooLate}, {6, tooLate}, {5, tooLate}, {7, again}, {9, tooLate}, {8, tooLate}, {1, tooLate}, {2, again}, {10, inOrder}, {11, inOrder}} {
		if got := f.arrived(c.seq, 0); got != c.want {
			t.Errorf("message %d: %d, want %d", c.seq, got, c.want)
		}
	}
	if len(f.odd.closed) != 0 {
		t.Errorf("still closed: %v", f.odd.closed)
	}
}

// Messages to a member that is away may be lost, later ones may not.
func TestFlowAway(t *testing.T) {
	f := flow{sent: 3, next: 2}
	f.away()
	f.sent = 5
	f.back()
	f.sent = 7
	if f.outstanding() != 2 {
		t.Errorf("%d are outstanding", f.outstanding())
	}
	if f.arrived(4, 0) != inOrderGap || f.arrived(6, 0) != inOrderGap {
		t.Error("they came in order")
	}
	b := f.close(0)
	if _, lost := b.lost[5]; len(b.lost) != 1 || !lost || b.expected != 2 {
		t.Errorf("%+v", b)
	}
	f.away()
	f.sent++
	if b := f.close(0); b.expected != 1 || len(b.lost) != 0 {
		t.Errorf("away: %+v", b)
	}
	f.sent++ // still away
	if b := f.close(0); b.expected != 1 || len(b.lost) != 0 {
		t.Errorf("still away: %+v", b)
	}
}

func TestHeard(t *testing.T) {
	h := heard{start: 5}
	if h.arrivedAt(3, 9, 0) != inOrder || h.arrivedAt(4, 9, 0) != inOrder || h.arrivedAt(4, 9, 0) != again || h.arrivedAt(6, 9, 0) != inOrderGap {
		t.Errorf("%+v", h)
	}
	late := heard{start: 5}
	if late.arrivedAt(7, 9, 0) != inOrderGap || len(late.close(0).lost) != 3 { // 5, 6 and 8
		t.Errorf("%+v", late)
	}
}
