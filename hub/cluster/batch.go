package cluster

import (
	"math"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// batch makes commands of the records of one packet. It is owned by control until the
// hub loop has its commands.
type batch struct {
	o        *owner
	pe       *peer
	commands []actor.Command
	after    []func(batch uint64) // called by the hub loop when they are carried out
}

// deferred are commands that wait until a partition is ready, with what is to be called
// then. Those of memberships come first: who resumes one elsewhere is told what of them
// has been handled.
type deferred struct {
	commands []actor.Command // of attached memberships
	entering []actor.Command // of clients that join or resume
	after    []func(batch uint64)
}

// client returns the hub's client for a membership, making it known if need be.
func (b *batch) client(h commandHead, conn uint64, address string) *remoteClient {
	if c := b.pe.clients[h.key]; c != nil {
		return c
	}
	return b.newClient(h, conn, address)
}

func (b *batch) newClient(h commandHead, conn uint64, address string) *remoteClient {
	out := &remote{link: b.pe.link, written: b.o.wrote, key: h.key, limit: b.o.n.options.QueueBytes, seen: actor.NewSeen(b.o.n.resumeWindow())}
	c := &remoteClient{client: actor.NewClientOf(b.pe.link.node, conn, parseAddr(address), out), out: out, part: h.part}
	b.pe.clients[h.key] = c
	b.commands = append(b.commands, actor.Register{Client: c.client})
	return c
}

// take makes commands of one record. Of a record that can't be read it makes none.
func (b *batch) take(rec record) {
	r := &reader{b: rec.b[1:], version: b.pe.link.version}
	if kind := rec.b[0]; kind == recAttaching || kind == recAttached {
		b.attachment(kind, r)
	} else {
		b.record(kind, r)
	}
	if r.bad {
		b.pe.link.refuse(rec.b[0])
	}
}

// attachment notes that the edge begins to attach its memberships of a partition, or has done so.
func (b *batch) attachment(kind byte, r *reader) {
	p, epoch := r.partition(), r.number()
	switch part := &b.o.parts[p]; {
	case r.bad || epoch != part.epoch || part.state != partRecovering && part.state != partReady:
	case kind == recAttaching:
		b.pe.attaching[p] = epoch
	default:
		b.attached(p, epoch)
	}
}

// record takes a record about a membership. Those for a partition that is not ours, or that
// the edge has not begun to attach its memberships for, are stale.
func (b *batch) record(kind byte, r *reader) {
	h := r.head()
	if r.bad {
		return
	}
	part := &b.o.parts[h.part]
	if part.state == partReleasing && kind != recAcked {
		b.giveBack(h)
	}
	if part.state != partRecovering && part.state != partReady || b.pe.attaching[h.part] != part.epoch {
		return
	}
	switch kind {
	case recAttach:
		b.attach(r, h)
	case recRoom:
		m := r.meta()
		r.room(m.Room, h.part)
		if !r.bad && part.state == partRecovering {
			part.metas = append(part.metas, m)
		}
	default:
		b.command(kind, r, h)
	}
}

// giveBack tells the edge that a command was not carried out, ahead of the confirmation
// of its packet: the next owner is to have it.
func (b *batch) giveBack(h commandHead) {
	b.pe.link.write(func(w *writer) {
		w.b = append(w.b, recReturned)
		w.fixed(h.key)
		w.number(h.seq)
	})
}

// command makes the command of a record that is not stale.
func (b *batch) command(kind byte, r *reader, h commandHead) {
	o := frame.Origin{Key: h.key, Seq: h.seq}
	switch kind {
	case recJoin:
		b.join(r, h, o)
		return
	case recResume:
		b.resume(r, h, o)
		return
	case recDepart:
		if session := r.text(); !r.bad {
			b.depart(h.part, actor.Depart{Session: session})
		}
		return
	}
	c := b.pe.clients[h.key]
	if c == nil {
		if kind == recLeave {
			b.left(h)
		}
		return
	}
	switch kind {
	case recLeave:
		delete(b.pe.clients, h.key)
		b.add(c, actor.Leave{Client: c.client}, actor.Unregister{Client: c.client})
		b.left(h)
	case recAcked:
		if had := r.number(); !r.bad {
			c.out.acked(had)
		}
	case recEnd:
		reason, suspend := r.text(), r.flag()
		if r.bad {
			return
		}
		delete(b.pe.clients, h.key)
		if !suspend {
			b.add(c, &actor.Disconnect{Client: c.client, Code: wire.CloseNormal, Reason: reason})
		}
		b.add(c, actor.Unregister{Client: c.client, Reason: reason})
	default:
		o.Again = h.seq <= c.again
		m := messageOf(kind, r, c.client, o)
		switch {
		case m == nil:
		case r.bad:
			actor.Drop(m)
		case o.Again:
			b.add(c, &actor.Again{Client: c.client, Number: c.before + h.seq, Command: m})
		default:
			b.add(c, m)
		}
	}
}

// messageOf makes the command of a record that stands for a message of a member; nil: there
// is no such record.
func messageOf(kind byte, r *reader, c *actor.Client, o frame.Origin) actor.Command {
	switch kind {
	case recForward:
		p := actor.ForwardParts{Client: c, Type: wire.Type(r.below(wire.NumTypes)), Audience: actor.Audience(r.below(actor.NumAudiences))}
		if p.Audience == actor.ToAny {
			p.Pick = actor.Pick{Seed: r.fixed(), Nth: r.number()}
		}
		p.To, p.Ref = r.bytes(), r.bytes()
		p.Frame = r.frameOf(o)
		return p.Forward()
	case recRename:
		return &actor.Rename{Client: c, Name: r.text(), Refused: r.refused(o)}
	case recUpdate:
		return &actor.Update{Client: c, Meta: r.profile(), Refused: r.refused(o)}
	case recRenew:
		return &actor.Renew{Client: c, Grant: r.grant(), Name: r.text(), Meta: r.profile(), Frame: r.frameOf(o), Refused: r.refused(o)}
	case recReport:
		report := new(wire.Report)
		c := &actor.Report{Client: c, To: r.text(), Report: report, Refused: r.refused(o)}
		r.json(report)
		return c
	case recReply:
		return &actor.Reply{Client: c, Frame: r.frameOf(o)}
	case recCount:
		return &actor.Count{Client: c, Meta: r.profile(), Refused: r.refused(o), Frame: r.frameOf(o)}
	case recRefuse:
		return &actor.Refuse{Client: c, Refusal: r.refusal(), Refused: r.refused(o)}
	case recKick:
		return &actor.Kick{Order: actor.Order{Client: c, Refused: r.refused(o)}, To: r.text()}
	case recLock:
		return &actor.Lock{Order: actor.Order{Client: c, Refused: r.refused(o)}, Locked: r.flag()}
	case recHandled:
		return actor.Handled{Client: c}
	}
	return nil
}

// add has the hub carry commands out, once the partition is ready.
func (b *batch) add(c *remoteClient, commands ...actor.Command) {
	if part := &b.o.parts[c.part]; part.state == partRecovering {
		part.again.add(c, commands...)
	} else {
		b.commands = append(b.commands, commands...)
	}
}

// depart is add for a membership that has no connection any more.
func (b *batch) depart(p int, d actor.Depart) {
	if part := &b.o.parts[p]; part.state == partRecovering {
		part.again.commands = append(part.again.commands, d)
	} else {
		b.commands = append(b.commands, d)
	}
}

func (d *deferred) add(c *remoteClient, commands ...actor.Command) {
	if c.attached {
		d.commands = append(d.commands, commands...)
	} else {
		d.entering = append(d.entering, commands...)
	}
}

// then has the hub loop call f when it has carried out what was added so far.
func (b *batch) then(p int, f func(batch uint64)) {
	if part := &b.o.parts[p]; part.state == partRecovering {
		part.again.after = append(part.again.after, f)
	} else {
		b.after = append(b.after, f)
	}
}

// left tells the edge that a membership has ended as it wanted.
func (b *batch) left(h commandHead) {
	l := b.pe.link
	b.then(h.part, func(uint64) {
		l.write(func(w *writer) {
			w.b = append(w.b, recLeft)
			w.fixed(h.key)
		})
		l.flush()
	})
}

// refused notes that a client can be forgotten.
func (b *batch) refused(key uint64) {
	b.o.refusedMu.Lock()
	defer b.o.refusedMu.Unlock()
	b.o.refused = append(b.o.refused, refusedClient{b.pe, key})
}

func (b *batch) join(r *reader, h commandHead, o frame.Origin) {
	conn, address := r.number(), r.text()
	m := r.membership()
	r.room(m.Room, h.part)
	j := &actor.Join{
		Room: m.Room, ID: m.ID, Name: m.Name, Meta: m.Meta, Grant: m.Grant, Session: m.Session,
		Changes: m.Changes, Quiet: m.Quiet, Key: m.Key, Capacity: int(min(r.number(), math.MaxInt32)), Takeover: r.flag(), Refused: r.refused(o),
	}
	j.Welcome = r.frameOf(o)
	j.Asked = actor.Asked{At: time.Now(), After: r.after()}
	if r.bad {
		actor.Drop(j)
		return
	}
	c := b.client(h, conn, address)
	done := make(chan bool, 1)
	j.Client, j.Done = c.client, done
	b.add(c, j)
	b.then(h.part, func(uint64) {
		if in := <-done; !in {
			b.refused(h.key)
		}
	})
}

func (b *batch) resume(r *reader, h commandHead, o frame.Origin) {
	conn, address := r.number(), r.text()
	resume := &actor.Resume{
		Session: r.text(), Received: r.number(), MessageBytes: int(min(r.number(), math.MaxInt32)), Refused: r.refused(o),
		Forget: func() { b.refused(h.key) },
	}
	if resume.Asked = (actor.Asked{At: time.Now(), After: r.after()}); r.bad {
		return
	}
	c := b.client(h, conn, address)
	resume.Client = c.client
	b.add(c, resume)
}

// attach takes a membership over.
func (b *batch) attach(r *reader, h commandHead) {
	part := &b.o.parts[h.part]
	conn, address := r.number(), r.text()
	m := r.membership()
	m.Turn, m.Asked, m.Lost = r.turn(), r.ago(), r.flag()
	before, had, frames, seen := r.number(), r.number(), r.frames(), r.seen()
	r.room(m.Room, h.part)
	if r.bad {
		releaseAll(frames)
		return
	}
	c := b.newClient(h, conn, address)
	c.attached, c.again, c.before = true, h.seq, before
	m.Client, m.Had = c.client, had+uint64(len(frames))
	c.out.restore(had, frames, seen, m.Session != "")
	if part.state == partRecovering {
		part.attached = append(part.attached, m)
		return
	}
	b.commands = append(b.commands, &actor.Restore{Members: []actor.Membership{m}})
}

// attached says that an edge has attached all its memberships.
func (b *batch) attached(p int, epoch uint64) {
	part := &b.o.parts[p]
	b.pe.attached[p] = epoch
	if part.state == partReady {
		b.after = append(b.after, func(batch uint64) { b.o.tellReady([]*link{b.pe.link}, p, epoch, batch) })
		return
	}
	// The clients of attached memberships must be known to the hub first.
	b.o.do(b.commands, nil)
	b.commands = nil
	delete(part.waiting, b.pe.link)
	b.o.checkReady(p)
}
