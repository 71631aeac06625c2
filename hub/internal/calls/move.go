package calls

import (
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// Export takes the calls of some rooms out of the tracker, without a word to the sink.
// Those that wait for last words are finished instead.
func (t *Tracker) Export(of func(room string) bool) (records []Record) {
	for i := len(t.open) - 1; i >= 0; i-- { // what is dropped is replaced by one that was seen
		c := t.open[i]
		if !of(c.Call.Room) {
			continue
		}
		p := t.pairs[keyOf(c.Call.Room, c.Call.From, c.Call.To)]
		if c != p.live {
			t.finish(c, p)
			continue
		}
		if c.timer != nil {
			t.ringing.Remove(c.timer)
		}
		p.live = nil
		t.drop(c)
		t.dropPair(p)
		records = append(records, c.Record)
	}
	return records
}

// Import takes over a call of another tracker. gone says which of its members, From and
// To, are not here: such a call ends. So does one that cannot be followed on: the pair has
// another call by now, or there are too many.
func (t *Tracker) Import(now time.Time, r Record, gone [2]bool) {
	room, from, to := r.Call.Room, r.Call.From, r.Call.To
	c := &call{Record: r}
	if p := t.pairs[keyOf(room, from, to)]; p != nil && p.live != nil || !t.hasRoom(room, from, to) {
		c.over(now, event.ReasonLost, "")
		t.sink.Ended(&c.Call)
		t.keep(c)
		return
	}
	t.add(now, c)
	by := to
	for i, id := range []string{to, from} {
		if gone[1-i] {
			c.leave(id)
			by = id
		}
	}
	if gone[0] || gone[1] {
		t.end(now, t.pairOf(keyOf(room, from, to)), event.ReasonLost, by)
	}
}

// Sound reports whether a tracker can have made the record.
func (r *Record) Sound() bool {
	for i := range r.Samples {
		s := &r.Samples[i]
		if len(s.List) > maxSamples || s.Stride < 0 || s.Skipped < 0 || len(s.List) == 0 && s.Stride > 0 {
			return false
		}
	}
	return true
}

// Copy returns a call that may be kept, without its story.
func Copy(c *event.Call) event.Call {
	k := *c
	k.Story = nil
	return k
}

// Find returns a copy of the call with an id, with its story; nil: there is none.
func (t *Tracker) Find(id string) *event.Call {
	of := func(c *event.Call) *event.Call {
		k := *c
		k.Story = slices.Clone(c.Story)
		return &k
	}
	for _, c := range t.open {
		if c.Call.ID == id {
			return of(&c.Call)
		}
	}
	for _, c := range t.finished {
		if c.ID == id {
			return of(c)
		}
	}
	return nil
}

// Slice returns copies of some calls, without their stories: at most n of those before
// position at, and where the slice before it ends; 0: nowhere. Positions are those of
// finished calls, or of open ones. Going on from the end misses no call that stays: what
// is dropped is replaced by one that was seen.
func (t *Tracker) Slice(finished bool, at, n int) (list []event.Call, next int) {
	length := len(t.open)
	if finished {
		length = len(t.finished)
	}
	end := min(at, length)
	next = max(0, end-n)
	for i := next; i < end; i++ {
		if finished {
			list = append(list, Copy(t.finished[i]))
		} else {
			list = append(list, Copy(&t.open[i].Call))
		}
	}
	return list, next
}
