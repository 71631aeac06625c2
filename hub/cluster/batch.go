package cluster

import (
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// batch makes commands of the records of one packet.
type batch struct {
	o        *owner
	pe       *peer
	commands []actor.Command
	joins    []outcome[bool]
	resumes  []outcome[actor.Resumed]
	left     []commandHead
}

// outcome is a command whose word the edge waits for.
type outcome[T any] struct {
	head commandHead
	done chan T
}

// tellOutcomes is called by the loop when the batch has been applied.
func (b *batch) tellOutcomes() {
	l := b.pe.link
	for _, j := range b.joins {
		in := <-j.done // is there
		l.write(func(w *writer) {
			w.b = append(w.b, recJoined)
			w.fixed(j.head.key)
			w.number(j.head.seq)
			w.flag(in)
		})
	}
	for _, r := range b.resumes {
		word := <-r.done
		l.write(func(w *writer) {
			w.b = append(w.b, recResumed)
			w.fixed(r.head.key)
			w.number(r.head.seq)
			w.membership(&actor.Membership{
				Room: word.Room, ID: word.ID, Name: word.Name, Meta: word.Meta, Grant: word.Grant, Joined: word.Joined, Handled: word.Handled,
			})
		})
	}
	for _, h := range b.left {
		l.write(func(w *writer) {
			w.b = append(w.b, recLeft)
			w.fixed(h.key)
			w.number(h.seq)
		})
	}
	l.flush()
}

// client returns the hub's client for a connection, making it known if need be.
func (b *batch) client(r *reader, h commandHead) *proxy {
	conn, address := r.number(), r.text()
	if c := b.pe.clients[h.key]; c != nil {
		return c
	}
	return b.newProxy(h, conn, address)
}

func (b *batch) newProxy(h commandHead, conn uint64, address string) *proxy {
	out := &remote{link: b.pe.link, key: h.key, limit: b.o.n.options.QueueBytes}
	c := &proxy{client: actor.NewClientOf(b.pe.link.node, conn, parseAddr(address), out), out: out, part: h.part}
	b.pe.clients[h.key] = c
	b.commands = append(b.commands, actor.Register{Client: c.client})
	return c
}

func (b *batch) add(c actor.Command) { b.commands = append(b.commands, c) }

// take makes commands of one record. Those for a partition that is not ours, or that
// the edge has not attached its connections for, are stale.
func (b *batch) take(rec record) {
	r := &reader{b: rec.b[1:]}
	kind := rec.b[0]
	if kind == recAttached {
		if p, epoch := r.partition(), r.number(); !r.bad {
			b.attached(p, epoch)
		}
		return
	}
	h := r.head()
	if r.bad {
		return
	}
	part := &b.o.parts[h.part]
	switch {
	case kind == recAttach:
		b.attach(r, h)
	case kind == recRoom:
		if m := r.meta(); part.state == partRecovering {
			part.metas = append(part.metas, m)
		}
	case part.state == partReady && b.pe.attached[h.part] == part.epoch:
		b.command(kind, r, h)
	}
}

// command makes the command of a record that is not stale.
func (b *batch) command(kind byte, r *reader, h commandHead) {
	o := frame.Origin{Key: h.key, Seq: h.seq}
	switch kind {
	case recJoin:
		b.join(r, h, o)
		return
	case recResume:
		c := b.client(r, h)
		done := make(chan actor.Resumed, 1)
		b.add(&actor.Resume{Client: c.client, Session: r.text(), Received: r.number(), MessageBytes: int(r.number()), Refused: r.refused(o), Done: done})
		b.resumes = append(b.resumes, outcome[actor.Resumed]{h, done})
		return
	}
	c := b.pe.clients[h.key]
	if c == nil {
		if kind == recLeave {
			b.left = append(b.left, h)
		}
		return
	}
	switch kind {
	case recLeave:
		delete(b.pe.clients, h.key)
		b.add(actor.Leave{Client: c.client})
		b.add(actor.Unregister{Client: c.client})
		b.left = append(b.left, h)
	case recForward:
		p := actor.ForwardParts{Client: c.client, Type: wire.Type(r.number()), All: r.flag(), To: r.bytes(), Ref: r.bytes()}
		p.Frame = r.frameOf(o)
		b.add(p.Forward())
	case recRename:
		b.add(&actor.Rename{Client: c.client, Name: r.text(), Refused: r.refused(o)})
	case recUpdate:
		b.add(&actor.Update{Client: c.client, Meta: r.profile(), Refused: r.refused(o)})
	case recRenew:
		b.add(&actor.Renew{Client: c.client, Grant: r.grant(), Name: r.text(), Meta: r.profile(), Frame: r.frameOf(o), Refused: r.refused(o)})
	case recReply:
		b.add(&actor.Reply{Client: c.client, Frame: r.frameOf(o)})
	case recRefuse:
		b.add(&actor.Refuse{Client: c.client, Refusal: r.refusal(), Refused: r.refused(o)})
	case recKick:
		b.add(&actor.Kick{Order: actor.Order{Client: c.client, Refused: r.refused(o)}, To: r.text()})
	case recLock:
		b.add(&actor.Lock{Order: actor.Order{Client: c.client, Refused: r.refused(o)}, Locked: r.flag()})
	case recAcked:
		c.out.acked(r.number())
	case recEnd:
		delete(b.pe.clients, h.key)
		reason, suspend := r.text(), r.flag()
		if !suspend {
			b.add(&actor.Disconnect{Client: c.client, Code: wire.CloseNormal, Reason: reason})
		}
		b.add(actor.Unregister{Client: c.client, Reason: reason})
	}
}

func (b *batch) join(r *reader, h commandHead, o frame.Origin) {
	c := b.client(r, h)
	m := r.membership()
	j := &actor.Join{
		Client: c.client, Room: m.Room, ID: m.ID, Name: m.Name, Meta: m.Meta, Grant: m.Grant, Session: m.Session,
		Capacity: int(r.number()), Takeover: r.flag(), Refused: r.refused(o),
	}
	j.Welcome = r.frameOf(o)
	done := make(chan bool, 1)
	j.Done = done
	b.add(j)
	b.joins = append(b.joins, outcome[bool]{h, done})
}

// attach takes a connection over with the membership that it has.
func (b *batch) attach(r *reader, h commandHead) {
	part := &b.o.parts[h.part]
	epoch := r.number()
	if part.state == partNone || epoch != part.epoch {
		return
	}
	conn, address := r.number(), r.text()
	m := r.membership()
	had, frames := r.number(), r.frames()
	c := b.newProxy(h, conn, address)
	c.out.reset(had, frames, m.Session != "")
	m.Client, m.Had = c.client, had+uint64(len(frames))
	if part.state == partRecovering {
		part.attached = append(part.attached, m)
		return
	}
	b.add(&actor.Restore{Members: []actor.Membership{m}})
}

// attached says that an edge has attached all its connections.
func (b *batch) attached(p int, epoch uint64) {
	part := &b.o.parts[p]
	if part.state == partNone || epoch != part.epoch {
		return
	}
	b.pe.attached[p] = epoch
	if part.state == partReady {
		l := b.pe.link
		b.o.tell(l, recReady, p)
		l.flush()
		return
	}
	// The clients of attached connections must be known to the hub first.
	b.o.do(b.commands)
	b.commands = nil
	delete(part.waiting, b.pe.link)
	b.o.checkReady(p)
}
