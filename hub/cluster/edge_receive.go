package cluster

import (
	"maps"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file reads what owners send to an edge.

// receive handles one record from an owner.
func (e *edge) receive(l *link, rec record) {
	r := &reader{b: rec.b[1:], version: l.version}
	switch kind := rec.b[0]; kind {
	case recOwn, recReady, recSettled, recDisown:
		e.ofPartition(kind, l, r)
	case recConfirm:
		if upTo := r.number(); !r.bad {
			e.confirmed(l, upTo)
		}
	case recMeta:
		if m := r.meta(); !r.bad {
			e.meta(m)
		}
	case recFrame:
		r.deliveries(func(h frameHead, f *frame.Frame) {
			if t := e.keys[h.key]; t != nil && e.parts[t.part].owner == l {
				e.frame(t, h, f)
			} else {
				f.Release()
			}
		})
	default:
		if t := e.keys[r.fixed()]; t != nil && e.parts[t.part].owner == l {
			e.ofClient(kind, t, r)
		}
	}
	if r.bad {
		l.refuse(rec.b[0])
	}
}

// ofPartition handles a record about a partition.
func (e *edge) ofPartition(kind byte, l *link, r *reader) {
	p, epoch := r.partition(), r.number()
	switch {
	case r.bad:
	case kind == recOwn:
		e.own(l, p, epoch)
	case kind == recReady:
		e.ready(l, p, epoch)
	case kind == recSettled:
		e.settled(l, p, epoch)
	case e.parts[p].owner == l:
		e.released(p)
	}
}

// ofClient handles a record about a connection.
func (e *edge) ofClient(kind byte, t *edgeClient, r *reader) {
	switch kind {
	case recAdopt:
		e.adopt(t, r)
	case recChallenge:
		if within := r.duration(); !r.bad {
			t.out.Challenge(within)
		}
	case recClose:
		if code, text := r.below(1<<16), r.text(); !r.bad {
			e.closeOver(t, wire.CloseCode(code), text)
		}
	case recLeft:
		e.left(t)
	case recReturned:
		if seq := r.number(); !r.bad {
			t.giveBack(seq)
		}
	case recTaken:
		turn, ago := actor.Turn{Epoch: r.number(), Count: r.number()}, r.duration()
		if !r.bad {
			e.taken(t, turn, ago)
		}
	}
}

// frame hands a connection a message that an owner has sent.
func (e *edge) frame(t *edgeClient, h frameHead, f *frame.Frame) {
	if h.begins {
		t.out.Reset(h.resumable, h.turn)
		t.had, t.member.Turn = 0, h.turn
	}
	if h.number > 0 {
		e.n.must(h.number == t.had+1, "invariant 3: messages of a membership arrive without gaps")
		t.had = h.number
	}
	o := f.Origin
	if o.Key == t.key {
		t.answer(o.Seq)
	} else if o.Key != 0 {
		t.seen.Note(o.Key, o.Seq)
	}
	e.deliver(t, f)
	if t.state == clientJoining && o.Key == t.key && o.Seq == 1 {
		if h.begins {
			e.in(t)
		} else {
			e.notIn(t)
		}
	}
}

// adopt hands a connection the membership that it has resumed.
func (e *edge) adopt(t *edgeClient, r *reader) {
	m := r.membership()
	m.Turn = r.turn()
	received, frames, seen := r.number(), r.frames(), r.seen()
	if r.bad || t.state != clientJoining || t.resume == nil {
		releaseAll(frames)
		return
	}
	m.Asked = t.resume.Asked.At
	t.seen.Begin(seen)
	t.answer(1)
	t.had = received + uint64(len(frames))
	if t.closed {
		t.aside, t.detached = new(kept), t.member.Session
		t.aside.begin(received, frames)
	} else {
		t.out.Adopt(&m, received, frames)
		e.touch(t)
	}
	m.Session = t.member.Session
	t.before = m.Handled - 1 // number 1 was the resume, which does not count
	e.visit(t, m.Room)
	t.member = m
	e.in(t)
}

func (e *edge) meta(m actor.RoomMeta) {
	r := e.rooms[m.Room]
	if r == nil {
		return
	}
	bans := r.meta.Bans
	if bans == nil {
		bans = map[string]time.Time{}
	}
	maps.Copy(bans, m.Bans)
	r.meta.Locked, r.meta.Bans = m.Locked, bans
}
