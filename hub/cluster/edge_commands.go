package cluster

import (
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file takes the commands of connections.

var errUnavailable = &wire.Refusal{Code: wire.CodeUnavailable, Text: "this server is cut off from the others at the moment: try again"}

func (w *writer) connection(c *actor.Client) {
	w.number(c.Conn())
	w.text(c.Remote().String())
}

// acknowledged says that a client has answered a ping.
type acknowledged struct{ client *actor.Client }

// command handles what a connection wants, or has it wait for what came before it.
func (e *edge) command(c any) {
	if r, ok := c.(actor.Register); ok {
		e.register(r.Client)
		return
	}
	t := e.clients[clientOf(c)]
	switch {
	case t == nil:
		if command, ok := c.(actor.Command); ok {
			actor.Drop(command)
		}
	case t.fences > 0:
		e.waitBehind(t, c)
	default:
		e.perform(t, c)
	}
}

// perform does what a connection wants.
func (e *edge) perform(t *edgeClient, c any) {
	if t.state == clientLocal && e.localCommand(t, c) {
		return
	}
	switch c := c.(type) {
	case actor.Unregister:
		e.unregister(t, c)
		return
	case *actor.Disconnect:
		e.disconnect(t, c)
		return
	case *actor.GoAway:
		e.goAway(t, c)
		return
	}
	command, _ := c.(actor.Command)
	switch {
	case t.closed || t.gone:
		if _, leaves := c.(actor.Leave); leaves {
			e.depart(t)
		}
		actor.Drop(command)
	case t.state == clientLeaving && command != nil:
		e.wait(t, command)
	default:
		e.act(t, c)
	}
}

// wait keeps a command until the membership before is over. Of a client that sends more than
// may wait meanwhile the connection is closed.
func (e *edge) wait(t *edgeClient, c actor.Command) {
	t.deferred = append(t.deferred, c)
	t.deferredBytes += actor.SizeOf(c)
	if t.deferredBytes > e.n.options.QueueBytes {
		e.close(t, wire.CloseSlowConsumer, actor.SlowConsumer, event.ReasonSlow)
	}
}

// act handles a command of a connection that lives.
func (e *edge) act(t *edgeClient, c any) {
	switch c := c.(type) {
	case *actor.Join:
		e.join(t, c)
	case *actor.Resume:
		e.resume(t, c)
	case actor.Leave:
		if t.state == clientIn {
			t.state = clientLeaving
			e.submit(t, recLeave, func(*writer) {})
		}
	case *actor.Forward:
		e.forward(t, c)
	case *actor.Rename:
		if e.admits(t, c.Refused) {
			if t.member.Grant == nil || !t.member.Grant.Named {
				t.member.Name = c.Name
			}
			e.submit(t, recRename, func(w *writer) { w.text(c.Name); w.refused(c.Refused) })
		}
	case *actor.Update:
		if e.admits(t, c.Refused) {
			if t.member.Grant == nil || !t.member.Grant.Profiled {
				t.member.Meta = c.Meta
			}
			e.submit(t, recUpdate, func(w *writer) { w.bytes(c.Meta); w.refused(c.Refused) })
		}
	case *actor.Renew:
		e.renew(t, c)
	case *actor.Report:
		if e.admits(t, c.Refused) {
			e.submit(t, recReport, func(w *writer) { w.text(c.To); w.refused(c.Refused); w.json(c.Report) })
		}
	case *actor.Reply:
		switch {
		case t.state != clientIn:
			e.deliver(t, c.Frame)
			return
		case e.holds(t):
			e.submit(t, recReply, func(w *writer) { w.bytes(c.Frame.Payload()) })
		}
		c.Frame.Release()
	case *actor.Count:
		if e.admits(t, c.Refused) {
			e.submit(t, recCount, func(w *writer) { w.bytes(c.Meta); w.refused(c.Refused); w.bytes(c.Frame.Payload()) })
		}
		c.Frame.Release()
	case *actor.Refuse:
		if t.state != clientIn {
			e.deliver(t, frame.Error(c.Refusal, c.Refused))
		} else if e.holds(t) {
			e.submitRefusal(t, c.Refusal, c.Refused)
		}
	case *actor.Kick:
		if e.admits(t, c.Refused) {
			e.submit(t, recKick, func(w *writer) { w.refused(c.Refused); w.text(c.To) })
		}
	case *actor.Lock:
		if e.admits(t, c.Refused) {
			e.submit(t, recLock, func(w *writer) { w.refused(c.Refused); w.flag(c.Locked) })
		}
	case acknowledged:
		if t.state == clientIn && t.member.Session != "" && e.parts[t.part].ready {
			e.parts[t.part].owner.write(func(w *writer) {
				w.head(recAcked, commandHead{t.part, t.key, 0})
				w.number(t.out.Acked())
			})
		}
	}
}

// submit makes a command of the client pending, and sends it if it can be.
func (e *edge) submit(t *edgeClient, kind byte, f func(w *writer)) { e.submitSized(t, kind, 0, f) }

// headBytes is room for a record's head and small fields.
const headBytes = 64

// submitLast is submit for a command that may be the last of the connection.
func (e *edge) submitLast(t *edgeClient, kind byte, f func(w *writer)) {
	e.submit(t, kind, f)
	all := t.pending.all()
	all[len(all)-1].end = true
}

// submitSized is submit for a record of about size bytes.
func (e *edge) submitSized(t *edgeClient, kind byte, size int, f func(w *writer)) {
	t.seq++
	w := &e.writer
	w.b = e.spare.take(headBytes + size)
	w.head(kind, commandHead{t.part, t.key, t.seq})
	f(w)
	c := pending{seq: t.seq, record: w.b}
	t.pending.push(c)
	t.bytes += cap(c.record)
	if e.parts[t.part].ready {
		e.transmit(t, c)
	}
}

func (e *edge) submitRefusal(t *edgeClient, r *wire.Refusal, m frame.Refused) {
	e.submit(t, recRefuse, func(w *writer) { w.refusal(r); w.refused(m) })
}

// clientOf returns whose command it is.
func clientOf(c any) *actor.Client {
	switch c := c.(type) {
	case acknowledged:
		return c.client
	case left:
		return c.client
	case actor.Command:
		return actor.ClientOf(c)
	}
	return nil
}

const drainReason = "the server is going away"

func (e *edge) register(c *actor.Client) {
	c.SetOwn(e.n.options.Name)
	t := &edgeClient{client: c, out: c.Receiver().(*actor.Outbox), opened: time.Now()}
	e.clients[c] = t
	e.n.connections.Add(1)
	if e.drain {
		e.close(t, wire.CloseGoingAway, drainReason, event.ReasonDrain)
	}
}

const cutOffReason = "this server is cut off from the others: go on with another"

// admits reports whether a command of a member can be taken, or refuses it.
func (e *edge) admits(t *edgeClient, m frame.Refused) bool {
	switch {
	case t.state != clientIn:
		e.deliver(t, frame.Error(actor.ErrNotJoined, m))
	case t.member.Session == "" && !e.n.available():
		e.deliver(t, frame.Error(errUnavailable, m))
	case e.n.cutOff():
		// An answer of ours would have no number in the membership (invariant 3). It goes
		// on at a node that is not cut off.
		e.detach(t, wire.CloseGoingAway, cutOffReason, event.ReasonLost)
	case t.bytes > e.n.options.QueueBytes:
		if e.holds(t) {
			e.submitRefusal(t, errUnavailable, m)
		}
	default:
		return true
	}
	return false
}

// holds reports whether a small command of a member can be taken. If not, more than that
// waits for the owner already, and the connection is closed.
func (e *edge) holds(t *edgeClient) bool {
	switch {
	case t.bytes <= 2*e.n.options.QueueBytes:
		return true
	case t.member.Session != "":
		e.detach(t, wire.CloseGoingAway, cutOffReason, event.ReasonSlow)
	default:
		e.close(t, wire.CloseGoingAway, cutOffReason, event.ReasonSlow)
	}
	return false
}

func (e *edge) join(t *edgeClient, j *actor.Join) {
	if t.client.Ended() {
		actor.Drop(j) // its client has come by another node perhaps
		return
	}
	refusal := (*wire.Refusal)(nil)
	switch {
	case t.state != clientOut:
		refusal = actor.ErrAlreadyJoined
	case !e.n.available():
		refusal = errUnavailable
	}
	if refusal != nil {
		j.Welcome.Release()
		e.deliver(t, frame.Error(refusal, j.Refused))
		j.Done <- false
		return
	}
	m := actor.Membership{Room: j.Room, ID: j.ID, Session: j.Session, Quiet: j.Quiet}
	t.joined = j.Done
	if !e.goLocal(t, PartitionOf(j.Room), m, j) {
		e.joinAtOwner(t, j)
	}
}

// joinAtOwner has a connection join a room that may be another node's.
func (e *edge) joinAtOwner(t *edgeClient, j *actor.Join) {
	e.enter(t, PartitionOf(j.Room), j.Room)
	t.state, t.joined = clientJoining, j.Done
	t.member = actor.Membership{
		Room: j.Room, ID: j.ID, Name: j.Name, Meta: j.Meta, Grant: j.Grant, Session: j.Session, Joined: time.Now(), Changes: j.Changes,
		Quiet: j.Quiet, Key: j.Key, Asked: j.Asked.At,
	}
	t.join = j
	e.submit(t, recJoin, func(w *writer) {
		w.connection(t.client)
		w.membership(&t.member)
		w.number(uint64(j.Capacity))
		w.flag(j.Takeover)
		w.refused(j.Refused)
		w.bytes(j.Welcome.Payload())
		w.after(j.Asked.After)
	})
}

func (e *edge) resume(t *edgeClient, r *actor.Resume) {
	if t.client.Ended() {
		actor.Drop(r)
		return
	}
	p, ok := actor.SessionPartition(r.Session)
	refusal := (*wire.Refusal)(nil)
	switch {
	case t.state != clientOut:
		refusal = actor.ErrAlreadyJoined
	case !ok || int(p) >= Partitions:
		refusal = actor.ErrSessionExpired
	case !e.n.available():
		refusal = errUnavailable
	}
	if refusal != nil {
		e.deliver(t, frame.Error(refusal, r.Refused))
		r.Done <- actor.Resumed{}
		return
	}
	t.resumed = r.Done
	if !e.goLocal(t, int(p), actor.Membership{Session: r.Session}, r) {
		e.resumeAtOwner(t, r)
	}
}

// resumeAtOwner has a connection resume a membership at a room that may be another node's.
func (e *edge) resumeAtOwner(t *edgeClient, r *actor.Resume) {
	p, _ := actor.SessionPartition(r.Session)
	e.enter(t, int(p), "")
	t.state, t.resumed = clientJoining, r.Done
	t.member, t.resume = actor.Membership{Session: r.Session}, r
	e.submit(t, recResume, func(w *writer) {
		w.connection(t.client)
		w.text(r.Session)
		w.number(r.Received)
		w.number(uint64(r.MessageBytes))
		w.refused(r.Refused)
		w.after(r.Asked.After)
	})
}

func (e *edge) forward(t *edgeClient, f *actor.Forward) {
	p := f.Parts()
	m := frame.Refused{Re: p.Type.String(), To: string(p.To), Ref: string(p.Ref)}
	if e.admits(t, m) {
		e.submitSized(t, recForward, len(p.Frame.Payload())+len(p.To)+len(p.Ref), func(w *writer) {
			w.number(uint64(p.Type))
			w.number(uint64(p.Audience))
			if p.Audience == actor.ToAny {
				w.fixed(p.Seed)
				w.number(p.Nth)
			}
			w.bytes(p.To)
			w.bytes(p.Ref)
			w.bytes(p.Frame.Payload())
		})
	}
	f.Recycle()
}

func (e *edge) renew(t *edgeClient, r *actor.Renew) {
	defer r.Frame.Release()
	if !e.admits(t, r.Refused) {
		return
	}
	t.member.Grant = r.Grant
	if r.Name != "" {
		t.member.Name = r.Name
	}
	switch {
	case string(r.Meta) == "null":
		t.member.Meta = nil
	case len(r.Meta) > 0:
		t.member.Meta = r.Meta
	}
	e.submit(t, recRenew, func(w *writer) {
		w.grant(r.Grant)
		w.text(r.Name)
		w.bytes(r.Meta)
		w.bytes(r.Frame.Payload())
		w.refused(r.Refused)
	})
}
