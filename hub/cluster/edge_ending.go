package cluster

import (
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/wire"
)

func (e *edge) unregister(t *edgeClient, u actor.Unregister) {
	if t.gone {
		return
	}
	t.gone = true
	switch {
	case t.state == clientOut:
		e.forget(t)
	case t.state == clientIn && t.member.Session != "":
		e.detach(t, 0, "", u.Reason)
	case t.state == clientIn || t.state == clientOver:
		t.closed = true
		e.end(t, u.Reason, false)
	default:
		t.closed = true
	}
}

func (e *edge) disconnect(t *edgeClient, d *actor.Disconnect) {
	if t.closed {
		return
	}
	switch d.Only {
	case actor.IfOutside:
		if t.state != clientOut {
			return
		}
	case actor.IfExpired:
		if t.member.Grant == nil || !t.member.Grant.Expired(time.Now()) {
			return
		}
	}
	e.close(t, d.Code, d.Text, d.Reason)
}

// goAway ends a connection whose client goes away; a resumable membership stays.
func (e *edge) goAway(t *edgeClient, g *actor.GoAway) {
	switch {
	case t.closed:
		g.Done <- false
	case t.state == clientIn && t.member.Session != "":
		g.Done <- true
	default:
		e.disconnect(t, &actor.Disconnect{Client: g.Client, Code: wire.CloseGoingAway, Reason: event.ReasonClosed})
		g.Done <- false
	}
}

// depart ends the membership that a connection had when the server closed it: its client
// has left before it knew.
func (e *edge) depart(t *edgeClient) {
	session := t.detached
	t.detached = ""
	switch {
	case t.state == clientJoining:
		t.leaves = true
		return
	case session == "":
		return
	}
	if t.state == clientOut {
		p, _ := actor.SessionPartition(session)
		e.enter(t, int(p), "")
		t.state = clientOver
	}
	e.submitLast(t, recDepart, func(w *writer) { w.text(session) })
}

// closeSome closes that many connections, or a few more, of those that there are when it is
// called first: the members of a room together, so that they meet again, but for quiet ones.
func (e *edge) closeSome(n int) {
	if e.leaving == nil {
		e.leaving = e.byRoom()
	}
	for n > 0 && len(e.leaving) > 0 {
		for _, t := range e.leaving[0] {
			if !t.closed && e.clients[t.client] == t {
				e.drainOne(t)
				n--
			}
		}
		e.leaving = e.leaving[1:]
	}
}

// byRoom returns all connections, those together that are to be closed together.
func (e *edge) byRoom() (groups [][]*edgeClient) {
	groups = [][]*edgeClient{}
	rooms := map[string]int{}
	for _, t := range e.clients {
		at, known := rooms[t.member.Room]
		if t.member.Room == "" || t.member.Quiet || !known {
			at = len(groups)
			groups = append(groups, nil)
		}
		if !t.member.Quiet {
			rooms[t.member.Room] = at
		}
		groups[at] = append(groups[at], t)
	}
	return groups
}

// closeAll closes all connections, also those that come later. Memberships that can
// be resumed go on elsewhere.
func (e *edge) closeAll() {
	e.drain, e.leaving = true, nil
	for _, t := range e.clients {
		e.drainOne(t)
	}
}

// drainOne closes a connection since the node leaves.
func (e *edge) drainOne(t *edgeClient) {
	if t.state == clientLocal {
		e.closeLocal(t, actor.Detach{Code: wire.CloseGoingAway, Text: drainReason, Reason: event.ReasonDrain})
	} else {
		e.closeGoingAway(t, wire.CloseGoingAway, drainReason, event.ReasonDrain)
	}
}

// closeGoingAway closes a connection that is not local; its membership goes on elsewhere if
// it can be resumed.
func (e *edge) closeGoingAway(t *edgeClient, code wire.CloseCode, text, reason string) {
	if !t.closed && t.state == clientIn && t.member.Session != "" {
		e.detach(t, code, text, reason)
	} else {
		e.close(t, code, text, reason)
	}
}
