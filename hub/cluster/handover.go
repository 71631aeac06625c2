package cluster

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/calls"
)

// This file writes and reads what an owner of a partition hands over to the next.

// handover writes what the next owner of a partition, in its epoch, is to have of it.
func (w *writer) handover(p int, epoch uint64, out actor.Exported) {
	w.b = append(w.b, recHandover)
	w.number(uint64(p))
	w.number(epoch)
	w.number(uint64(len(out.Rooms)))
	for i := range out.Rooms {
		w.meta(&out.Rooms[i])
	}
	w.number(uint64(len(out.Members)))
	for i := range out.Members {
		m := &out.Members[i]
		w.membership(m)
		w.turn(m.Turn)
		w.left(m.Expires)
		w.ago(m.Asked)
		had, frames := keptOf(m.Out)
		w.number(had)
		w.frames(frames)
		releaseAll(frames)
	}
	w.number(uint64(len(out.Calls)))
	for i := range out.Calls {
		w.json(&out.Calls[i])
	}
}

// handover reads what the owner before has written; nil: it can't be read. limit is that of
// the bytes that are kept for a member, window that of [actor.NewSeen].
func (r *reader) handover(limit int, window time.Duration) (p int, in *inheritance) {
	p, in = r.partition(), &inheritance{epoch: r.number()}
	for n := r.number(); n > 0 && !r.bad; n-- {
		m := r.meta()
		r.room(m.Room, p)
		in.Rooms = append(in.Rooms, m)
	}
	for n := r.number(); n > 0 && !r.bad; n-- {
		m := r.membership()
		r.room(m.Room, p)
		r.session(m.Session, p)
		m.Turn, m.Expires, m.Asked = r.turn(), r.left(), r.ago()
		out := &remote{limit: limit, lost: true, seen: actor.NewSeen(window)}
		out.restore(r.number(), r.frames(), nil, true)
		m.Out = out
		in.Members = append(in.Members, m)
	}
	for n := r.number(); n > 0 && !r.bad; n-- {
		var c calls.Record
		if r.json(&c); !c.Sound() {
			r.fail()
		}
		if !r.bad {
			in.Calls = append(in.Calls, c)
		}
	}
	if r.bad {
		discard(in.Exported)
		return p, nil
	}
	return p, in
}
