package actor

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
)

// frameOf makes a message that takes so many bytes of memory while it waits.
func frameOf(t *testing.T, cost int) *frame.Frame {
	t.Helper()
	for _, header := range []int{2, 4, 10} {
		if n := cost - header - 96; n > 0 {
			if f := textFrame(strings.Repeat("x", n)); f.Cost() == cost {
				return f
			}
		}
	}
	t.Fatalf("no frame costs %d", cost)
	return nil
}

// A sender may fill a quarter of a queue with what goes to its client alone, to the
// byte, and all senders together the whole. One message always fits where nothing of
// its sender waits.
func TestVerdictOfShares(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		name  string
		waits map[uint64]int // of senders, in frames of a sixteenth of the queue
		from  uint64
		n     int
		want  Verdict
	}{
		{"nothing waits", nil, 1, 2 * limit, Open},
		{"a quarter", map[uint64]int{1: 3}, 1, limit / 16, Open},
		{"a byte more", map[uint64]int{1: 3}, 1, limit/16 + 1, Congested},
		{"an eighth and little more", map[uint64]int{1: 2}, 1, limit/8 + 1, Congested},
		{"an eighth twice", map[uint64]int{1: 2}, 1, limit / 8, Open},
		{"a small one of a sender that has used its share up", map[uint64]int{1: 4}, 1, 224, Congested},
		{"another sender has", map[uint64]int{1: 4}, 2, limit / 4, Open},
		{"the first of a sender is large", map[uint64]int{1: 3}, 2, 13 * limit / 16, Open},
		{"the whole queue", map[uint64]int{1: 4, 2: 4, 3: 4, 4: 3}, 5, limit / 16, Open},
		{"more than the whole queue", map[uint64]int{1: 4, 2: 4, 3: 4, 4: 3}, 5, limit/16 + 1, Congested},
	} {
		o, _ := newOutbox(limit)
		for sender, n := range c.waits {
			for range n {
				o.Send(frameOf(t, limit/16), sender)
			}
		}
		if got := o.Verdict(c.from, c.n, false); got != c.want {
			t.Errorf("%s: verdict %d", c.name, got)
		}
		if got := o.Verdict(c.from, c.n, true); got != Open {
			t.Errorf("%s, to the whole room: verdict %d", c.name, got)
		}
		o.Suspend() // changes nothing for what goes to one
		if got := o.Verdict(c.from, c.n, false); got != c.want {
			t.Errorf("%s, without a connection: verdict %d", c.name, got)
		}
		o.Close(1000, "")
		if got := o.Verdict(c.from, c.n, false); got != Open {
			t.Errorf("%s, closed: verdict %d", c.name, got)
		}
	}
}

// A sender's share is right however often the queue has become crowded and calm.
func TestSharesOverTime(t *testing.T) {
	const limit = 1 << 20
	o, _ := newOutbox(limit)
	for range 3 {
		for sender := range uint64(3) {
			for range 4 {
				o.Send(frameOf(t, limit/16), sender+1)
			}
		}
		for written := range 12 {
			for sender := range uint64(3) {
				// Of the messages before, those of the first senders have been written.
				waits := min(4, max(0, 4*(int(sender)+1)-written))
				if got := o.Verdict(sender+1, limit/16, false); (got == Congested) != (waits == 4) {
					t.Fatalf("sender %d, of which %d messages wait: verdict %d", sender+1, waits, got)
				}
			}
			readOne(o)
		}
		if got := o.Verdict(1, 5*limit, false); got != Open {
			t.Errorf("nothing waits: verdict %d", got)
		}
	}
}

// For a client without a connection, a sender may fill half of what is allowed with
// messages to the whole room; a connected one may get as many as its queue takes.
func TestVerdictOfBroadcasts(t *testing.T) {
	const limit = 1 << 20
	o, _ := newOutbox(limit)
	for range 7 {
		o.Send(frameOf(t, limit/2), 1|shared)
	}
	if got := o.Verdict(1, limit, true); got != Open {
		t.Errorf("connected: verdict %d", got)
	}
	o.Suspend()
	for n, want := range map[int]Verdict{limit / 2: Open, limit/2 + 1: Congested} {
		if got := o.Verdict(1, n, true); got != want {
			t.Errorf("%d more bytes after 3.5 of 4 MiB: verdict %d", n, got)
		}
	}
	if got := o.Verdict(2, 5*limit, true); got != Open {
		t.Errorf("the first of another sender: verdict %d", got)
	}
	if got := o.Verdict(1, limit/4, false); got != Open {
		t.Errorf("to this client alone: verdict %d", got)
	}
}

// A queue takes eight times its limit of what goes to whole rooms, and at least 6 MiB,
// to the byte; and one message of any size.
func TestBroadcastsAreBounded(t *testing.T) {
	for limit, most := range map[int]int{1 << 20: 8 << 20, 1000: 6 << 20} {
		o, _ := newOutbox(limit)
		for n := 0; n < most; n += 1 << 20 {
			if !o.Send(frameOf(t, 1<<20), 1|shared) {
				t.Fatalf("with a limit of %d, no room after %d bytes", limit, n)
			}
		}
		if o.Send(pong(""), 1|shared) {
			t.Errorf("with a limit of %d, more than %d bytes", limit, most)
		}
		if !o.Send(pong(""), 1) {
			t.Errorf("with a limit of %d: messages to whole rooms count for one to this client", limit)
		}
		contents(o)
		if !o.Send(frameOf(t, most+1), 1|shared) {
			t.Error("one large message does not fit an empty queue")
		}
	}
}

// A queue is overdrawn while more than its limit waits of what went to whole rooms.
func TestOverdrawn(t *testing.T) {
	const limit = 1 << 20
	o, _ := newOutbox(limit)
	for i, want := range []bool{false, false, true} {
		o.Send(frameOf(t, limit/2), 1|shared)
		if got := o.Overdrawn(); got != want {
			t.Errorf("%d halves: %v", i+1, got)
		}
	}
	o.Send(frameOf(t, limit/2), 1)
	readOne(o)
	if o.Overdrawn() {
		t.Error("still, although a half was written")
	}
	o.Send(frameOf(t, limit/2), 1|shared)
	o.Suspend()
	if o.Overdrawn() {
		t.Error("without a connection")
	}
}

// A queue is behind until what waited at the mark is written, or of that as much as
// the limit; what comes later does not count.
func TestBehind(t *testing.T) {
	const limit = 1 << 20
	for waiting, must := range map[int]int{0: 0, 1: 1, 4: 4, 6: 4} { // in quarters of the limit
		o, _ := newOutbox(limit)
		for range 3 {
			o.Send(frameOf(t, limit/4), 1|shared)
			readOne(o) // before
		}
		for range waiting {
			o.Send(frameOf(t, limit/4), 1|shared)
		}
		mark := o.Mark()
		o.Send(frameOf(t, limit/4), 1|shared)
		for written := range must + 1 {
			if got := o.Behind(mark); got != (written < must) {
				t.Errorf("%d of %d are written, %d must be: behind %v", written, waiting, must, got)
			}
			readOne(o)
		}
	}
	o, _ := newOutbox(limit)
	o.Send(pong("a"), 1)
	mark := o.Mark()
	o.Suspend()
	if o.Behind(mark) {
		t.Error("a client without a connection is behind")
	}
}

// The history gives way to frames that wait, and the two together stay
// within the limit; while the connection is lost all is kept.
func TestKeptGivesWay(t *testing.T) {
	o, _ := newOutbox(3 * cost)
	o.Reset(true, Turn{})
	written(o, "a", "b", "c")
	o.Send(pong("d"), 1)
	o.wantMissed(t, 0, nil)
	o.wantMissed(t, 1, []string{"b", "c", "d"})
	o.Send(pong("e"), 1)
	o.wantMissed(t, 1, nil)
	o.wantMissed(t, 2, []string{"c", "d", "e"})
	o.Suspend()
	o.Send(pong("f"), 1)
	o.wantMissed(t, 2, []string{"c", "d", "e", "f"})
}

// Lists of former memberships may wait up to twice the limit, to the byte. One list may
// be of any size.
func TestListsOfFormerMemberships(t *testing.T) {
	o, _ := newOutbox(1000)
	for range 2 {
		sendList(o, frameOf(t, 1000), List{InPlace: true})
		o.Reset(false, Turn{})
		if !o.Send(pong("a"), 1) {
			t.Fatal("full")
		}
	}
	sendList(o, frameOf(t, 224), List{InPlace: true})
	if o.Send(pong("a"), 1) {
		t.Error("2,224 bytes of lists wait in a queue of 1,000")
	}
	contents(o)
	sendList(o, frameOf(t, 5000), List{InPlace: true})
	if !o.Send(pong("a"), 1) {
		t.Error("a large list takes the place of other messages")
	}
}

// Take returns about as much as asked for, in whole frames, and at least
// one.
func TestTakeIsBounded(t *testing.T) {
	o, _ := newOutbox(1 << 20)
	for range 5 {
		o.Send(pong("x"), 1)
	}
	for most, want := range map[int]int{0: 1, 1: 1, size: 1, 2*size - 1: 1, 2 * size: 2, 3*size + 1: 3, 100 * size: 5} {
		if frames, skip := o.Take(nil, most); len(frames) != want || skip != 0 {
			t.Errorf("%d frames of %d bytes were taken for %d", len(frames), size, most)
		}
	}
	o.Take(nil, 2*size)
	if more, _ := o.Wrote(2*size, time.Now()); !more || o.Unwritten() != 3*size {
		t.Errorf("more %v, %d bytes to write", more, o.Unwritten())
	}
	o.Take(nil, size)
	if o.Wrote(1, time.Now()); o.Unwritten() != 3*size-1 {
		t.Errorf("%d bytes to write", o.Unwritten())
	}
}

// A queue that is never empty takes no more memory than what has waited at once,
// however much goes through it.
func TestQueueThatNeverEmpties(t *testing.T) {
	for _, first := range []int{1, 100} {
		o, _ := newOutbox(1 << 20)
		for range first {
			o.Send(pong("x"), 1)
		}
		for range first - 1 {
			readOne(o)
		}
		for range 10_000 {
			o.Send(pong("x"), 1)
			readOne(o)
		}
		if n := cap(o.frames); n > 4*max(first, keptFrames) {
			t.Errorf("there is room for %d frames, after %d that waited at once", n, first)
		}
	}
}

// An empty queue keeps room for the next few frames, and no more.
func TestEmptyQueueKeepsLittle(t *testing.T) {
	for n, want := range map[int]int{1: 1, keptFrames: keptFrames, keptFrames + 1: 0, 1000: 0} {
		o, _ := newOutbox(1 << 20)
		for range n {
			o.Send(pong("x"), 1)
		}
		if contents(o); cap(o.frames) != want {
			t.Errorf("after %d frames there is room for %d, want %d", n, cap(o.frames), want)
		}
	}
}

// A writer that finds nothing to write has ended: the next frame wakes another.
func TestWriterInVain(t *testing.T) {
	o, s := newOutbox(1 << 20)
	if frames, _ := o.Take(nil, 1); len(frames) != 0 {
		t.Fatal("an empty queue has frames")
	}
	o.Send(pong("a"), 1)
	if o.Flush(); s.wakes != 1 {
		t.Errorf("%d wakes", s.wakes)
	}
}

// The time from a forwarded message's arrival to its last byte's write is counted, once
// for each receiver: not for the server's own messages, and not again for what another
// connection has missed.
func TestTransit(t *testing.T) {
	now := time.Now()
	forwarded := func() *frame.Frame {
		f := pong("f")
		f.Born = now.Add(-3 * time.Second)
		return f
	}
	o, _ := newOutbox(1 << 20)
	o.Adopt(nil, 0, []*frame.Frame{forwarded()})
	o.Send(pong("x"), 1)
	o.Send(forwarded(), 1)
	o.Take(nil, 1<<20)
	o.Wrote(3*size-1, now)
	if count, _, _ := o.stats.Transit.Snapshot(); count != 0 {
		t.Errorf("%d times are counted before the last byte", count)
	}
	o.Wrote(1, now)
	if count, sum, _ := o.stats.Transit.Snapshot(); count != 1 || sum != 3 {
		t.Errorf("%d times are counted, %v seconds", count, sum)
	}
}
