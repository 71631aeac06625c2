package cluster

import (
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file takes the commands of connections.

var errUnavailable = &wire.Refusal{Code: wire.CodeUnavailable, Text: "this server is cut off from the others at the moment: try again"}

func (w *writer) connection(c *hub.Client) {
	w.number(c.Conn())
	w.text(c.Remote().String())
}

// acknowledged says that a client has answered a ping.
type acknowledged struct{ client *hub.Client }

// command handles what a connection wants.
func (e *edge) command(c any) {
	switch c := c.(type) {
	case hub.Register:
		e.register(c.Client)
		return
	case hub.Unregister:
		e.unregister(c)
		return
	case *hub.Disconnect:
		e.disconnect(c)
		return
	}
	client := clientOf(c)
	t := e.ties[client]
	if t == nil || t.closed || t.gone {
		drop(c)
		return
	}
	if t.state == tieLeaving {
		t.deferred = append(t.deferred, c.(hub.Command))
		return
	}
	e.act(t, c)
}

// act handles a command of a connection that lives.
func (e *edge) act(t *tie, c any) {
	switch c := c.(type) {
	case *hub.Join:
		e.join(t, c)
	case *hub.Resume:
		e.resume(t, c)
	case hub.Leave:
		if t.state == tieIn {
			t.state = tieLeaving
			e.submit(t, recLeave, func(*writer) {})
		}
	case *hub.Forward:
		e.forward(t, c)
	case *hub.Rename:
		if e.admits(t, c.Refused) {
			if t.member.Grant == nil || !t.member.Grant.Named {
				t.member.Name = c.Name
			}
			e.submit(t, recRename, func(w *writer) { w.text(c.Name); w.refused(c.Refused) })
		}
	case *hub.Renew:
		e.renew(t, c)
	case *hub.Reply:
		if t.state != tieIn {
			e.deliver(t, c.Frame)
			return
		}
		e.submit(t, recReply, func(w *writer) { w.bytes(c.Frame.Payload()) })
		c.Frame.Release()
	case *hub.Refuse:
		if t.state != tieIn {
			e.deliver(t, wire.ErrorFrame(c.Refusal, c.Refused))
			return
		}
		e.submit(t, recRefuse, func(w *writer) { w.refusal(c.Refusal); w.refused(c.Refused) })
	case *hub.Kick:
		if e.admits(t, c.Refused) {
			e.submit(t, recKick, func(w *writer) { w.refused(c.Refused); w.text(c.To) })
		}
	case *hub.Lock:
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
func clientOf(c any) *hub.Client {
	switch c := c.(type) {
	case *hub.Join:
		return c.Client
	case *hub.Resume:
		return c.Client
	case hub.Leave:
		return c.Client
	case *hub.Forward:
		return c.Parts().Client
	case *hub.Rename:
		return c.Client
	case *hub.Renew:
		return c.Client
	case *hub.Reply:
		return c.Client
	case *hub.Refuse:
		return c.Client
	case *hub.Kick:
		return c.Client
	case *hub.Lock:
		return c.Client
	case acknowledged:
		return c.client
	}
	return nil
}

// drop gives back what a command holds that comes too late.
func drop(c any) {
	switch c := c.(type) {
	case *hub.Join:
		c.Welcome.Release()
		c.Done <- false
	case *hub.Resume:
		c.Done <- hub.Resumed{}
	case *hub.Forward:
		c.Recycle()
	case *hub.Reply:
		c.Frame.Release()
	case *hub.Renew:
		c.Frame.Release()
	}
}

const drainReason = "the server is going away"

func (e *edge) register(c *hub.Client) {
	t := &tie{client: c, out: c.Receiver().(*hub.Outbox), opened: time.Now()}
	e.ties[c] = t
	e.n.connections.Add(1)
	if e.drain {
		e.close(t, wire.CloseGoingAway, drainReason)
	}
}

func (e *edge) unregister(u hub.Unregister) {
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

func (e *edge) disconnect(d *hub.Disconnect) {
	t := e.ties[d.Client]
	if t == nil || t.closed {
		return
	}
	was := t.state
	e.close(t, d.Code, d.Text)
	if was == tieIn {
		e.end(t, d.Reason, false)
	}
}

// refuse answers a command at once, without its owner. A membership that is to be
// resumed can't be after that: its owner does not know of the answer.
func (e *edge) refuse(t *tie, r *wire.Refusal, m wire.Refused) {
	if t.state == tieIn {
		t.member.Session = ""
	}
	e.deliver(t, wire.ErrorFrame(r, m))
}

// admits reports whether a command of a member can be taken, or refuses it.
func (e *edge) admits(t *tie, m wire.Refused) bool {
	switch {
	case t.state != tieIn:
		e.deliver(t, wire.ErrorFrame(hub.ErrNotJoined, m))
	case !e.n.available() || t.bytes > e.n.options.QueueBytes:
		e.refuse(t, errUnavailable, m)
	default:
		return true
	}
	return false
}

func (e *edge) join(t *tie, j *hub.Join) {
	refusal := (*wire.Refusal)(nil)
	switch {
	case t.state != tieOut:
		refusal = hub.ErrAlreadyJoined
	case !e.n.available():
		refusal = errUnavailable
	}
	if refusal != nil {
		j.Welcome.Release()
		e.deliver(t, wire.ErrorFrame(refusal, j.Refused))
		j.Done <- false
		return
	}
	e.enter(t, PartitionOf(j.Room), j.Room)
	t.state, t.joined = tieJoining, j.Done
	t.member = hub.Membership{Room: j.Room, ID: j.ID, Name: j.Name, Grant: j.Grant, Session: j.Session, Joined: time.Now()}
	e.submit(t, recJoin, func(w *writer) {
		w.connection(t.client)
		w.membership(&t.member)
		w.number(uint64(j.Capacity))
		w.refused(j.Refused)
		w.bytes(j.Welcome.Payload())
	})
	j.Welcome.Release()
}

func (e *edge) resume(t *tie, r *hub.Resume) {
	p, ok := hub.SessionPartition(r.Session)
	refusal := (*wire.Refusal)(nil)
	switch {
	case t.state != tieOut:
		refusal = hub.ErrAlreadyJoined
	case !ok || int(p) >= Partitions:
		refusal = hub.ErrSessionExpired
	case !e.n.available():
		refusal = errUnavailable
	}
	if refusal != nil {
		e.deliver(t, wire.ErrorFrame(refusal, r.Refused))
		r.Done <- hub.Resumed{}
		return
	}
	e.enter(t, int(p), "")
	t.state, t.resumed = tieJoining, r.Done
	t.member = hub.Membership{Session: r.Session}
	e.submit(t, recResume, func(w *writer) {
		w.connection(t.client)
		w.text(r.Session)
		w.number(r.Received)
		w.refused(r.Refused)
	})
}

func (e *edge) forward(t *tie, f *hub.Forward) {
	p := f.Parts()
	m := wire.Refused{Re: p.Type.String(), To: string(p.To), Ref: string(p.Ref)}
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

func (e *edge) renew(t *tie, r *hub.Renew) {
	defer r.Frame.Release()
	if !e.admits(t, r.Refused) {
		return
	}
	t.member.Grant = r.Grant
	if r.Grant.Named {
		t.member.Name = r.Name
	}
	e.submit(t, recRenew, func(w *writer) {
		w.grant(r.Grant)
		w.text(r.Name)
		w.bytes(r.Frame.Payload())
		w.refused(r.Refused)
	})
}
