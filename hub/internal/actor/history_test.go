package actor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
)

// written has an outbox of a resumable membership write these messages.
func written(o *Outbox, refs ...string) {
	for _, r := range refs {
		o.Send(pong(r), 1)
	}
	contents(o)
}

// wantMissed holds what an outbox would send again after so many received messages
// against what it should. Nil: it can't.
func (o *Outbox) wantMissed(t *testing.T, received uint64, want []string) {
	t.Helper()
	frames, ok := o.Missed(received)
	var got []string
	for _, f := range frames {
		got = append(got, ref(f))
	}
	releaseAll(frames)
	if ok != (want != nil) || !slices.Equal(got, want) {
		t.Errorf("after %d received messages %v are missed (%v), want %v", received, got, ok, want)
	}
}

// A pong gives back all that was written before its ping and nothing that was written
// after it, each time.
func TestPongGivesBack(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	o.Reset(true, Turn{})
	written(o, "a", "b")
	o.Urgent(frame.Ping(nil), 1)
	written(o, "c")
	o.Acknowledged()
	o.wantMissed(t, 1, nil)
	o.wantMissed(t, 2, []string{"c"})
	written(o, "d", "e")
	o.Acknowledged() // of the same ping: nothing is new
	o.wantMissed(t, 2, []string{"c", "d", "e"})
	o.Urgent(frame.Ping(nil), 1)
	written(o)
	o.Acknowledged()
	o.wantMissed(t, 4, nil)
	o.wantMissed(t, 5, []string{})
}

// Frames that waited before a membership began are none of its messages, wherever they stand in
// the queue.
func TestHistoryBeginsWithMembership(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	o.Send(pong("x"), 1)
	o.Send(pong("y"), 1)
	o.Reset(true, Turn{})
	o.Send(pong("a"), 1)
	o.Urgent(frame.Ping(nil), 1)
	o.Send(pong("b"), 1)
	check := func() {
		t.Helper()
		if n := o.Sent(); n != 2 {
			t.Errorf("the membership has %d messages", n)
		}
		o.wantMissed(t, 0, []string{"a", "b"})
		o.wantMissed(t, 1, []string{"b"})
		o.wantMissed(t, 3, nil)
	}
	check()
	for range 5 {
		frames, _ := o.Take(nil, 1)
		o.Wrote(frames[0].Size(), time.Now())
		check()
	}
}

// Written frames are kept up to the limit; beyond it the oldest are given back.
func TestHistoryKeepsTheLimit(t *testing.T) {
	o, _ := newOutbox(3 * cost)
	o.Reset(true, Turn{})
	written(o, "a", "b", "c")
	o.wantMissed(t, 0, []string{"a", "b", "c"})
	written(o, "d")
	o.wantMissed(t, 0, nil)
	o.wantMissed(t, 1, []string{"b", "c", "d"})
}

// A client is asked whether it has what was written, once, as soon as enough is kept;
// and again when it has answered and enough is kept anew.
func TestProbe(t *testing.T) {
	text := func(cost int) *frame.Frame {
		const around = 4 + 96 // the header of a frame, and what there is around it in memory
		return textFrame(strings.Repeat("x", cost-around))
	}
	o, s := newOutbox(1 << 20)
	write := func(f *frame.Frame, want int) {
		t.Helper()
		o.Send(f, 1)
		contents(o)
		if s.probes != want {
			t.Errorf("asked %d times, want %d", s.probes, want)
		}
	}
	write(text(2*probeBytes), 0) // of no membership
	o.Reset(true, Turn{})
	write(text(probeBytes-1000), 0)
	write(text(999), 0)
	o.Urgent(frame.Ping(nil), 1)
	contents(o)
	o.Acknowledged()
	write(text(probeBytes-1000), 0)
	write(text(1000), 1)
	write(text(probeBytes), 1)
	o.Urgent(frame.Ping(nil), 1)
	contents(o)
	o.Acknowledged()
	write(pong("a"), 1)
	write(text(probeBytes), 2)
}
