package actor

import (
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// hasSeen reports whether a message was sent to this membership before, by the owner of the
// room that there was then, and notes that it is now.
func (o *Outbox) hasSeen(f *frame.Frame) bool {
	from := f.Origin
	if from.Again && o.seen.Has(from.Key, from.Seq) {
		return true
	}
	if o.history.kept {
		o.seen.Note(from.Key, from.Seq)
	}
	return false
}

// Seen implements [Receiver].
func (o *Outbox) Seen() map[uint64]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		return nil
	}
	return o.seen.All()
}

// never is the gate of an outbox that is nobody's.
func (o *Outbox) never() bool { return false }

// Adopt implements [Receiver].
func (o *Outbox) Adopt(m *Membership, received uint64, frames []*frame.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list, o.behind = noList, false
	o.history.begin(!o.closed, o.next(), received)
	if o.seen != nil {
		o.seen.Begin(m.Seen)
	}
	for _, f := range frames {
		if o.closed {
			f.Release()
		} else {
			o.push(entry{f, free | adopted})
		}
	}
}

// Missed implements [Receiver].
func (o *Outbox) Missed(received uint64) ([]*frame.Frame, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.missed(received, o.frames[o.head:], o.first)
}

// Sent implements [Receiver].
func (o *Outbox) Sent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.count(o.frames[o.head:], o.first)
}

// Suspend implements [Receiver].
func (o *Outbox) Suspend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn = nil
}

// Discard implements [Receiver].
func (o *Outbox) Discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.dead = true, true
	o.history.begin(false, 0, 0)
	if !o.writing {
		o.drop(o.head)
	}
}

// Kept returns what the client of a resumable membership is not known to have: the
// number of messages before that, and a reference to each for the caller.
func (o *Outbox) Kept() (received uint64, frames []*frame.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames, _ = o.history.missed(o.history.had, o.frames[o.head:], o.first)
	return o.history.had, frames
}

// Acked implements [Receiver].
func (o *Outbox) Acked() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.acked
}
