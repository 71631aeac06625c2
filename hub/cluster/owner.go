package cluster

import (
	"context"
	"maps"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
)

// owner is the part of a node that owns partitions: it takes commands from edges,
// gives them to the hub, and moves partitions. Everything in it but settling is
// owned by the goroutine that calls it, one at a time: that of the node's control.
type owner struct {
	n     *Node
	hub   *actor.Hub
	peers map[*link]*peer
	parts [Partitions]part

	settling settling // has its own lock
}

// part is what a node knows of a partition that it owns or is to own.
type part struct {
	epoch     uint64
	state     partState
	waiting   map[*link]bool     // whose connections are not attached yet
	attached  []actor.Membership // until the partition is ready
	metas     []actor.RoomMeta   // that edges know
	inherited *inheritance       // from the owner before; may come before anything else
	heir      *link              // the owner before, from which that is to come; nil: nothing is
}

// inheritance is what an owner before hands over.
type inheritance struct {
	actor.Exported
	epoch uint64 // of the next owner
}

type partState int

const (
	partNone       partState = iota // not ours
	partRecovering                  // ours, and not all connections are attached yet
	partReady
)

// peer is an edge as the owner sees it.
type peer struct {
	link     *link
	clients  map[uint64]*proxy
	attached [Partitions]uint64 // the epoch for which it has attached its connections
}

// proxy is a connection of an edge.
type proxy struct {
	client *actor.Client
	out    *remote
	part   int
}

func newOwner(n *Node, h *actor.Hub) *owner {
	return &owner{n: n, hub: h, peers: map[*link]*peer{}}
}

// linkUp begins to take commands from a node, and tells it what we own.
func (o *owner) linkUp(l *link) {
	o.peers[l] = &peer{link: l, clients: map[uint64]*proxy{}}
	for p := range o.parts {
		part := &o.parts[p]
		if part.state == partNone {
			continue
		}
		if part.state == partRecovering {
			part.waiting[l] = true
		}
		o.tell(l, recOwn, p)
	}
	l.flush()
}

// linkDown ends the connections of a node that is gone.
func (o *owner) linkDown(l *link) {
	gone := o.peers[l]
	if gone == nil {
		return
	}
	delete(o.peers, l)
	var commands []actor.Command
	for _, c := range gone.clients {
		commands = append(commands, actor.Unregister{Client: c.client, Reason: event.ReasonLost})
	}
	o.do(commands)
	o.settling.drop(l)
	for p := range o.parts {
		part := &o.parts[p]
		if part.heir == l {
			part.heir = nil
		}
		if delete(part.waiting, l); part.state == partRecovering {
			o.checkReady(p)
		}
	}
}

// tell writes a record that is about a partition.
func (o *owner) tell(l *link, kind byte, p int) {
	l.write(func(w *writer) {
		w.b = append(w.b, kind)
		w.number(uint64(p))
		w.number(o.parts[p].epoch)
	})
}

// do gives commands to the hub, which is ours and takes them while it lives.
func (o *owner) do(commands []actor.Command) {
	if len(commands) > 0 {
		_ = o.hub.Do(&actor.Batch{Commands: commands, After: func() {}})
	}
}

// own begins to own a partition: all nodes are asked for their connections. heir is
// the owner before, if it hands over.
func (o *owner) own(p int, epoch uint64, heir *link) {
	before := o.parts[p].inherited
	o.parts[p] = part{epoch: epoch, state: partRecovering, waiting: map[*link]bool{}, heir: heir}
	part := &o.parts[p]
	if before != nil && before.epoch == epoch {
		part.inherited, part.heir = before, nil
	}
	for l := range o.peers {
		part.waiting[l] = true
		o.tell(l, recOwn, p)
		l.flush()
	}
	o.checkReady(p)
}

// inherit takes what the owner before a partition's next epoch hands over.
func (o *owner) inherit(p int, in *inheritance) {
	part := &o.parts[p]
	part.inherited = in
	if part.state == partRecovering && part.epoch == in.epoch {
		part.heir = nil
		o.checkReady(p)
	}
}

// disown gives a partition up, and returns what the next owner is to have of it.
func (o *owner) disown(p int) actor.Exported {
	for l := range o.peers {
		o.tell(l, recDisown, p)
	}
	epoch := o.parts[p].epoch
	o.parts[p] = part{epoch: epoch}
	done := make(chan actor.Exported, 1)
	if o.hub.Do(&actor.Export{Of: func(room string) bool { return PartitionOf(room) == p }, Done: done}) != nil {
		return actor.Exported{}
	}
	out, err := actor.Await(context.Background(), o.hub, done)
	if err != nil {
		return actor.Exported{}
	}
	for _, pe := range o.peers {
		pe.attached[p] = 0
		maps.DeleteFunc(pe.clients, func(_ uint64, c *proxy) bool { return c.part == p })
		pe.link.flush()
	}
	return out
}

// checkReady makes a partition ready once all connections are attached and what is
// inherited has come.
func (o *owner) checkReady(p int) {
	part := &o.parts[p]
	if part.state != partRecovering || len(part.waiting) > 0 || part.heir != nil {
		return
	}
	part.state = partReady
	restore := &actor.Restore{Members: part.attached}
	known := map[string]bool{} // rooms of which the owner before has said all
	if in := part.inherited; in != nil {
		restore.Rooms = in.Rooms
		for _, m := range in.Rooms {
			known[m.Room] = true
		}
		here := map[[2]string]bool{}
		for _, m := range part.attached {
			here[[2]string{m.Room, m.ID}] = true
		}
		for _, m := range in.Members {
			if !here[[2]string{m.Room, m.ID}] {
				restore.Members = append(restore.Members, m)
			}
		}
	}
	for _, m := range part.metas {
		if !known[m.Room] {
			restore.Rooms = append(restore.Rooms, m)
		}
	}
	part.attached, part.metas, part.inherited = nil, nil, nil
	o.do([]actor.Command{restore})
	for l, pe := range o.peers {
		if pe.attached[p] == part.epoch {
			o.tell(l, recReady, p)
			l.flush()
		}
	}
}

// take handles the records of one packet from an edge that are for an owner.
func (o *owner) take(l *link, seq uint64, records []record) {
	pe := o.peers[l]
	if pe == nil || len(records) == 0 {
		return
	}
	b := &batch{o: o, pe: pe}
	for _, rec := range records {
		b.take(rec)
	}
	after := func() {
		b.tellOutcomes()
		o.settling.add(l, seq, o.n.marks())
	}
	if len(b.commands) == 0 {
		after()
		return
	}
	_ = o.hub.Do(&actor.Batch{Commands: b.commands, After: after})
}
