package hub

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// sink counts what an outbox asks of its connection.
type sink struct{ wakes, closings, probes int }

func (s *sink) Wake()    { s.wakes++ }
func (s *sink) Closing() { s.closings++ }
func (s *sink) Probe()   { s.probes++ }

func newOutbox(limit int) (*Outbox, *sink) {
	o, s := new(Outbox), new(sink)
	o.Init(s, new(Stats), limit)
	return o, s
}

// frame makes a message that says ref.
func frame(ref string) *wire.Frame { return wire.PongFrame(ref) }

// size is that of frame("x").
var size = frame("x").Size()

// contents takes everything and returns the refs.
func contents(o *Outbox) []string {
	var refs []string
	for {
		frames, skip := o.Take(nil, 1)
		if len(frames) == 0 {
			return refs
		}
		refs = append(refs, ref(frames[0]))
		if !o.Wrote(frames[0].Size()-skip, time.Now()) {
			return refs
		}
	}
}

func ref(f *wire.Frame) string {
	switch f.Bytes()[0] {
	case 0x88:
		return "close"
	case 0x89:
		return "ping"
	}
	p := f.Payload()
	return string(p[len(p)-3 : len(p)-2])
}

func TestOutboxOrder(t *testing.T) {
	o, s := newOutbox(1 << 20)
	var want []string
	for _, r := range []string{"a", "b", "c"} {
		if !o.Send(frame(r)) {
			t.Fatal("full")
		}
		want = append(want, r)
	}
	o.Flush()
	o.Flush()
	if s.wakes != 1 {
		t.Errorf("%d wakes for one writer", s.wakes)
	}
	if got := contents(o); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	o.Send(frame("d"))
	o.Flush()
	if s.wakes != 2 {
		t.Errorf("%d wakes after the writer had ended", s.wakes)
	}
	if o.stats.OutboxBytes.Load() != int64(size) {
		t.Errorf("%d bytes are counted", o.stats.OutboxBytes.Load())
	}
}

func TestOutboxIsBounded(t *testing.T) {
	o, _ := newOutbox(3 * size)
	for range 3 {
		if !o.Send(frame("x")) {
			t.Fatal("full below the limit")
		}
	}
	if o.Send(frame("x")) {
		t.Error("a frame over the limit was taken in")
	}
	frames, _ := o.Take(nil, 1)
	if o.Send(frame("x")) {
		t.Error("what is with the writer no longer counts")
	}
	o.Wrote(frames[0].Size(), time.Now())
	if !o.Send(frame("x")) {
		t.Error("there is no place although a frame was written")
	}
	small, _ := newOutbox(1)
	if !small.Send(frame("x")) {
		t.Error("an empty outbox must take a frame of any size")
	}
}

// Frames that are written in pieces are written whole, and given back once.
func TestOutboxPartialWrites(t *testing.T) {
	for step := 1; step < 3*size; step++ {
		o, _ := newOutbox(1 << 20)
		var want, got []byte
		for _, r := range []string{"a", "b", "c", "d"} {
			f := frame(r)
			want = append(want, f.Bytes()...)
			o.Send(f)
		}
		for more := true; more; {
			frames, skip := o.Take(nil, 2*size)
			var b []byte
			for _, f := range frames {
				b = append(b, f.Bytes()...)
			}
			b = b[skip:]
			b = b[:min(step, len(b))]
			got = append(got, b...)
			more = o.Wrote(len(b), time.Now())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in steps of %d: %q", step, got)
		}
	}
}

func TestOutboxState(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(o *Outbox)
		want []string
	}{
		{"a newer one takes its place", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.SendState(frame("2"), true)
		}, []string{"2"}},
		{"also past what came behind", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.Send(frame("x"))
			o.SendState(frame("2"), true)
		}, []string{"2", "x"}},
		{"but not if somebody has left", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.Send(frame("x"))
			o.SendState(frame("2"), false)
			o.SendState(frame("3"), true)
		}, []string{"1", "x", "3"}},
		{"except where nothing came behind", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.SendState(frame("2"), false)
		}, []string{"2"}},
		{"nor in another membership", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.Begin(false)
			o.SendState(frame("2"), true)
		}, []string{"1", "2"}},
		{"nor if it is with the writer", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.Take(nil, 1)
			o.SendState(frame("2"), true)
		}, []string{"1", "2"}},
		{"nor if it has been written", func(o *Outbox) {
			o.SendState(frame("1"), true)
			o.Send(frame("x"))
			o.Take(nil, 1)
			o.Wrote(size, time.Now())
			o.SendState(frame("2"), true)
		}, []string{"x", "2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, _ := newOutbox(1 << 20)
			c.do(o)
			if got := contents(o); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestOutboxUrgent(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	o.Send(frame("a"))
	o.SendState(frame("1"), true)
	o.Take(nil, 1)
	o.Wrote(1, time.Now()) // a is on its way: it must stay whole
	o.Urgent(wire.WSPing(nil))
	o.SendState(frame("2"), true)
	if got, want := contents(o), []string{"a", "ping", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOutboxClose(t *testing.T) {
	t.Run("behind what waits", func(t *testing.T) {
		o, s := newOutbox(1 << 20)
		o.Send(frame("a"))
		o.Close(wire.CloseGoingAway, "")
		o.Close(wire.CloseKicked, "")
		if !o.Send(frame("b")) || !o.SendState(frame("c"), true) || !o.Urgent(wire.WSPing(nil)) {
			t.Error("a closed outbox is not full, it ignores")
		}
		o.Flush()
		if s.wakes != 1 || s.closings != 1 || o.Finished() {
			t.Errorf("%d wakes, %d closings, finished %v", s.wakes, s.closings, o.Finished())
		}
		if got, want := contents(o), []string{"a", "close"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if !o.Finished() || o.CloseCode() != wire.CloseGoingAway {
			t.Errorf("finished %v, code %d", o.Finished(), o.CloseCode())
		}
	})
	t.Run("a slow consumer's queue is dropped but for a frame on its way", func(t *testing.T) {
		o, _ := newOutbox(1 << 20)
		o.Send(frame("a"))
		o.Send(frame("b"))
		o.Take(nil, 1)
		o.Wrote(1, time.Now())
		o.Close(wire.CloseSlowConsumer, "")
		if got, want := contents(o), []string{"a", "close"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("while a writer is at work", func(t *testing.T) {
		o, s := newOutbox(1 << 20)
		o.Send(frame("a"))
		o.Flush()
		o.Take(nil, 1)
		o.Close(wire.CloseKicked, "")
		o.Flush()
		if s.wakes != 1 || s.closings != 1 {
			t.Errorf("%d wakes, %d closings", s.wakes, s.closings)
		}
	})
}

// What is discarded while a writer holds it stays untouched until the writer is
// done.
func TestOutboxDiscard(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	o.Send(frame("a"))
	o.Send(frame("b"))
	o.Flush()
	frames, _ := o.Take(nil, 1)
	o.Discard()
	if got := ref(frames[0]); got != "a" {
		t.Errorf("the writer's frame became %q", got)
	}
	o.Send(frame("c"))
	if o.Wrote(1, time.Now()); o.stats.OutboxBytes.Load() != 0 {
		t.Errorf("%d bytes are still counted", o.stats.OutboxBytes.Load())
	}
	if frames, _ := o.Take(nil, 1); len(frames) != 0 {
		t.Error("there is still something to write")
	}
}

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
