package cluster

import (
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// remote is where an owner delivers what a connection of some node is to get: on the
// way there, and for a resumable membership it keeps what the client is not known
// to have. It is a [actor.Receiver].
type remote struct {
	// Set before start, then read only.
	link  *link // nil: the connection is lost
	key   uint64
	limit int // bytes that may be kept while the connection is lost

	// Guarded by mu: the loop writes, acks come from elsewhere.
	mu        sync.Mutex
	resumable bool
	lost      bool
	had       uint64 // messages that the client has
	kept      []*frame.Frame
	bytes     int
}

// Send implements [actor.Receiver].
func (r *remote) Send(f *frame.Frame, _ uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lost && r.link != nil {
		r.link.write(func(w *writer) {
			w.b = append(w.b, recFrame)
			w.fixed(r.key)
			w.frame(f)
		})
	}
	if !r.resumable || !f.IsMessage() {
		f.Release()
		return true
	}
	if r.lost && r.bytes+f.Size() > r.limit {
		f.Release()
		return false
	}
	r.keep(f)
	for r.bytes > r.limit {
		r.forget()
	}
	return true
}

func (r *remote) keep(f *frame.Frame) {
	r.kept = append(r.kept, f)
	r.bytes += f.Size()
}

func (r *remote) forget() {
	r.bytes -= r.kept[0].Size()
	r.kept[0].Release()
	r.kept[0] = nil
	r.kept = r.kept[1:]
	r.had++
}

// acked says how many messages the client has.
func (r *remote) acked(had uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.kept) > 0 && r.had < had {
		r.forget()
	}
}

// SendList implements [actor.Receiver]. Lists do not replace each other on the way:
// owner and edge must agree on the number of messages.
func (r *remote) SendList(f *frame.Frame, _ actor.List) bool { return r.Send(f, 0) }

// Sent implements [actor.Receiver].
func (r *remote) Sent() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.had + uint64(len(r.kept))
}

// Reset implements [actor.Receiver].
func (r *remote) Reset(resumable bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reset(0, nil, resumable)
	if r.link != nil && !r.lost {
		r.link.write(func(w *writer) {
			w.b = append(w.b, recBegin)
			w.fixed(r.key)
			w.flag(resumable)
		})
	}
}

// reset begins with what is known to be kept already. The caller holds mu.
func (r *remote) reset(had uint64, frames []*frame.Frame, resumable bool) {
	for _, f := range r.kept {
		f.Release()
	}
	r.kept, r.bytes, r.had, r.resumable = nil, 0, had, resumable
	for _, f := range frames {
		r.keep(f)
	}
}

// Missed implements [actor.Receiver].
func (r *remote) Missed(received uint64) ([]*frame.Frame, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.resumable || received < r.had || received > r.had+uint64(len(r.kept)) {
		return nil, false
	}
	return actor.WithoutResumed(r.kept[received-r.had:]), true
}

// Adopt implements [actor.Receiver].
func (r *remote) Adopt(received uint64, frames []*frame.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link.write(func(w *writer) {
		w.b = append(w.b, recAdopt)
		w.fixed(r.key)
		w.number(received)
		w.frames(frames)
	})
	r.reset(received, frames, true)
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
	r.lost = true
	r.reset(0, nil, false)
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
		r.link.write(func(w *writer) {
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
	return r.bytes
}

// Flush implements [actor.Receiver].
func (r *remote) Flush() {
	if r.link != nil {
		r.link.flush()
	}
}

// Close implements [actor.Receiver].
func (r *remote) Close(code wire.CloseCode, reason string) {
	if r.link == nil {
		return
	}
	r.link.write(func(w *writer) {
		w.b = append(w.b, recClose)
		w.fixed(r.key)
		w.number(uint64(code))
		w.text(reason)
	})
}
