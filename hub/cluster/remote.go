package cluster

import (
	"sync"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// remote is where an owner delivers what a connection of some node is to get: on the
// way there, and for a resumable membership it keeps what the client is not known
// to have. It is a [hub.Receiver].
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
	kept      []*wire.Frame
	bytes     int
}

// Send implements [hub.Receiver].
func (r *remote) Send(f *wire.Frame) bool {
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

func (r *remote) keep(f *wire.Frame) {
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

// SendState implements [hub.Receiver]. Lists do not replace each other on the way:
// owner and edge must agree on the number of messages.
func (r *remote) SendState(f *wire.Frame, _ bool) bool { return r.Send(f) }

// Begin implements [hub.Receiver].
func (r *remote) Begin(resumable bool) {
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
func (r *remote) reset(had uint64, frames []*wire.Frame, resumable bool) {
	for _, f := range r.kept {
		f.Release()
	}
	r.kept, r.bytes, r.had, r.resumable = nil, 0, had, resumable
	for _, f := range frames {
		r.keep(f)
	}
}

// Missed implements [hub.Receiver].
func (r *remote) Missed(received uint64) ([]*wire.Frame, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.resumable || received < r.had || received > r.had+uint64(len(r.kept)) {
		return nil, false
	}
	return hub.WithoutResumed(r.kept[received-r.had:]), true
}

// Adopt implements [hub.Receiver].
func (r *remote) Adopt(received uint64, frames []*wire.Frame) {
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

// Suspend implements [hub.Receiver].
func (r *remote) Suspend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = true
}

// Discard implements [hub.Receiver].
func (r *remote) Discard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = true
	r.reset(0, nil, false)
}

// Congested implements [hub.Receiver].
func (r *remote) Congested() bool { return r.link != nil && r.link.congested() }

// Backlog implements [hub.Receiver].
func (r *remote) Backlog() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Flush implements [hub.Receiver].
func (r *remote) Flush() {
	if r.link != nil {
		r.link.flush()
	}
}

// Close implements [hub.Receiver].
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
