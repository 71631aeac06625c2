package cluster

import (
	"encoding/binary"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// This file carries messages from an owner to edges. A message that goes to several
// receivers with one node crosses the link once, followed by whom it is for.

// frameHead says for whom a message is.
type frameHead struct {
	key       uint64     // of the receiver's membership
	begins    bool       // the message is the first of the membership
	resumable bool       // the membership that begins is
	turn      actor.Turn // likewise
	number    uint64     // of the message in a resumable membership; 0: it is in none
}

// unfinished is a delivery at the end of what a link has to send, to which receivers may be
// added.
type unfinished struct {
	frame *frame.Frame // with a reference; nil: there is none
	chunk *chunk
	from  int    // where the record begins in the chunk
	to    int    // where it ends
	key   uint64 // of the last receiver
}

// deliver writes a message for a receiver. The caller is the hub loop.
func (l *link) deliver(h frameHead, f *frame.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urgent.Store(true)
	u := &l.unfinished
	if u.frame == f && !h.begins && u.chunk == l.chunks[len(l.chunks)-1] && u.to == len(u.chunk.b) && u.to < packetBytes {
		w := writer{b: u.chunk.b}
		w.number(zigzag(int64(h.key - u.key)))
		w.number(h.number)
		l.waiting += len(w.b) - u.to
		u.chunk.b, u.to, u.key = w.b, len(w.b), h.key
		binary.LittleEndian.PutUint32(w.b[u.from:], uint32(u.to-u.from-lengthBytes))
		return
	}
	l.finish()
	chunks := len(l.chunks)
	if chunks > 0 && len(l.chunks[chunks-1].b) > packetBytes {
		chunks++
	}
	from := headerBytes
	if chunks > 0 && chunks == len(l.chunks) {
		from = len(l.chunks[chunks-1].b)
	}
	l.append(func(w *writer) {
		w.b = append(w.b, recFrame)
		w.flag(h.begins)
		w.flag(h.resumable)
		if h.begins {
			w.turn(h.turn)
		}
		w.frame(f)
		w.fixed(h.key)
		w.number(h.number)
	})
	if last := l.chunks[len(l.chunks)-1]; !h.begins && len(l.chunks) <= max(chunks, 1) {
		f.Retain(1)
		l.unfinished = unfinished{frame: f, chunk: last, from: from, to: len(last.b), key: h.key}
	}
}

// finish lets go of the message that receivers could be added to. The caller holds mu.
func (l *link) finish() {
	if l.unfinished.frame != nil {
		l.unfinished.frame.Release()
		l.unfinished = unfinished{}
	}
}

// deliveries reads a message, and calls to for each receiver, with a reference of its own.
func (r *reader) deliveries(to func(h frameHead, f *frame.Frame)) {
	h := frameHead{begins: r.flag(), resumable: r.flag()}
	if h.begins {
		h.turn = r.turn()
	}
	f := r.frame()
	h.key, h.number = r.fixed(), r.number()
	for !r.bad {
		if len(r.b) == 0 { // the last one, and mostly the only one
			to(h, f)
			return
		}
		f.Retain(1)
		to(h, f)
		h.key += uint64(unzigzag(r.number()))
		h.number = r.number()
	}
	f.Release()
}

// zigzag makes small numbers of numbers that are near zero.
func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }
