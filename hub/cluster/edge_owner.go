package cluster

import (
	"maps"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file is the edge's side of what edges and owners say to each other.

// own attaches all memberships of a partition to a new owner, once the one before has
// let go of it.
func (e *edge) own(l *link, p int, epoch uint64) {
	part := &e.parts[p]
	switch {
	case epoch < part.epoch || epoch == part.epoch && part.owner == l:
	case part.owner != nil && part.owner != l:
		if epoch > part.nextEpoch || part.next == nil {
			part.next, part.nextEpoch = l, epoch
		}
	default:
		e.attachAll(l, p, epoch)
	}
}

// forgetOwner waits for another owner of a partition: nothing that was sent to the one
// before is confirmed any more.
func (e *edge) forgetOwner(p int) {
	part := &e.parts[p]
	part.owner, part.ready = nil, false
	for t := range part.clients {
		t.gen++
	}
}

// released says that the owner of a partition has let go of it, or is gone.
func (e *edge) released(p int) {
	e.forgetOwner(p)
	part := &e.parts[p]
	if next := part.next; next != nil {
		part.next = nil
		e.own(next, p, part.nextEpoch)
	}
}

// lost forgets an owner that is gone.
func (e *edge) lost(l *link) {
	l.lost = true
	delete(e.sent, l)
	if l.own == l.peer {
		e.held = nil
		e.heldBytes.Store(0)
	}
	for p := range e.parts {
		part := &e.parts[p]
		if part.next == l {
			part.next = nil
		}
		if part.owner == l {
			e.expire(p)
			e.released(p)
		}
	}
}

// forgetEpochs is called when the register has been made anew: it counts from 1 again.
func (e *edge) forgetEpochs() {
	for p := range e.parts {
		e.parts[p].epoch, e.parts[p].next = 0, nil
	}
}

// lookReady notes, the first time, that all partitions take commands.
func (e *edge) lookReady() {
	for p := range e.parts {
		if !e.parts[p].ready {
			return
		}
	}
	e.n.serves.Store(true)
}

// expire ends the memberships without a connection of a partition whose owner is gone:
// that owner may have given them to other connections since.
func (e *edge) expire(p int) {
	for t := range e.parts[p].clients {
		if t.aside != nil {
			t.state = clientOver
		}
	}
}

// takenForLost is called when other nodes have taken this one for lost. What members were
// sent meanwhile was kept for those whose memberships can be resumed, and only for them:
// the others' connections are closed. What comes on the links that there were is not taken
// any more: whoever came in by that was not marked.
func (e *edge) takenForLost(links []*link) {
	for _, l := range links {
		l.lost = true
	}
	e.severAll()
	for _, t := range e.clients {
		switch {
		case t.state == clientOut || t.state == clientJoining || t.state == clientOver || t.state == clientLocal:
		case t.member.Session != "":
			t.lost = true
		default:
			e.closeOver(t, wire.CloseGoingAway, "the server was cut off: come again")
			t.state = clientOver
		}
	}
}

// attachAll tells an owner of all memberships of a partition that are here, and sends it
// those of their commands again that are not confirmed (invariant 4).
func (e *edge) attachAll(l *link, p int, epoch uint64) {
	e.forgetOwner(p)
	part := &e.parts[p]
	part.owner, part.epoch = l, epoch
	if _, known := e.sent[l]; !known {
		e.sent[l] = nil
	}
	e.tellOwner(l, recAttaching, p)
	told := map[string]bool{}
	for t := range part.clients {
		r := e.rooms[t.member.Room]
		if r != nil && !told[t.member.Room] {
			told[t.member.Room] = true
			l.write(func(w *writer) {
				w.head(recRoom, commandHead{part: p})
				w.meta(&r.meta)
			})
		}
		e.attach(l, p, t)
	}
	e.tellOwner(l, recAttached, p)
	l.flush()
}

func (e *edge) tellOwner(l *link, kind byte, p int) {
	l.write(func(w *writer) {
		w.b = append(w.b, kind)
		w.number(uint64(p))
		w.number(e.parts[p].epoch)
	})
}

// attach tells an owner of a membership that is here, with its commands.
func (e *edge) attach(l *link, p int, t *edgeClient) {
	if t.state != clientJoining && t.state != clientOver {
		had, frames := t.kept()
		m := t.member
		m.Handled, m.Lost = t.before+t.confirmed, t.lost
		l.write(func(w *writer) {
			w.head(recAttach, commandHead{part: p, key: t.key, seq: t.seq})
			w.connection(t.client)
			w.membership(&m)
			w.turn(m.Turn)
			w.ago(m.Asked)
			w.flag(m.Lost)
			w.number(t.before)
			w.number(had)
			w.frames(frames)
			w.seen(t.seen.All())
		})
		for _, f := range frames {
			f.Release()
		}
	}
	t.again, t.early = t.seq, false
	for _, c := range t.pending {
		l.write(func(w *writer) {
			if c.answered {
				w.head(recHandled, commandHead{p, t.key, c.seq})
			} else {
				w.b = append(w.b, c.record...)
			}
		})
	}
}

// ready sends an owner what waits for it.
func (e *edge) ready(l *link, p int, epoch uint64) {
	part := &e.parts[p]
	if part.owner != l || part.epoch != epoch || part.ready {
		return
	}
	part.ready = true
	for t := range part.clients {
		t.lost = false
		for _, c := range t.pending {
			if c.seq > t.again {
				e.transmit(t, c)
			}
		}
	}
}

// settled forgets the commands that were sent again to an owner.
func (e *edge) settled(l *link, p int, epoch uint64) {
	part := &e.parts[p]
	if part.owner != l || part.epoch != epoch {
		return
	}
	for t := range part.clients {
		for len(t.pending) > 0 && t.pending[0].seq <= t.again && !t.early {
			e.confirm(t)
		}
	}
}

// transmit sends a pending command on its way.
func (e *edge) transmit(t *edgeClient, c pending) {
	l := e.parts[t.part].owner
	at := l.write(func(w *writer) { w.b = append(w.b, c.record...) })
	e.sent[l] = append(e.sent[l], sentCommand{at, t, t.gen, c.seq})
}

// confirmed forgets the commands of which an owner has had all packets.
func (e *edge) confirmed(l *link, upTo uint64) {
	sent := e.sent[l]
	n := 0
	for ; n < len(sent) && sent[n].mark <= upTo; n++ {
		f := &sent[n]
		if t := f.client; f.gen == t.gen && len(t.pending) > 0 && !t.pending[0].returned {
			e.n.must(t.pending[0].seq == f.seq, "invariant 1: commands are confirmed in order")
			e.confirm(t)
		}
		sent[n] = sentCommand{}
	}
	if _, known := e.sent[l]; known {
		e.sent[l] = sent[n:]
	}
}

// confirm forgets the first pending command of a client: all its effects have arrived.
func (e *edge) confirm(t *edgeClient) {
	c := t.pending[0]
	if t.state == clientJoining {
		t.early = true // what comes of it has not come yet
		return
	}
	t.bytes -= len(c.record)
	t.confirmed = c.seq
	t.pending[0] = pending{}
	t.pending = t.pending[1:]
	switch {
	case !c.end:
		return
	case len(t.pending) > 0:
		t.state = clientOver
		return
	}
	e.exit(t)
	if t.gone {
		e.forget(t)
	}
}

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

func releaseAll(frames []*frame.Frame) {
	for _, f := range frames {
		f.Release()
	}
}
