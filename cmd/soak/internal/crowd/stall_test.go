package crowd

import (
	"testing"
	"time"
)

// A stall of this process explains delays of what came due until the server has caught
// up, however few messages there are, and of nothing after that.
func TestStallIsBounded(t *testing.T) {
	at := func(d time.Duration) int64 { return int64(d) }
	var s stall
	if s.of(at(time.Second)) != 0 {
		t.Error("there was none")
	}
	s.note(at(2*time.Second), at(10*time.Second)) // from 8 s to 10 s
	s.note(at(time.Millisecond), at(11*time.Second))
	for due, want := range map[time.Duration]time.Duration{
		8 * time.Second: 2 * time.Second, 10 * time.Second: 2 * time.Second, 12 * time.Second: 2 * time.Second,
		12*time.Second + 1: 0, time.Minute: 0,
	} {
		if got := s.of(at(due)); got != at(want) {
			t.Errorf("due at %v: %v are explained, want %v", due, time.Duration(got), want)
		}
	}
	s.note(at(3*time.Second), at(11*time.Second))
	if s.of(at(14*time.Second)) != at(3*time.Second) {
		t.Error("a longer one counts at once")
	}
	s.note(at(time.Millisecond), at(15*time.Second))
	if s.of(at(15*time.Second)) != at(time.Millisecond) || s.of(at(16*time.Second)) != 0 {
		t.Errorf("once it is over, a small one counts: %+v", s)
	}
}
