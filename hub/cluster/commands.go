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

// command handles what a connection wants.
func (e *edge) command(c any) {
	switch c := c.(type) {
	case actor.Register:
		e.register(c.Client)
		return
	case actor.Unregister:
		e.unregister(c)
		return
	case *actor.Disconnect:
		e.disconnect(c)
		return
	case *actor.GoAway:
		e.goAway(c)
		return
	}
	client := clientOf(c)
	t := e.ties[client]
	if t == nil || t.closed || t.gone {
		drop(c)
		return
	}
	if t.state == tieLeaving {
		t.deferred = append(t.deferred, c.(actor.Command))
		return
	}
	e.act(t, c)
}

// act handles a command of a connection that lives.
func (e *edge) act(t *tie, c any) {
	switch c := c.(type) {
	case *actor.Join:
		e.join(t, c)
	case *actor.Resume:
		e.resume(t, c)
	case actor.Leave:
		if t.state == tieIn {
			t.state = tieLeaving
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
	case *actor.Reply:
		if t.state != tieIn {
			e.deliver(t, c.Frame)
			return
		}
		e.submit(t, recReply, func(w *writer) { w.bytes(c.Frame.Payload()) })
		c.Frame.Release()
	case *actor.Refuse:
		if t.state != tieIn {
			e.deliver(t, frame.Error(c.Refusal, c.Refused))
			return
		}
		e.submit(t, recRefuse, func(w *writer) { w.refusal(c.Refusal); w.refused(c.Refused) })
	case *actor.Kick:
		if e.admits(t, c.Refused) {
			e.submit(t, recKick, func(w *writer) { w.refused(c.Refused); w.text(c.To) })
		}
	case *actor.Lock:
		if e.admits(t, c.Refused) {
			e.submit(t, recLock, func(w *writer) { w.refused(c.Refused); w.flag(c.Locked) })
		}
	case acknowledged:
		if t.state == tieIn && t.member.Session != "" && e.parts[t.part].ready {
			e.parts[t.part].owner.write(func(w *writer) {
				w.head(recAcked, commandHead{t.part, t.key, 0})
				w.number(t.out.Had())
			})
		}
	}
}

// clientOf returns whose command it is.
func clientOf(c any) *actor.Client {
	switch c := c.(type) {
	case *actor.Join:
		return c.Client
	case *actor.Resume:
		return c.Client
	case actor.Leave:
		return c.Client
	case *actor.Forward:
		return c.Parts().Client
	case *actor.Rename:
		return c.Client
	case *actor.Update:
		return c.Client
	case *actor.Renew:
		return c.Client
	case *actor.Reply:
		return c.Client
	case *actor.Refuse:
		return c.Client
	case *actor.Kick:
		return c.Client
	case *actor.Lock:
		return c.Client
	case acknowledged:
		return c.client
	}
	return nil
}

// drop gives back what a command holds that comes too late.
func drop(c any) {
	switch c := c.(type) {
	case *actor.Join:
		c.Welcome.Release()
		c.Done <- false
	case *actor.Resume:
		c.Done <- actor.Resumed{}
	case *actor.Forward:
		c.Recycle()
	case *actor.Reply:
		c.Frame.Release()
	case *actor.Renew:
		c.Frame.Release()
	}
}

const drainReason = "the server is going away"

func (e *edge) register(c *actor.Client) {
	t := &tie{client: c, out: c.Receiver().(*actor.Outbox), opened: time.Now()}
	e.ties[c] = t
	e.n.connections.Add(1)
	if e.drain {
		e.close(t, wire.CloseGoingAway, drainReason)
	}
}

func (e *edge) unregister(u actor.Unregister) {
	t := e.ties[u.Client]
	if t == nil || t.gone {
		return
	}
	t.gone = true
	switch {
	case t.state == tieOut:
		e.forget(t)
	case t.state == tieIn && t.member.Session != "":
		t.out.Suspend()
		t.closed = true
		e.end(t, u.Reason, true)
	default:
		t.closed = true
		e.end(t, u.Reason, false)
	}
}

func (e *edge) disconnect(d *actor.Disconnect) {
	t := e.ties[d.Client]
	if t == nil || t.closed {
		return
	}
	switch d.Only {
	case actor.IfOutside:
		if t.state != tieOut {
			return
		}
	case actor.IfExpired:
		if t.member.Grant == nil || !t.member.Grant.Expired(time.Now()) {
			return
		}
	}
	was := t.state
	e.close(t, d.Code, d.Text)
	if was == tieIn {
		e.end(t, d.Reason, false)
	}
}

// goAway ends a connection whose client goes away; a resumable membership stays.
func (e *edge) goAway(g *actor.GoAway) {
	t := e.ties[g.Client]
	switch {
	case t == nil || t.closed:
		g.Done <- false
	case t.state == tieIn && t.member.Session != "":
		g.Done <- true
	default:
		e.disconnect(&actor.Disconnect{Client: g.Client, Code: wire.CloseGoingAway, Reason: event.ReasonClosed})
		g.Done <- false
	}
}

// refuse answers a command at once, without its owner. A membership that is to be
// resumed can't be after that: its owner does not know of the answer.
func (e *edge) refuse(t *tie, r *wire.Refusal, m frame.Refused) {
	if t.state == tieIn {
		t.member.Session = ""
	}
	e.deliver(t, frame.Error(r, m))
}

// admits reports whether a command of a member can be taken, or refuses it.
func (e *edge) admits(t *tie, m frame.Refused) bool {
	switch {
	case t.state != tieIn:
		e.deliver(t, frame.Error(actor.ErrNotJoined, m))
	case !e.n.available() || t.bytes > e.n.options.QueueBytes:
		e.refuse(t, errUnavailable, m)
	default:
		return true
	}
	return false
}

func (e *edge) join(t *tie, j *actor.Join) {
	refusal := (*wire.Refusal)(nil)
	switch {
	case t.state != tieOut:
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
	e.enter(t, PartitionOf(j.Room), j.Room)
	t.state, t.joined = tieJoining, j.Done
	t.member = actor.Membership{Room: j.Room, ID: j.ID, Name: j.Name, Meta: j.Meta, Grant: j.Grant, Session: j.Session, Joined: time.Now()}
	e.submit(t, recJoin, func(w *writer) {
		w.connection(t.client)
		w.membership(&t.member)
		w.number(uint64(j.Capacity))
		w.flag(j.Takeover)
		w.refused(j.Refused)
		w.bytes(j.Welcome.Payload())
	})
	j.Welcome.Release()
}

func (e *edge) resume(t *tie, r *actor.Resume) {
	p, ok := actor.SessionPartition(r.Session)
	refusal := (*wire.Refusal)(nil)
	switch {
	case t.state != tieOut:
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
	e.enter(t, int(p), "")
	t.state, t.resumed = tieJoining, r.Done
	t.member = actor.Membership{Session: r.Session}
	e.submit(t, recResume, func(w *writer) {
		w.connection(t.client)
		w.text(r.Session)
		w.number(r.Received)
		w.number(uint64(r.MessageBytes))
		w.refused(r.Refused)
	})
}

func (e *edge) forward(t *tie, f *actor.Forward) {
	p := f.Parts()
	m := frame.Refused{Re: p.Type.String(), To: string(p.To), Ref: string(p.Ref)}
	if e.admits(t, m) {
		e.submitSized(t, recForward, len(p.Frame.Payload())+len(p.To)+len(p.Ref), func(w *writer) {
			w.number(uint64(p.Type))
			w.flag(p.All)
			w.bytes(p.To)
			w.bytes(p.Ref)
			w.bytes(p.Frame.Payload())
		})
	}
	f.Recycle()
}

func (e *edge) renew(t *tie, r *actor.Renew) {
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
