package hub

import "github.com/parley-rtc/parley/hub/wire"

const drainReason = "the server is going away"

// Register makes a client known. It is a client's first command.
type Register struct{ Client *Client }

func (r Register) apply(l *loop) {
	l.clients[r.Client] = struct{}{}
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
	c.closed = true
	if m := c.member; m != nil && m.session != nil && !l.draining {
		l.suspend(c, u.Reason)
	} else {
		l.leaveRoom(m, u.Reason)
		c.out.Discard()
	}
	delete(l.clients, c)
	l.hub.Stats.Clients.Add(-1)
	l.checkDrained()
}

// drain closes all clients, now and from now on.
type drain struct{}

func (drain) apply(l *loop) {
	if l.draining {
		return
	}
	l.draining = true
	for c := range l.clients {
		if !c.closed {
			l.close(c, wire.CloseGoingAway, drainReason)
		}
	}
	for _, r := range l.rooms {
		for len(r.members) > 0 { // also those without a connection
			l.leaveRoom(r.members[len(r.members)-1], ReasonDrain)
		}
	}
	l.checkDrained()
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
