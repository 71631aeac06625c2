package actor

import (
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

const drainReason = "the server is going away"

// Register makes a client known. It is a client's first command.
type Register struct{ Client *Client }

func (r Register) apply(l *loop) {
	r.Client.opened, r.Client.index, r.Client.moved = l.now, len(l.clients), false
	l.clients = append(l.clients, r.Client)
	l.hub.Stats.Clients.Add(1)
	if l.draining {
		l.close(r.Client, wire.CloseGoingAway, drainReason)
	}
}

// Unregister is a client's last command: its connection has ended. Reason is why.
// Its membership, if it still has one, ends with it, or stays for
// [Options.ResumeWindow] if it is resumable.
type Unregister struct {
	Client *Client
	Reason string
}

func (u Unregister) apply(l *loop) {
	c := u.Client
	if c.index < 0 {
		return
	}
	c.closed = true
	switch m := c.member; {
	case c.suspended: // its queue is the membership's
	case m != nil && m.session != nil && !l.draining:
		l.suspend(c, u.Reason)
	default:
		l.leaveRoom(m, u.Reason)
		c.out.Discard()
	}
	l.unregister(c)
	l.checkDrained()
}

// unregister forgets a client.
func (l *loop) unregister(c *Client) {
	last := len(l.clients) - 1
	l.clients[c.index] = l.clients[last]
	l.clients[c.index].index = c.index
	l.clients[last] = nil
	l.clients = l.clients[:last]
	c.index = -1
	l.leaveTally(c)
	l.hub.Stats.Clients.Add(-1)
}

// drain closes all clients, now and from now on.
type drain struct{}

func (drain) apply(l *loop) {
	if l.draining {
		return
	}
	l.draining = true
	for _, c := range l.clients {
		if !c.closed {
			l.close(c, wire.CloseGoingAway, drainReason)
		}
	}
	for len(l.roomList) > 0 {
		l.emptyRoom(l.roomList[len(l.roomList)-1], event.ReasonDrain)
	}
	l.checkDrained()
}

// emptyRoom ends all memberships of a room, and with the last the room. The
// clients stay.
func (l *loop) emptyRoom(r *room, reason string) {
	for len(r.members) > 0 {
		l.leaveRoom(r.members[len(r.members)-1], reason)
	}
}

func (l *loop) checkDrained() {
	if !l.draining || len(l.clients) > 0 {
		return
	}
	select {
	case <-l.hub.drained:
	default:
		close(l.hub.drained)
	}
}
