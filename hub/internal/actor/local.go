package actor

import (
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file lets the connections of a node talk to the hub of that node as those of a
// single server do, and takes them out of it when their rooms move to another node. There
// a connection is one of two:
//
//   - remote: the node's edge passes its commands on to the owner of its room;
//   - local: its room is here, and its commands come straight to the hub (the route).
//     The edge makes a connection local before it joins or resumes.
//
// When a room moves, the hub gives the memberships of local connections to the edge
// (Options.Moved), and after that, in order, the commands that still come for them
// (Options.Returned). A [Fence] comes back the same way: nothing comes after it.

// route is the way of a local client's commands to the hub.
type route struct {
	hub atomic.Pointer[Hub] // nil: they go to the edge
	mu  sync.Mutex          // held while a command is handed over
}

// SetOwn marks the client as one of this node's own connections, in a cluster. It is called
// before the client is registered.
func (c *Client) SetOwn(node string) { c.node, c.own = node, true }

// Straight hands a command of the client to the hub of its room. It reports false if
// there is no straight way, or none any more. A [Leave] is the last command that takes it.
func (c *Client) Straight(command Command) bool {
	if c.route.hub.Load() == nil {
		return false
	}
	c.route.mu.Lock()
	defer c.route.mu.Unlock()
	h := c.route.hub.Load()
	if h == nil || h.Do(command) != nil {
		return false
	}
	if _, leaves := command.(Leave); leaves {
		c.route.hub.Store(nil)
	}
	return true
}

// Detour ends the straight way. All that took it is with the hub when it returns.
func (c *Client) Detour() {
	c.route.mu.Lock()
	defer c.route.mu.Unlock()
	c.route.hub.Store(nil)
}

// straighten begins the straight way: a local client is a member from now on.
func (l *loop) straighten(c *Client) {
	if c.own {
		c.route.hub.Store(l.hub)
	}
}

// elsewhere reports whether a command of a local client is for the edge to take: the room
// that it is about is not here.
func (l *loop) elsewhere(c Command) bool {
	client := ClientOf(c)
	if client == nil || !client.own {
		return false
	}
	switch c := c.(type) {
	case Register, Deregister:
		return false
	case Fence:
		return true
	case *Join:
		return l.owned[l.options.PartitionOf(c.Room)] == 0
	case *Resume:
		p, ok := SessionPartition(c.Session)
		return ok && l.owned[int(p)] == 0
	}
	return client.moved
}

// Fence comes back to the edge behind all commands of the client that came before.
type Fence struct{ Client *Client }

func (Fence) apply(*loop) {}

// Own says that the rooms of a partition are here. An [Export] takes them out again.
type Own struct {
	Partition int
	Epoch     uint64 // greater than those of the owners before; at least 1
}

func (o Own) apply(l *loop) { l.owned[o.Partition] = o.Epoch }

// Deregister forgets a client that is no member. Its connection lives on.
type Deregister struct{ Client *Client }

func (d Deregister) apply(l *loop) {
	if d.Client.index >= 0 && d.Client.member == nil {
		l.unregister(d.Client)
	}
}

// Detach ends the client's connection with a close frame; its resumable membership stays,
// as after a lost connection. Any other ends.
type Detach struct {
	Client *Client
	Code   wire.CloseCode
	Text   string
	Reason string
	Unsent bool // the connection does not get what waits for it
}

func (d *Detach) apply(l *loop) {
	c := d.Client
	m := c.member
	if c.closed || m == nil || m.session == nil {
		(&Disconnect{Client: c, Code: d.Code, Text: d.Text, Reason: d.Reason}).apply(l)
		return
	}
	// The connection writes what waits, and the membership keeps the same for the next one.
	aside := new(Outbox)
	aside.Init(nil, l.hub.Stats, l.options.QueueBytes)
	received, frames := c.out.(*Outbox).Kept()
	k := m.membership()
	k.Seen = m.out.Seen()
	aside.SetGate(aside.never, l.options.Current.Load().ResumeWindow)
	aside.Adopt(k, received, frames)
	l.log.Info(event.Suspend, c.fields(zap.String(event.FieldReason, d.Reason))...)
	l.callsLost(m, d.Reason)
	if d.Unsent {
		c.out.(*Outbox).Abandon(d.Code, d.Text)
	}
	l.close(c, d.Code, d.Text)
	c.member, m.client, m.out = nil, nil, aside
	l.hub.Stats.Suspended.Add(1)
	l.expireLater(m)
}

// moveOut gives the membership of a local client to the edge, with what is known of its
// room.
func (l *loop) moveOut(m *member, r RoomMeta) {
	c, k := m.client, m.membership()
	k.Seen = m.out.Seen()
	c.member, c.moved = nil, true
	l.unregister(c)
	l.options.Moved(*k, r)
}

// isLocal reports whether the member has a connection of this node that talks to the hub.
func (m *member) isLocal() bool { return m.client != nil && m.client.own }

// ClientOf returns whose command it is; nil: nobody's.
func ClientOf(c Command) *Client {
	switch c := c.(type) {
	case Register:
		return c.Client
	case Unregister:
		return c.Client
	case Deregister:
		return c.Client
	case Fence:
		return c.Client
	case CaughtUp:
		return c.Client
	case *Disconnect:
		return c.Client
	case *Detach:
		return c.Client
	case *GoAway:
		return c.Client
	case *Join:
		return c.Client
	case *Resume:
		return c.Client
	case Leave:
		return c.Client
	case *Forward:
		return c.client
	case *Rename:
		return c.Client
	case *Update:
		return c.Client
	case *Renew:
		return c.Client
	case *Report:
		return c.Client
	case *Reply:
		return c.Client
	case *Count:
		return c.Client
	case *Refuse:
		return c.Client
	case *Kick:
		return c.Client
	case *Lock:
		return c.Client
	}
	return nil
}
