package cluster

import (
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// remote is where an owner delivers what a connection of some node is to get: on the
// way there. It numbers the messages of a resumable membership and keeps what the client
// is not known to have (invariant 3). It is a [actor.Receiver], which the hub loop calls.
type remote struct {
	// Set before start, then read only.
	link    *link // nil: the connection is lost
	written func(*link)
	key     uint64
	limit   int // bytes that may be kept while the connection is lost

	// Guarded by mu: the hub loop writes, acks come from control.
	mu        sync.Mutex
	begins    bool // the next message is the first of the membership
	resumable bool
	turn      actor.Turn // of a membership that begins
	lost      bool
	kept      kept
	has       uint64 // messages that the client is known to have
	// seen has for each other membership the last of its messages that this one has had
	// (invariant 4): of one that can't be resumed, through owners before.
	seen *actor.Seen
}

// write writes a record to the link. The caller is the hub loop.
func (r *remote) write(f func(w *writer)) {
	r.link.write(f)
	r.written(r.link)
}

// Send implements [actor.Receiver].
func (r *remote) Send(f *frame.Frame, _ uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := f.Origin; o.Again && r.seen.Has(o.Key, o.Seq) {
		f.Release()
		return true
	}
	r.note(f)
	keep := r.resumable && f.IsMessage()
	if keep && r.lost && r.kept.bytes+f.Size() > r.limit {
		f.Release()
		return false
	}
	number := uint64(0)
	if keep {
		number = r.kept.last() + 1
	}
	if !r.lost && r.link != nil {
		h := frameHead{key: r.key, begins: r.begins, resumable: r.resumable, turn: r.turn, number: number}
		r.link.deliver(h, f)
		r.written(r.link)
	}
	r.begins = false
	if !keep {
		f.Release()
		return true
	}
	r.kept.add(f)
	for !r.lost && r.kept.bytes > r.limit {
		r.kept.forget()
	}
	return true
}

// note keeps in mind that the membership has had a message: its next connection, with
// another node, is to know. The caller holds mu.
func (r *remote) note(f *frame.Frame) {
	if o := f.Origin; r.resumable && o.Key != 0 && o.Key != r.key {
		r.seen.Note(o.Key, o.Seq)
	}
}

// acked says how many messages the client has.
func (r *remote) acked(had uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.has = max(r.has, had)
	for len(r.kept.frames) > 0 && r.kept.had < had {
		r.kept.forget()
	}
}

// SendList implements [actor.Receiver]. Lists and changes do not replace each other on the
// way: each has a number.
func (r *remote) SendList(l actor.List) bool {
	f, _, _ := l.Of.List(l.Since, false)
	return f == nil || r.Send(f, 0)
}

// Sent implements [actor.Receiver].
func (r *remote) Sent() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.last()
}

// Acked implements [actor.Receiver].
func (r *remote) Acked() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has
}

// Reset implements [actor.Receiver]. The edge hears of it with the next message: a
// membership and its first message arrive together or not at all (invariant 6).
func (r *remote) Reset(resumable bool, turn actor.Turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begins, r.resumable, r.turn = true, resumable, turn
	r.seen.Begin(nil)
	r.kept.begin(0, nil)
	r.has = 0
}

// restore begins with what its edge, or the owner before, has kept of the membership.
func (r *remote) restore(had uint64, frames []*frame.Frame, seen map[uint64]uint64, resumable bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resumable = resumable
	r.seen.Begin(seen)
	r.kept.begin(had, frames)
	r.has = had
}

// Missed implements [actor.Receiver].
func (r *remote) Missed(received uint64) ([]*frame.Frame, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.resumable {
		return nil, false
	}
	return r.kept.beyond(received)
}

// Adopt implements [actor.Receiver].
func (r *remote) Adopt(m *actor.Membership, received uint64, frames []*frame.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Begin(m.Seen)
	r.write(func(w *writer) {
		w.b = append(w.b, recAdopt)
		w.fixed(r.key)
		w.membership(m)
		w.turn(m.Turn)
		w.number(received)
		w.frames(frames)
		w.seen(m.Seen)
	})
	r.resumable = true
	r.kept.begin(received, frames)
	r.has = received
}

// Seen implements [actor.Receiver].
func (r *remote) Seen() map[uint64]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.All()
}

// Suspend implements [actor.Receiver].
func (r *remote) Suspend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = true
}

// Discard implements [actor.Receiver].
func (r *remote) Discard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost, r.resumable = true, false
	r.kept.begin(0, nil)
}

// Verdict implements [actor.Receiver].
func (r *remote) Verdict(uint64, int, bool) actor.Verdict {
	if r.link != nil && r.link.congested() {
		return actor.Unreachable
	}
	return actor.Open
}

// Overdrawn implements [actor.Receiver].
func (r *remote) Overdrawn() bool { return false }

// Mark implements [actor.Receiver].
func (r *remote) Mark() uint64 { return 0 }

// Behind implements [actor.Receiver].
func (r *remote) Behind(uint64) bool { return false }

// Challenge implements [actor.Receiver].
func (r *remote) Challenge(within time.Duration) {
	if r.link != nil {
		r.write(func(w *writer) {
			w.b = append(w.b, recChallenge)
			w.fixed(r.key)
			w.number(uint64(within))
		})
		r.link.flush()
	}
}

// Abort implements [actor.Receiver]: the connection lives on, with another owner.
func (r *remote) Abort() {}

// Backlog implements [actor.Receiver].
func (r *remote) Backlog() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.bytes
}

// Flush implements [actor.Receiver].
func (r *remote) Flush() {
	if r.link != nil {
		r.link.flush()
	}
}

// FlushLater implements [actor.Receiver].
func (r *remote) FlushLater() { r.Flush() }

// Close implements [actor.Receiver].
func (r *remote) Close(code wire.CloseCode, reason string) {
	if r.link == nil {
		return
	}
	r.write(func(w *writer) {
		w.b = append(w.b, recClose)
		w.fixed(r.key)
		w.number(uint64(code))
		w.text(reason)
	})
}
