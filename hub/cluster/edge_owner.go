package cluster

import (
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

// takenForLost is called when other nodes have taken this one for lost. Messages that members were
// sent meanwhile were kept for those whose memberships can be resumed, and only for them:
// the others' connections are closed. Records of the links that there were are not taken
// any more: members that came in by them were not marked.
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
	e.sentOn(l) // its link is flushed from now on
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
	for _, c := range t.pending.all() {
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
		for _, c := range t.pending.all() {
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
		for {
			all := t.pending.all()
			if len(all) == 0 || all[0].seq > t.again || t.early {
				break
			}
			e.confirm(t)
		}
	}
}

// sentOn returns the commands that are on their way on a link.
func (e *edge) sentOn(l *link) *queue[sentCommand] {
	q := e.sent[l]
	if q == nil {
		q = &queue[sentCommand]{idle: 2048}
		e.sent[l] = q
	}
	return q
}

// transmit sends a pending command on its way.
func (e *edge) transmit(t *edgeClient, c pending) {
	l := e.parts[t.part].owner
	at := l.write(func(w *writer) { w.b = append(w.b, c.record...) })
	e.sentOn(l).push(sentCommand{at, t, t.gen, c.seq})
}

// confirmed forgets the commands of which an owner has had all packets.
func (e *edge) confirmed(l *link, upTo uint64) {
	sent := e.sent[l]
	if sent == nil {
		return
	}
	n := 0
	for _, f := range sent.all() {
		if f.mark > upTo {
			break
		}
		n++
		t := f.client
		if f.gen != t.gen {
			continue
		}
		if all := t.pending.all(); len(all) > 0 && !all[0].returned {
			e.n.must(all[0].seq == f.seq, "invariant 1: commands are confirmed in order")
			e.confirm(t)
		}
	}
	sent.drop(n)
}

// confirm forgets the first pending command of a client: all its effects have arrived.
func (e *edge) confirm(t *edgeClient) {
	c := t.pending.all()[0]
	if t.state == clientJoining {
		t.early = true // what comes of it has not come yet
		return
	}
	t.bytes -= cap(c.record)
	t.confirmed = c.seq
	t.pending.drop(1)
	e.spare.put(c.record)
	switch {
	case !c.end:
		return
	case len(t.pending.all()) > 0:
		t.state = clientOver
		return
	}
	e.exit(t)
	if t.gone {
		e.forget(t)
	}
}

func releaseAll(frames []*frame.Frame) {
	for _, f := range frames {
		f.Release()
	}
}
