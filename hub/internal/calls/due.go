package calls

import (
	"container/list"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// This file does what time brings: calls that nobody answers end, those that have ended are
// finished, and those that are finished are forgotten.

// forget drops the oldest finished calls.
func (t *Tracker) forget(n int) {
	clear(t.finished[:n])
	if t.finished = t.finished[n:]; len(t.finished) == 0 {
		t.finished = nil
	}
}

// Next returns when Tick has something to do; zero: at no time.
func (t *Tracker) Next() (next time.Time) {
	earlier := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	for _, l := range []*list.List{&t.ringing, &t.closing} {
		if first := l.Front(); first != nil {
			earlier(first.Value.(*call).due)
		}
	}
	if len(t.finished) > 0 {
		earlier(t.finished[0].Ended.Add(Kept + LastWords))
	}
	return next
}

// Tick does what is due: some of it, if that is much.
func (t *Tracker) Tick(now time.Time) {
	for range maxTick {
		if c := due(&t.ringing, now); c != nil {
			t.end(now, t.pairs[keyOf(c.Call.Room, c.Call.From, c.Call.To)], event.ReasonNoAnswer, "")
		} else if c := due(&t.closing, now); c != nil {
			t.finish(c, t.pairs[keyOf(c.Call.Room, c.Call.From, c.Call.To)])
		} else if len(t.finished) > 0 && !now.Before(t.finished[0].Ended.Add(Kept+LastWords)) {
			t.forget(1)
		} else {
			return
		}
	}
}

// due returns the first call of a list if its time has come, or nil.
func due(l *list.List, now time.Time) *call {
	if first := l.Front(); first != nil {
		if c := first.Value.(*call); !now.Before(c.due) {
			return c
		}
	}
	return nil
}
