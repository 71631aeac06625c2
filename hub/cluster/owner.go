package cluster

import (
	"maps"
	"sync"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// owner is the part of a node that owns partitions: it takes commands from edges,
// gives them to the hub, and moves partitions. Everything in it but settling is
// owned by the goroutine that calls it, one at a time: that of the node's control.
type owner struct {
	n     *Node
	hub   *hub.Hub
	peers map[*link]*peer
	parts [Partitions]part

	settling settling // has its own lock
}

// part is what a node knows of a partition that it owns or is to own.
type part struct {
	epoch     uint64
	state     partState
	waiting   map[*link]bool   // whose connections are not attached yet
	attached  []hub.Membership // until the partition is ready
	metas     []hub.RoomMeta   // that edges know
	inherited *inheritance     // from the owner before; may come before anything else
	heir      *link            // the owner before, from which that is to come; nil: nothing is
}

// inheritance is what an owner before hands over.
type inheritance struct {
	hub.Exported
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
	client *hub.Client
	out    *remote
	part   int
}

func newOwner(n *Node, h *hub.Hub) *owner {
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
	var commands []hub.Command
	for _, c := range gone.clients {
		commands = append(commands, hub.Unregister{Client: c.client, Reason: hub.ReasonLost})
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
func (o *owner) do(commands []hub.Command) {
	if len(commands) > 0 {
		_ = o.hub.Do(&hub.Batch{Commands: commands, After: func() {}})
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
func (o *owner) disown(p int) hub.Exported {
	for l := range o.peers {
		o.tell(l, recDisown, p)
	}
	epoch := o.parts[p].epoch
	o.parts[p] = part{epoch: epoch}
	done := make(chan hub.Exported, 1)
	if o.hub.Do(&hub.Export{Of: func(room string) bool { return PartitionOf(room) == p }, Done: done}) != nil {
		return hub.Exported{}
	}
	out, err := hub.Await(o.hub, done)
	if err != nil {
		return hub.Exported{}
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
	restore := &hub.Restore{Members: part.attached}
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
	o.do([]hub.Command{restore})
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
	_ = o.hub.Do(&hub.Batch{Commands: b.commands, After: after})
}

// settling knows which packets of edges have had all their effects: what they
// brought about has arrived at all nodes.
type settling struct {
	mu    sync.Mutex
	items map[*link][]settleItem // in the order of the packets
}

type settleItem struct {
	seq   uint64
	needs []mark
}

// mark is a packet of a link that must have arrived.
type mark struct {
	link *link
	seq  uint64
}

func (s *settling) add(l *link, seq uint64, needs []mark) {
	s.mu.Lock()
	if s.items == nil {
		s.items = map[*link][]settleItem{}
	}
	s.items[l] = append(s.items[l], settleItem{seq, needs})
	s.mu.Unlock()
	s.check()
}

func (s *settling) drop(l *link) {
	s.mu.Lock()
	delete(s.items, l)
	for _, items := range s.items {
		for _, item := range items {
			for i := range item.needs {
				if item.needs[i].link == l {
					item.needs[i].seq = 0
				}
			}
		}
	}
	s.mu.Unlock()
	s.check()
}

// check confirms what has settled.
func (s *settling) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l, items := range s.items {
		n := 0
		for n < len(items) && items[n].settled() {
			n++
		}
		if n == 0 {
			continue
		}
		upTo := items[n-1].seq
		if n == len(items) {
			delete(s.items, l)
		} else {
			s.items[l] = items[n:]
		}
		l.write(func(w *writer) {
			w.b = append(w.b, recConfirm)
			w.number(upTo)
		})
		l.flush()
	}
}

func (i *settleItem) settled() bool {
	for _, m := range i.needs {
		if m.seq > 0 && m.link.arrived() < m.seq {
			return false
		}
	}
	return true
}

// batch makes commands of the records of one packet.
type batch struct {
	o        *owner
	pe       *peer
	commands []hub.Command
	joins    []outcome[bool]
	resumes  []outcome[hub.Resumed]
	left     []commandHead
}

// outcome is a command whose word the edge waits for.
type outcome[T any] struct {
	head commandHead
	done chan T
}

// tellOutcomes is called by the loop when the batch has been applied.
func (b *batch) tellOutcomes() {
	l := b.pe.link
	for _, j := range b.joins {
		in := <-j.done // is there
		l.write(func(w *writer) {
			w.b = append(w.b, recJoined)
			w.fixed(j.head.key)
			w.number(j.head.seq)
			w.flag(in)
		})
	}
	for _, r := range b.resumes {
		word := <-r.done
		l.write(func(w *writer) {
			w.b = append(w.b, recResumed)
			w.fixed(r.head.key)
			w.number(r.head.seq)
			w.membership(&hub.Membership{Room: word.Room, ID: word.ID, Name: word.Name, Grant: word.Grant, Joined: word.Joined})
		})
	}
	for _, h := range b.left {
		l.write(func(w *writer) {
			w.b = append(w.b, recLeft)
			w.fixed(h.key)
			w.number(h.seq)
		})
	}
	l.flush()
}

// client returns the hub's client for a connection, making it known if need be.
func (b *batch) client(r *reader, h commandHead) *proxy {
	conn, address := r.number(), r.text()
	if c := b.pe.clients[h.key]; c != nil {
		return c
	}
	return b.newProxy(h, conn, address)
}

func (b *batch) newProxy(h commandHead, conn uint64, address string) *proxy {
	out := &remote{link: b.pe.link, key: h.key, limit: b.o.n.options.QueueBytes}
	c := &proxy{client: hub.NewClientOf(b.pe.link.node, conn, parseAddr(address), out), out: out, part: h.part}
	b.pe.clients[h.key] = c
	b.commands = append(b.commands, hub.Register{Client: c.client})
	return c
}

func (b *batch) add(c hub.Command) { b.commands = append(b.commands, c) }

// take makes commands of one record. Those for a partition that is not ours, or that
// the edge has not attached its connections for, are stale.
func (b *batch) take(rec record) {
	r := &reader{b: rec.b[1:]}
	kind := rec.b[0]
	if kind == recAttached {
		b.attached(int(r.number()), r.number())
		return
	}
	h := r.head()
	if h.part < 0 || h.part >= Partitions {
		return
	}
	part := &b.o.parts[h.part]
	switch {
	case kind == recAttach:
		b.attach(r, h)
	case kind == recRoom:
		if m := r.meta(); part.state == partRecovering {
			part.metas = append(part.metas, m)
		}
	case part.state == partReady && b.pe.attached[h.part] == part.epoch:
		b.command(kind, r, h)
	}
}

// command makes the command of a record that is not stale.
func (b *batch) command(kind byte, r *reader, h commandHead) {
	o := wire.Origin{Key: h.key, Seq: h.seq}
	switch kind {
	case recJoin:
		b.join(r, h, o)
		return
	case recResume:
		c := b.client(r, h)
		done := make(chan hub.Resumed, 1)
		b.add(&hub.Resume{Client: c.client, Session: r.text(), Received: r.number(), Refused: r.refused(o), Done: done})
		b.resumes = append(b.resumes, outcome[hub.Resumed]{h, done})
		return
	}
	c := b.pe.clients[h.key]
	if c == nil {
		if kind == recLeave {
			b.left = append(b.left, h)
		}
		return
	}
	switch kind {
	case recLeave:
		delete(b.pe.clients, h.key)
		b.add(hub.Leave{Client: c.client})
		b.add(hub.Unregister{Client: c.client})
		b.left = append(b.left, h)
	case recForward:
		p := hub.ForwardParts{Client: c.client, Type: wire.Type(r.number()), All: r.flag(), To: r.bytes(), Ref: r.bytes()}
		p.Frame = wire.TextFrame(r.bytes())
		p.Frame.Origin = o
		b.add(p.Forward())
	case recRename:
		b.add(&hub.Rename{Client: c.client, Name: r.text(), Refused: r.refused(o)})
	case recRenew:
		b.add(&hub.Renew{Client: c.client, Grant: r.grant(), Name: r.text(), Frame: answer(r.bytes(), o), Refused: r.refused(o)})
	case recReply:
		b.add(&hub.Reply{Client: c.client, Frame: answer(r.bytes(), o)})
	case recRefuse:
		b.add(&hub.Refuse{Client: c.client, Refusal: r.refusal(), Refused: r.refused(o)})
	case recKick:
		b.add(&hub.Kick{Order: hub.Order{Client: c.client, Refused: r.refused(o)}, To: r.text()})
	case recLock:
		b.add(&hub.Lock{Order: hub.Order{Client: c.client, Refused: r.refused(o)}, Locked: r.flag()})
	case recAcked:
		c.out.acked(r.number())
	case recEnd:
		delete(b.pe.clients, h.key)
		reason, suspend := r.text(), r.flag()
		if !suspend {
			b.add(&hub.Disconnect{Client: c.client, Code: wire.CloseNormal, Reason: reason})
		}
		b.add(hub.Unregister{Client: c.client, Reason: reason})
	}
}

func answer(text []byte, o wire.Origin) *wire.Frame {
	f := wire.TextFrame(text)
	f.Origin = o
	return f
}

func (b *batch) join(r *reader, h commandHead, o wire.Origin) {
	c := b.client(r, h)
	m := r.membership()
	j := &hub.Join{
		Client: c.client, Room: m.Room, ID: m.ID, Name: m.Name, Grant: m.Grant, Session: m.Session,
		Capacity: int(r.number()), Refused: r.refused(o),
	}
	j.Welcome = answer(r.bytes(), o)
	done := make(chan bool, 1)
	j.Done = done
	b.add(j)
	b.joins = append(b.joins, outcome[bool]{h, done})
}

// attach takes a connection over with the membership that it has.
func (b *batch) attach(r *reader, h commandHead) {
	part := &b.o.parts[h.part]
	epoch := r.number()
	if part.state == partNone || epoch != part.epoch {
		return
	}
	conn, address := r.number(), r.text()
	m := r.membership()
	had, frames := r.number(), r.frames()
	c := b.newProxy(h, conn, address)
	c.out.reset(had, frames, m.Session != "")
	m.Client, m.Had = c.client, had+uint64(len(frames))
	if part.state == partRecovering {
		part.attached = append(part.attached, m)
		return
	}
	b.add(&hub.Restore{Members: []hub.Membership{m}})
}

// attached says that an edge has attached all its connections.
func (b *batch) attached(p int, epoch uint64) {
	if p < 0 || p >= Partitions {
		return
	}
	part := &b.o.parts[p]
	if part.state == partNone || epoch != part.epoch {
		return
	}
	b.pe.attached[p] = epoch
	if part.state == partReady {
		l := b.pe.link
		b.o.tell(l, recReady, p)
		l.flush()
		return
	}
	// The clients of attached connections must be known to the hub first.
	b.o.do(b.commands)
	b.commands = nil
	delete(part.waiting, b.pe.link)
	b.o.checkReady(p)
}
