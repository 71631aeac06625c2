package cluster

import (
	"sync"
	"sync/atomic"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file makes connections local: those whose rooms this node owns. Their commands go
// straight to the hub, and what they get comes straight from it, until the room moves. See
// actor/local.go.

// mail is what the hub of this node has for the edge. The hub does not wait for it.
type mail struct {
	wake  chan struct{}
	some  atomic.Bool // there are items; set with mu held
	mu    sync.Mutex
	items []any // moved or actor.Command; guarded by mu
}

// moved is a membership of a local connection whose room has moved to another owner.
type moved struct {
	membership actor.Membership
	room       actor.RoomMeta
}

func (m *mail) put(item any) {
	m.mu.Lock()
	m.items = append(m.items, item)
	m.some.Store(true)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *mail) take() []any {
	if !m.some.Load() {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	m.some.Store(false)
	return items
}

// left says that a client has left the room of the hub that its commands go to.
type left struct{ client *actor.Client }

// mail handles what the hub has given back. It comes before all else: what the hub has let
// go of is known before others are told that they may have it.
func (e *edge) takeMail() {
	for _, item := range e.mail.take() {
		switch item := item.(type) {
		case moved:
			e.moved(item)
		case actor.Command:
			e.returned(item)
		}
	}
}

// hubOf returns the hub of this node if it owns a partition and takes commands for it.
func (e *edge) hubOf(p int) *actor.Hub {
	if part := &e.parts[p]; !part.ready || part.owner.own != part.owner.peer || !e.n.availableAs(part.owner.own) {
		return nil
	}
	return e.n.present()
}

// goLocal has a connection that is in no room join or resume at the hub of this node. It
// reports false if it can't.
func (e *edge) goLocal(t *edgeClient, p int, m actor.Membership, c actor.Command) bool {
	h := e.hubOf(p)
	if h == nil || h.Do(actor.Register{Client: t.client}) != nil {
		return false
	}
	incarnation := e.parts[p].owner.own
	t.out.SetGate(func() bool { return e.mayWrite(incarnation) }, e.n.resumeWindow())
	t.state, t.hub, t.member, t.leaves = clientLocal, h, m, false
	if h.Do(c) != nil {
		e.comeOut(t)
		return false
	}
	return true
}

// mayWrite is the gate of local connections: what the hub does after the lease has run out
// must not be seen, nor what was done under a lease before. Any goroutine calls it.
func (e *edge) mayWrite(incarnation uint64) bool {
	if e.n.availableAs(incarnation) {
		return true
	}
	e.gated.Store(true)
	return false
}

// comeOut makes a local connection one that is in no room.
func (e *edge) comeOut(t *edgeClient) {
	_ = t.hub.Do(actor.Deregister{Client: t.client})
	t.out.SetGate(nil, 0)
	e.touch(t) // what the gate has held may go
	t.state, t.hub, t.member, t.joined, t.resumed = clientOut, nil, actor.Membership{}, nil, nil
}

// localCommand takes a command of a local connection that did not go straight to the hub.
// It reports false if the connection is in no room: then it is not local any more.
func (e *edge) localCommand(t *edgeClient, c any) bool {
	switch c := c.(type) {
	case acknowledged:
		return true
	case left:
		t.leaves = true
		e.fence(t)
		return true
	case actor.Unregister:
		t.gone = true
		t.client.Detour()
		if t.hub != nil {
			_ = t.hub.Do(c)
		}
		e.fence(t)
		return true
	case actor.CaughtUp, *actor.Disconnect, *actor.GoAway:
		e.pass(t, c.(actor.Command))
		return true
	}
	// It comes from the connection itself, which has had the answer to its join or resume: it
	// is not in.
	if t.hub == nil || t.closed {
		if command, ok := c.(actor.Command); ok {
			actor.Drop(command)
		}
		return true
	}
	e.comeOut(t)
	return false
}

// pass passes a command on to the hub of a local connection.
func (e *edge) pass(t *edgeClient, c actor.Command) {
	if t.hub == nil || t.hub.Do(c) != nil {
		actor.Drop(c)
	}
}

// fence has the hub give back all that is on its way to it for a connection. Until then what
// else comes waits.
func (e *edge) fence(t *edgeClient) {
	if t.hub != nil && t.hub.Do(actor.Fence{Client: t.client}) == nil {
		t.fences++
	} else if t.fences == 0 {
		e.unfenced(t)
	}
}

// waitBehind keeps what comes until all that is on its way to the hub is back. Of a client
// that sends more than may wait meanwhile the connection is closed.
func (e *edge) waitBehind(t *edgeClient, c any) {
	command, _ := c.(actor.Command)
	switch c.(type) {
	case actor.Unregister, *actor.Disconnect, *actor.GoAway, actor.Leave, acknowledged, left:
		// These are few, and end what there is.
	default:
		if t.behindBytes > e.n.options.QueueBytes {
			actor.Drop(command)
			return
		}
		if t.behindBytes += actor.SizeOf(command); t.behindBytes > e.n.options.QueueBytes {
			e.overflow(t)
		}
	}
	t.behind = append(t.behind, c)
}

// overflow closes a connection behind whose commands too much waits, and ends its membership.
func (e *edge) overflow(t *edgeClient) {
	if t.state != clientLocal {
		e.close(t, wire.CloseSlowConsumer, actor.SlowConsumer, event.ReasonSlow)
		return
	}
	t.closed = true
	e.touch(t)
	t.out.Close(wire.CloseSlowConsumer, actor.SlowConsumer)
}

// unfenced goes on once nothing of a connection is on its way to the hub any more.
func (e *edge) unfenced(t *edgeClient) {
	if t.state == clientLocal {
		switch {
		case t.gone && !(t.leaves && t.detached != ""):
			delete(e.clients, t.client) // its queue is the hub's, or given back
			e.n.connections.Add(-1)
			return
		case t.gone || t.leaves:
			if t.hub != nil {
				e.comeOut(t)
			}
			t.state = clientOut
			if t.detached != "" {
				e.depart(t)
			}
		}
	}
	behind := t.behind
	t.behind, t.behindBytes = nil, 0
	for _, c := range behind {
		e.command(c)
	}
}

// moved takes a membership over from the hub of this node: its room is to be another's.
func (e *edge) moved(m moved) {
	k := m.membership
	t := e.clients[k.Client]
	if t == nil || t.state != clientLocal || t.hub == nil {
		return
	}
	p := PartitionOf(k.Room)
	part := &e.parts[p]
	if part.owner == nil || part.owner.own != part.owner.peer {
		e.sever(t)
		return
	}
	k.Client, k.Out = nil, nil
	t.client.Detour()
	t.out.SetGate(nil, 0)
	e.touch(t)
	e.enter(t, p, k.Room)
	t.state, t.member, t.before, t.closed = clientIn, k, k.Handled, false
	t.joined, t.resumed, t.leaves = nil, nil, false
	if k.Session != "" {
		t.had = t.out.Sent()
	}
	t.seen.Begin(k.Seen)
	t.member.Seen = nil
	e.rooms[k.Room].meta = m.room
	e.fence(t)
	t.hub = nil
}

// returned takes a command back that the hub of this node has not carried out.
func (e *edge) returned(c actor.Command) {
	t := e.clients[actor.ClientOf(c)]
	if t == nil {
		actor.Drop(c)
		return
	}
	switch c := c.(type) {
	case actor.Fence:
		if t.fences > 0 {
			if t.fences--; t.fences == 0 {
				e.unfenced(t)
			}
		}
	case *actor.Join:
		if t.hub != nil {
			e.comeOut(t)
			e.joinAtOwner(t, c)
		}
	case *actor.Resume:
		if t.hub != nil {
			e.comeOut(t)
			e.resumeAtOwner(t, c)
		}
	case actor.Unregister:
		t.gone = false
		e.perform(t, c)
	case *actor.Detach:
		if t.state != clientLocal {
			e.closeGoingAway(t, c.Code, c.Text, c.Reason)
		}
	default:
		e.perform(t, c)
	}
}

// closeLocal ends a local connection; its membership goes on where it can.
func (e *edge) closeLocal(t *edgeClient, d actor.Detach) {
	if t.closed {
		return
	}
	t.closed, t.detached = true, t.member.Session
	d.Client = t.client
	e.pass(t, &d)
}

// sever ends a local connection whose hub is no owner any more.
func (e *edge) sever(t *edgeClient) {
	t.client.Detour()
	t.out.Abandon(wire.CloseGoingAway, "the server was cut off: come again")
	t.out.SetGate(nil, 0) // the close frame alone is left, and goes whatever the lease is
	e.touch(t)
	t.closed, t.hub, t.detached = true, nil, ""
	actor.Give(t.joined, false)
	actor.Give(t.resumed, actor.Resumed{})
	t.fences = 0
	e.unfenced(t)
}

// severAll ends what goes straight to the hub: others have taken this node for lost.
func (e *edge) severAll() {
	for _, t := range e.clients {
		switch {
		case t.state == clientLocal:
			e.sever(t)
		case t.fences > 0:
			// Commands on their way to the hub are lost, and not counted as handled. Commands
			// behind them find the connection closed, and the end of that is not to be missed.
			t.fences = 0
			e.closeGoingAway(t, wire.CloseGoingAway, cutOffReason, event.ReasonLost)
			e.unfenced(t)
		}
	}
}

// cutOff closes local connections that can go on at another node: this one has been cut off
// for some time.
func (e *edge) cutOff() {
	for _, t := range e.clients {
		if t.state == clientLocal && t.member.Session != "" {
			e.closeLocal(t, actor.Detach{Code: wire.CloseGoingAway, Text: cutOffReason, Reason: event.ReasonLost, Unsent: true})
		}
	}
}

// flushGated lets go what the gate has held.
func (e *edge) flushGated() {
	if !e.gated.Swap(false) {
		return
	}
	for _, t := range e.clients {
		if t.state == clientLocal {
			t.out.Flush()
		}
	}
}
