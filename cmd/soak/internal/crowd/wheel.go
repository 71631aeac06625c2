package crowd

import "math/bits"

// tick is the grain of the schedule, in nanoseconds: what is due is due at the
// beginning of a tick.
const tick = int64(250_000)

// horizon is how many ticks ahead the wheel reaches: four seconds.
const horizon = 1 << 14

// event is something that a member is to do.
type event struct {
	do     action
	arg    uint8
	other  uint16 // the number of another member
	gen    uint32 // of the member: an event of an earlier membership does nothing
	member *member
	call   *call
}

// wheel is a schedule: a slot a tick, and a list of what is further away.
type wheel struct {
	slots [horizon][]event
	busy  [horizon / 64]uint64 // slots with something in them
	at    int64                // the first tick that has not been taken
	later []distant
	n     int // events in slots
}

type distant struct {
	tick int64
	event
}

// add schedules an event for the tick that a time falls into, or for the next to
// be taken, and returns when that begins.
func (w *wheel) add(due int64, e event) int64 {
	t := max(due/tick, w.at)
	if t >= w.at+horizon {
		w.later = append(w.later, distant{t, e})
	} else {
		w.put(t, e)
	}
	return t * tick
}

func (w *wheel) put(t int64, e event) {
	slot := t % horizon
	w.slots[slot] = append(w.slots[slot], e)
	w.busy[slot/64] |= 1 << (slot % 64)
	w.n++
}

// take calls f with what is due by now, tick after tick, until at least limit
// events are done. f may add events.
func (w *wheel) take(now int64, limit int, f func(due int64, e event)) (done int) {
	for w.at*tick <= now && done < limit {
		t := w.at
		slot := t % horizon
		w.at++
		if t%(horizon/2) == 0 {
			w.approach()
		}
		if w.busy[slot/64]&(1<<(slot%64)) == 0 {
			if w.n == 0 && len(w.later) == 0 {
				w.at = now/tick + 1 // nothing at all: go straight to now
			}
			continue
		}
		events := w.slots[slot]
		w.slots[slot] = nil
		w.busy[slot/64] &^= 1 << (slot % 64)
		w.n -= len(events)
		for _, e := range events {
			f(t*tick, e)
		}
		done += len(events)
		if w.slots[slot] == nil && cap(events) <= 1024 {
			clear(events)
			w.slots[slot] = events[:0]
		}
	}
	return done
}

// approach moves what has come within reach into the slots.
func (w *wheel) approach() {
	kept := w.later[:0]
	for _, d := range w.later {
		if d.tick < w.at+horizon {
			w.put(max(d.tick, w.at), d.event)
		} else {
			kept = append(kept, d)
		}
	}
	clear(w.later[len(kept):])
	w.later = kept
}

// next returns when the next event is due, or a time before which none is.
func (w *wheel) next() int64 {
	if w.n == 0 {
		return (w.at + horizon/2) * tick
	}
	for t := w.at; t < w.at+horizon; {
		slot := t % horizon
		if word := w.busy[slot/64] >> (slot % 64); word != 0 {
			return (t + int64(bits.TrailingZeros64(word))) * tick
		}
		t += 64 - slot%64
	}
	return (w.at + horizon/2) * tick
}
