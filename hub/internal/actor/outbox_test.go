package actor

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// sink counts what an outbox asks of its connection.
type sink struct {
	wakes, closings, probes int
	challenge               time.Duration
}

func (s *sink) Wake()    { s.wakes++ }
func (s *sink) Closing() { s.closings++ }
func (s *sink) Probe()   { s.probes++ }

func newOutbox(limit int) (*Outbox, *sink) {
	o, s := new(Outbox), new(sink)
	o.Init(s, new(stats.Hub), limit)
	return o, s
}

func (s *sink) Challenge(within time.Duration) { s.challenge = within }

func (s *sink) Abort() {}

// pong makes a message that says ref.
func pong(ref string) *frame.Frame { return frame.Text(wire.PongText(ref)) }

// only is a room that is always told in one frame.
type only struct{ *frame.Frame }

func (f only) List(uint64, bool) (*frame.Frame, uint64, bool) { return f.Frame, 0, true }

// sendList queues a frame as a list.
func sendList(o *Outbox, f *frame.Frame, l List) bool {
	l.Of = only{f}
	return o.SendList(l)
}

// size is that of a pong on the wire, cost what it takes while it waits.
var (
	size = pong("x").Size()
	cost = pong("x").Cost()
)

// contents takes everything and returns the refs.
func contents(o *Outbox) []string {
	var refs []string
	for {
		frames, skip := o.Take(nil, 1)
		if len(frames) == 0 {
			return refs
		}
		refs = append(refs, ref(frames[0]))
		if more, _ := o.Wrote(frames[0].Size()-skip, time.Now()); !more {
			return refs
		}
	}
}

func ref(f *frame.Frame) string {
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
	if o.Flush(); s.wakes != 0 {
		t.Error("a writer was woken for nothing")
	}
	var want []string
	for _, r := range []string{"a", "b", "c"} {
		if !o.Send(pong(r), 1) {
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
	if o.Flush(); s.wakes != 1 {
		t.Error("a writer was woken although all is written")
	}
	o.Send(pong("d"), 1)
	o.Flush()
	if s.wakes != 2 {
		t.Errorf("%d wakes after the writer had ended", s.wakes)
	}
	if o.stats.OutboxBytes.Load() != int64(cost) {
		t.Errorf("%d bytes are counted", o.stats.OutboxBytes.Load())
	}
}

// A list that another server's hub has sent may be larger than the queue, and keeps nobody
// out; lists that pile up do.
func TestPassedListLargerThanTheQueue(t *testing.T) {
	o, _ := newOutbox(1000)
	list := func() *frame.Frame {
		f := frame.NewMembers("r", 3000)
		f.Add(fmt.Appendf(nil, `"%01500d"`, 0), "", nil)
		return f.Frame(false)
	}
	if !o.Pass(pong("joined")) || !o.Pass(list()) || !o.Pass(pong("message")) {
		t.Error("a list larger than the queue fills it")
	}
	read(o)
	for i, want := range []bool{true, true, false} {
		if got := o.Pass(list()); got != want {
			t.Errorf("list number %d that waits was taken in: %v", i+1, got)
		}
	}
}

// patientSink is a connection that can write later.
type patientSink struct {
	sink
	laters, hurries int
}

func (s *patientSink) WakeLater() { s.laters++ }
func (s *patientSink) Hurry()     { s.hurries++ }

// Frames that may wait wake the connection for later, until one comes that should not. Frames
// that a writer has taken are in no hurry any more.
func TestFlushLater(t *testing.T) {
	o, s := new(Outbox), new(patientSink)
	o.Init(s, new(stats.Hub), 1<<20)
	check := func(when string, wakes, laters, hurries int) {
		t.Helper()
		if s.wakes != wakes || s.laters != laters || s.hurries != hurries {
			t.Errorf("%s: %d wakes, %d for later, %d in a hurry", when, s.wakes, s.laters, s.hurries)
		}
	}
	o.FlushLater()
	check("nothing waits", 0, 0, 0)
	o.Send(pong("a"), 1)
	o.FlushLater()
	o.FlushLater()
	check("something may wait", 0, 1, 0)
	o.Send(pong("b"), 1)
	o.Flush()
	o.Flush()
	check("something may not", 0, 1, 1)
	contents(o)
	o.Send(pong("c"), 1)
	o.FlushLater()
	frames, _ := o.Take(nil, 1)
	o.Send(pong("d"), 1)
	o.Flush()
	check("a writer is at work", 0, 2, 1)
	o.Wrote(frames[0].Size(), time.Now())
	contents(o)
	o.Close(wire.CloseNormal, "")
	o.FlushLater()
	if check("closed", 1, 2, 1); s.closings != 1 {
		t.Errorf("%d times closing", s.closings)
	}
}

func TestOutboxIsBounded(t *testing.T) {
	o, _ := newOutbox(3 * cost)
	for range 3 {
		if !o.Send(pong("x"), 1) {
			t.Fatal("full below the limit")
		}
	}
	if o.Send(pong("x"), 1) {
		t.Error("a frame over the limit was taken in")
	}
	frames, _ := o.Take(nil, 1)
	if o.Send(pong("x"), 1) {
		t.Error("what is with the writer no longer counts")
	}
	o.Wrote(frames[0].Size(), time.Now())
	if !o.Send(pong("x"), 1) {
		t.Error("there is no place although a frame was written")
	}
	small, _ := newOutbox(1)
	if !small.Send(pong("x"), 1) {
		t.Error("an empty outbox must take a frame of any size")
	}
}

// Frames that are written in pieces are written whole, and given back once.
func TestOutboxPartialWrites(t *testing.T) {
	for step := 1; step < 3*size; step++ {
		o, _ := newOutbox(1 << 20)
		var want, got []byte
		for _, r := range []string{"a", "b", "c", "d"} {
			f := pong(r)
			want = append(want, f.Bytes()...)
			o.Send(f, 1)
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
			more, _ = o.Wrote(len(b), time.Now())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in steps of %d: %q", step, got)
		}
	}
}

func TestOutboxList(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(o *Outbox)
		want []string
	}{
		{"a newer one takes its place", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			sendList(o, pong("2"), List{InPlace: true})
		}, []string{"2"}},
		{"also past what came behind", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			o.Send(pong("x"), 1)
			sendList(o, pong("2"), List{InPlace: true})
		}, []string{"2", "x"}},
		{"but not if somebody has left: then it is held back", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			o.Send(pong("x"), 1)
			sendList(o, pong("2"), List{InPlace: false})
		}, []string{"1", "x"}},
		{"unless a message needs it", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			o.Send(pong("x"), 1)
			sendList(o, pong("2"), List{Needed: true})
			sendList(o, pong("3"), List{InPlace: true})
		}, []string{"1", "x", "3"}},
		{"except where nothing came behind", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			sendList(o, pong("2"), List{InPlace: false})
		}, []string{"2"}},
		{"nor in another membership", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			o.Reset(false, Turn{})
			sendList(o, pong("2"), List{InPlace: true})
		}, []string{"1", "2"}},
		{"nor if it is with the writer", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			o.Take(nil, 1)
			sendList(o, pong("2"), List{InPlace: true})
		}, []string{"1", "2"}},
		{"nor if it has been written", func(o *Outbox) {
			sendList(o, pong("1"), List{InPlace: true})
			o.Send(pong("x"), 1)
			o.Take(nil, 1)
			o.Wrote(size, time.Now())
			sendList(o, pong("2"), List{InPlace: true})
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
	o.Send(pong("a"), 1)
	sendList(o, pong("1"), List{InPlace: true})
	o.Take(nil, 1)
	o.Wrote(1, time.Now()) // a is on its way: it must stay whole
	o.Urgent(frame.Ping(nil), 1)
	sendList(o, pong("2"), List{InPlace: true})
	if got, want := contents(o), []string{"a", "ping", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOutboxClose(t *testing.T) {
	t.Run("behind what waits", func(t *testing.T) {
		o, s := newOutbox(1 << 20)
		o.Send(pong("a"), 1)
		o.Close(wire.CloseGoingAway, "")
		o.Close(wire.CloseKicked, "")
		if !o.Send(pong("b"), 1) || !sendList(o, pong("c"), List{InPlace: true}) || !o.Urgent(frame.Ping(nil), 1) {
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
		o.Send(pong("a"), 1)
		o.Send(pong("b"), 1)
		o.Take(nil, 1)
		o.Wrote(1, time.Now())
		o.Close(wire.CloseSlowConsumer, "")
		if got, want := contents(o), []string{"a", "close"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("while a writer is at work", func(t *testing.T) {
		o, s := newOutbox(1 << 20)
		o.Send(pong("a"), 1)
		o.Flush()
		o.Take(nil, 1)
		o.Close(wire.CloseKicked, "")
		o.Flush()
		if s.wakes != 1 || s.closings != 1 {
			t.Errorf("%d wakes, %d closings", s.wakes, s.closings)
		}
	})
}

// Frames that are discarded while a writer holds them stay untouched until the writer is
// done.
func TestOutboxDiscard(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	o.Send(pong("a"), 1)
	o.Send(pong("b"), 1)
	o.Flush()
	frames, _ := o.Take(nil, 1)
	o.Discard()
	if got := ref(frames[0]); got != "a" {
		t.Errorf("the writer's frame became %q", got)
	}
	o.Send(pong("c"), 1)
	if _, _ = o.Wrote(1, time.Now()); o.stats.OutboxBytes.Load() != 0 {
		t.Errorf("%d bytes are still counted", o.stats.OutboxBytes.Load())
	}
	if frames, _ := o.Take(nil, 1); len(frames) != 0 {
		t.Error("there is still something to write")
	}
}
