package cluster

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
)

// owner is the part of a node that owns partitions: it takes commands from edges,
// gives them to the hub, and moves partitions. Everything in it is owned by the goroutine
// of control, but for what says otherwise.
type owner struct {
	n     *Node
	hub   *actor.Hub
	peers map[*link]*peer
	parts [Partitions]part

	confirmations confirmations // has its own lock

	// Owned by the hub loop.
	written   []*link // in the loop's present batch
	isWritten map[*link]bool
	batch     uint64     // whose effects these are
	effects   []position // that the batch had

	// Guarded by refusedMu: the hub loop appends, control takes.
	refusedMu sync.Mutex
	refused   []refusedClient // whose joins and resumes were refused
}

type refusedClient struct {
	peer *peer
	key  uint64
}

// part is what a node knows of a partition that it owns or is to own.
type part struct {
	epoch     uint64
	state     partState
	waiting   map[*link]bool     // whose memberships are not attached yet
	attached  []actor.Membership // until the partition is ready
	metas     []actor.RoomMeta   // that edges know
	again     deferred           // of attached memberships, until the partition is ready
	inherited *inheritance       // from the owner before; may come before anything else
}

// inheritance is what an owner before hands over.
type inheritance struct {
	actor.Exported
	epoch uint64 // of the next owner
}

type partState int

const (
	partNone       partState = iota // not ours
	partRecovering                  // ours, and not all memberships are attached yet
	partReady
	partReleasing // ours, and being handed over: it takes no commands
)

// peer is an edge as the owner sees it.
type peer struct {
	link      *link
	clients   map[uint64]*remoteClient
	attaching [Partitions]uint64 // the epoch for which it has begun to attach its memberships
	attached  [Partitions]uint64 // the epoch for which it has attached all
}

// remoteClient is a membership of an edge, as the owner knows it.
type remoteClient struct {
	client   *actor.Client
	out      *remote
	part     int
	attached bool   // an owner before has begun the membership
	again    uint64 // the last command that an owner before may have carried out
	before   uint64 // number 1 has this number, less one, in the membership
}

func newOwner(n *Node) *owner {
	return &owner{n: n, peers: map[*link]*peer{}, isWritten: map[*link]bool{}}
}

// wrote notes that the present batch has an effect on a link. The caller is the hub loop.
func (o *owner) wrote(l *link) {
	if !o.isWritten[l] {
		o.isWritten[l] = true
		o.written = append(o.written, l)
	}
}

// tellNodes tells all nodes of a lock or a ban. The caller is the hub loop.
func (o *owner) tellNodes(m actor.RoomMeta) {
	o.n.mu.RLock()
	defer o.n.mu.RUnlock()
	for _, l := range o.n.links {
		l.write(func(w *writer) {
			w.b = append(w.b, recMeta)
			w.meta(&m)
		})
		l.flush()
		o.wrote(l)
	}
}

// taken tells the node of a connection that the place that this asks for is another's, and
// reports whether that node understands it. The caller is the hub loop.
func (o *owner) taken(at actor.Receiver, turn actor.Turn, ago time.Duration) bool {
	r := at.(*remote)
	if r.link.version < wireAsked {
		return false
	}
	r.write(func(w *writer) {
		w.b = append(w.b, recTaken)
		w.fixed(r.key)
		w.number(turn.Epoch)
		w.number(turn.Count)
		w.number(uint64(max(ago, 0)))
	})
	r.link.flush()
	return true
}

// arrived calls then when all that was sent to other nodes has arrived there, or they are gone,
// and reports whether that is not so yet. The caller is the hub loop.
func (o *owner) arrived(then func()) bool {
	needs := slices.DeleteFunc(o.n.positions(), func(at position) bool { return at.link.has(at.seq) })
	if len(needs) == 0 {
		return false
	}
	o.confirmations.add(nil, needs, func() { go then() })
	for _, at := range needs {
		at.link.rouse()
	}
	return true
}

// effectsOf returns where the links are that a batch of the hub loop has written to. The
// caller is the hub loop, at the end of the batch.
func (o *owner) effectsOf(batch uint64) []position {
	if o.batch != batch {
		o.batch, o.effects = batch, nil
	}
	for _, l := range o.written {
		o.effects = append(o.effects, position{l, l.mark()})
	}
	clear(o.isWritten)
	o.written = o.written[:0]
	return o.effects
}

// linkUp begins to take commands from a node, and tells it what we own.
func (o *owner) linkUp(l *link) {
	o.peers[l] = &peer{link: l, clients: map[uint64]*remoteClient{}}
	for p := range o.parts {
		part := &o.parts[p]
		if part.state == partNone || part.state == partReleasing {
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
		end := actor.Unregister{Client: c.client, Reason: event.ReasonLost}
		part := &o.parts[c.part]
		switch {
		case part.state != partRecovering:
			commands = append(commands, end)
		case gone.attached[c.part] == part.epoch:
			part.again.add(c, end)
		default:
			// Not all is known of it.
			part.attached = slices.DeleteFunc(part.attached, func(m actor.Membership) bool { return m.Client == c.client })
			commands = append(commands, end)
		}
	}
	o.do(commands, nil)
	o.confirmations.drop(l)
	for p := range o.parts {
		part := &o.parts[p]
		if delete(part.waiting, l); part.state == partRecovering {
			o.checkReady(p)
		}
	}
}

// tell writes a record that is about a partition.
func (o *owner) tell(l *link, kind byte, p int) {
	epoch := o.parts[p].epoch
	l.write(func(w *writer) {
		w.b = append(w.b, kind)
		w.number(uint64(p))
		w.number(epoch)
	})
}

// do gives commands to the hub, which is ours and takes them while it lives. after, if
// there is any, is called by the hub loop.
func (o *owner) do(commands []actor.Command, after func(batch uint64)) {
	if len(commands) > 0 || after != nil {
		_ = o.hub.Do(&actor.Batch{Commands: commands, After: after})
	}
}

// own begins to own a partition: all nodes are asked for their memberships.
func (o *owner) own(p int, epoch uint64) {
	before := o.parts[p].inherited
	o.parts[p] = part{epoch: epoch, state: partRecovering, waiting: map[*link]bool{}}
	part := &o.parts[p]
	if before != nil {
		o.inherit(p, before)
	}
	for l := range o.peers {
		part.waiting[l] = true
		o.tell(l, recOwn, p)
		l.flush()
	}
	o.checkReady(p)
}

// inherit takes what the owner before a partition's next epoch hands over. It comes
// before the register says that the partition is ours (invariant 5). The hand-over of an owner of an
// earlier epoch comes too late.
func (o *owner) inherit(p int, in *inheritance) {
	part := &o.parts[p]
	before := part.inherited
	if in.epoch < part.epoch || in.epoch == part.epoch && part.state != partRecovering || before != nil && in.epoch < before.epoch {
		discard(in.Exported)
		return
	}
	if before != nil && before != in {
		discard(before.Exported)
	}
	part.inherited = in
}

// overruled drops what was handed over for an epoch in which the partition is another's.
func (o *owner) overruled(p int, epoch uint64) {
	part := &o.parts[p]
	if in := part.inherited; in != nil && in.epoch <= epoch {
		discard(in.Exported)
		part.inherited = nil
	}
}

// release takes a partition out of the hub. done is called by the hub loop with what the
// next owner is to have of it, when all that was done here has been written to links.
func (o *owner) release(p int, done func(actor.Exported)) {
	o.parts[p].state = partReleasing
	exported := make(chan actor.Exported, 1)
	export := &actor.Export{Partition: p, Of: func(room string) bool { return PartitionOf(room) == p }, Done: exported}
	commands := []actor.Command{export}
	for _, pe := range o.peers {
		pe.attached[p], pe.attaching[p] = 0, 0
		maps.DeleteFunc(pe.clients, func(_ uint64, c *remoteClient) bool {
			if c.part == p {
				commands = append(commands, actor.Unregister{Client: c.client}) // those that are no members
			}
			return c.part == p
		})
	}
	o.do(commands, func(uint64) { done(<-exported) })
}

// disown tells all edges that another will own a partition.
func (o *owner) disown(p int) {
	for l := range o.peers {
		o.tell(l, recDisown, p)
		l.flush()
	}
	o.parts[p] = part{epoch: o.parts[p].epoch}
}

// checkReady makes a partition ready once all memberships are attached.
func (o *owner) checkReady(p int) {
	part := &o.parts[p]
	if part.state != partRecovering || len(part.waiting) > 0 {
		return
	}
	part.state = partReady
	// Inherited memberships come first: those whose connection is here take them
	// over.
	restore := &actor.Restore{}
	known := map[string]bool{} // rooms of which the owner before has said all
	if in := part.inherited; in != nil && in.epoch == part.epoch {
		part.inherited = nil
		restore.Rooms, restore.Members, restore.Calls = in.Rooms, in.Members, in.Calls
		for _, m := range in.Rooms {
			known[m.Room] = true
		}
	}
	restore.Members = append(restore.Members, part.attached...)
	for _, m := range part.metas {
		if !known[m.Room] {
			restore.Rooms = append(restore.Rooms, m)
		}
	}
	commands := slices.Concat([]actor.Command{actor.Own{Partition: p, Epoch: part.epoch}, restore}, part.again.commands, part.again.entering)
	epoch, after := part.epoch, part.again.after
	var edges []*link
	for l, pe := range o.peers {
		if pe.attached[p] == part.epoch {
			edges = append(edges, l)
		}
	}
	part.attached, part.metas, part.again = nil, nil, deferred{}
	o.do(commands, func(batch uint64) {
		for _, f := range after {
			f(batch)
		}
		o.tellReady(edges, p, epoch, batch)
	})
}

// tellReady tells edges that a partition takes commands, and when those that came with
// their memberships are settled. The caller is the hub loop.
func (o *owner) tellReady(edges []*link, p int, epoch uint64, batch uint64) {
	effects := o.effectsOf(batch)
	record := func(l *link, kind byte) {
		l.write(func(w *writer) {
			w.b = append(w.b, kind)
			w.number(uint64(p))
			w.number(epoch)
		})
		l.flush()
	}
	for _, l := range edges {
		record(l, recReady)
		o.confirmations.add(l, effects, func() { record(l, recSettled) })
	}
}

// take handles the records of one packet from an edge, except hand-overs, which control has
// taken.
func (o *owner) take(m *records) {
	l, seq, size := m.link, m.seq, len(m.b)
	pe := o.peers[l]
	if pe == nil {
		return
	}
	o.forgetRefused()
	b := &batch{o: o, pe: pe, commands: make([]actor.Command, 0, m.count)}
	for rec := range m.all {
		if rec.b[0] != recHandover {
			b.take(rec)
		}
	}
	// Packets without commands wait in the same queue: confirmations are in the order of the
	// packets.
	o.do(b.commands, func(batch uint64) {
		for _, f := range b.after {
			f(batch)
		}
		o.confirmations.add(l, o.effectsOf(batch), func() { l.confirm(seq, size) })
	})
}

// forgetRefused ends the clients whose joins or resumes were refused: each try has its
// own.
func (o *owner) forgetRefused() {
	o.refusedMu.Lock()
	refused := o.refused
	o.refused = nil
	o.refusedMu.Unlock()
	var commands []actor.Command
	for _, r := range refused {
		if c := r.peer.clients[r.key]; c != nil {
			delete(r.peer.clients, r.key)
			commands = append(commands, actor.Unregister{Client: c.client})
		}
	}
	o.do(commands, nil)
}
