package cluster

import (
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// edge is the part of a node that its connections talk to: it passes their commands
// to the owners of their rooms, keeps them until all their effects have arrived, and
// hands the connections what owners send. Everything in it is owned by its loop but
// for what is set before start.
type edge struct {
	// Set before start, then read only.
	n     *Node
	inbox chan any

	ties    map[*hub.Client]*tie
	keys    map[uint64]*tie
	parts   [Partitions]edgePart
	rooms   map[string]*edgeRoom
	flights map[*link][]flight
	touched []*tie
	nextKey uint64
	drain   bool
}

// edgePart is what the edge knows of a partition.
type edgePart struct {
	owner *link // nil: none is known
	epoch uint64
	ready bool // the owner takes commands
	ties  map[*tie]struct{}
}

// edgeRoom is a room that connections of this node are in.
type edgeRoom struct {
	ties int
	meta hub.RoomMeta
}

// tie is a connection and what ties it to a room.
type tie struct {
	client  *hub.Client
	out     *hub.Outbox
	opened  time.Time
	touched bool
	gone    bool // the connection has ended
	closed  bool // it gets nothing more

	// seen has for each sender the last of its messages that has come: what an owner
	// has passed on and another, or the same, is sent again is dropped.
	seen map[uint64]uint64

	state    tieState
	key      uint64 // of this membership
	part     int
	member   hub.Membership
	seq      uint64
	pending  []pending // not known to be settled, in order
	bytes    int       // of pending
	gen      int       // changes when pending is sent anew
	deferred []hub.Command
	joined   chan<- bool
	resumed  chan<- hub.Resumed
}

type tieState int

const (
	tieOut      tieState = iota // in no room
	tieJoining                  // has asked to join or resume
	tieIn                       // is a member
	tieLeaving                  // has asked to leave
	tieFinished                 // the membership ends with the connection
)

// pending is a command that may have to be sent again.
type pending struct {
	seq      uint64
	record   []byte
	answered bool // its one effect has arrived
	end      bool // of the connection
}

// flight is a pending command that is on its way on a link.
type flight struct {
	mark uint64
	tie  *tie
	gen  int
}

// inbound are records from an owner.
type inbound struct {
	link    *link
	records []record
}

type record struct{ b []byte }

// lost says that a node is gone.
type lost struct{ link *link }

func newEdge(n *Node) *edge {
	e := &edge{
		n: n, inbox: make(chan any, 4096), ties: map[*hub.Client]*tie{}, keys: map[uint64]*tie{},
		rooms: map[string]*edgeRoom{}, flights: map[*link][]flight{}, nextKey: randomID(),
	}
	for p := range e.parts {
		e.parts[p].ties = map[*tie]struct{}{}
	}
	return e
}

func (e *edge) run(stop <-chan struct{}) {
	for {
		select {
		case m := <-e.inbox:
			e.handle(m)
			for range len(e.inbox) {
				e.handle(<-e.inbox)
			}
			e.finish()
		case <-stop:
			return
		}
	}
}

// finish lets what was queued go.
func (e *edge) finish() {
	for _, t := range e.touched {
		t.touched = false
		t.out.Flush()
	}
	e.touched = e.touched[:0]
	for l := range e.flights {
		l.flush()
	}
}

func (e *edge) handle(m any) {
	switch m := m.(type) {
	case inbound:
		for _, rec := range m.records {
			e.receive(m.link, rec)
		}
	case lost:
		e.lost(m.link)
	case hub.Command:
		e.command(m)
	case func():
		m()
	}
}

// lost forgets an owner that is gone.
func (e *edge) lost(l *link) {
	delete(e.flights, l)
	for p := range e.parts {
		if e.parts[p].owner == l {
			e.forgetOwner(p)
		}
	}
}

// forgetOwner waits for another owner of a partition: nothing that was sent to the one
// before is confirmed any more.
func (e *edge) forgetOwner(p int) {
	part := &e.parts[p]
	part.owner, part.ready = nil, false
	for t := range part.ties {
		t.gen++
	}
}

func (e *edge) touch(t *tie) {
	if !t.touched {
		t.touched = true
		e.touched = append(e.touched, t)
	}
}

// own attaches all connections of a partition to a new owner.
func (e *edge) own(l *link, p int, epoch uint64) {
	if p >= Partitions {
		return
	}
	part := &e.parts[p]
	if epoch < part.epoch || epoch == part.epoch && part.owner == l {
		return
	}
	e.forgetOwner(p)
	part.owner, part.epoch = l, epoch
	if _, known := e.flights[l]; !known {
		e.flights[l] = nil
	}
	told := map[string]bool{}
	for t := range part.ties {
		r := e.rooms[t.member.Room]
		if r != nil && !told[t.member.Room] {
			told[t.member.Room] = true
			l.write(func(w *writer) {
				w.head(recRoom, commandHead{part: p})
				w.meta(&r.meta)
			})
		}
		if t.state == tieIn {
			e.attach(l, p, epoch, t)
		}
	}
	l.write(func(w *writer) {
		w.b = append(w.b, recAttached)
		w.number(uint64(p))
		w.number(epoch)
	})
	l.flush()
}

// attach tells an owner of a member that is here.
func (e *edge) attach(l *link, p int, epoch uint64, t *tie) {
	var had uint64
	var frames []*wire.Frame
	if t.member.Session != "" {
		had, frames = t.out.Kept()
	}
	l.write(func(w *writer) {
		w.head(recAttach, commandHead{part: p, key: t.key})
		w.number(epoch)
		w.connection(t.client)
		w.membership(&t.member)
		w.number(had)
		w.frames(frames)
	})
	for _, f := range frames {
		f.Release()
	}
}

// ready sends an owner what waits for it.
func (e *edge) ready(l *link, p int, epoch uint64) {
	if p >= Partitions {
		return
	}
	part := &e.parts[p]
	if part.owner != l || part.epoch != epoch || part.ready {
		return
	}
	part.ready = true
	for t := range part.ties {
		t.gen++
		kept := t.pending[:0]
		for _, c := range t.pending {
			if !c.answered {
				kept = append(kept, c)
			} else {
				t.bytes -= len(c.record)
			}
		}
		clear(t.pending[len(kept):])
		t.pending = kept
		for _, c := range t.pending {
			e.fly(t, c)
		}
	}
}

// fly sends a pending command on its way.
func (e *edge) fly(t *tie, c pending) {
	l := e.parts[t.part].owner
	at := l.write(func(w *writer) { w.b = append(w.b, c.record...) })
	e.flights[l] = append(e.flights[l], flight{at, t, t.gen})
}

// submit makes a command of the tie pending, and sends it if it can be.
func (e *edge) submit(t *tie, kind byte, f func(w *writer)) { e.submitSized(t, kind, 0, f) }

// headBytes is room for a record's head and small fields.
const headBytes = 64

// submitSized is submit for a record of about size bytes.
func (e *edge) submitSized(t *tie, kind byte, size int, f func(w *writer)) {
	t.seq++
	w := writer{make([]byte, 0, headBytes+size)}
	w.head(kind, commandHead{t.part, t.key, t.seq})
	f(&w)
	c := pending{seq: t.seq, record: w.b, end: kind == recEnd}
	t.pending = append(t.pending, c)
	t.bytes += len(c.record)
	if e.parts[t.part].ready {
		e.fly(t, c)
	}
}

// confirmed forgets the commands that an owner has settled.
func (e *edge) confirmed(l *link, upTo uint64) {
	flights := e.flights[l]
	n := 0
	for ; n < len(flights) && flights[n].mark <= upTo; n++ {
		t := flights[n].tie
		if flights[n].gen != t.gen || len(t.pending) == 0 {
			continue
		}
		c := t.pending[0]
		t.bytes -= len(c.record)
		t.pending[0] = pending{}
		t.pending = t.pending[1:]
		if c.end && t.gone {
			e.forget(t)
		}
	}
	e.flights[l] = flights[n:]
}

// enter puts a tie into a partition and a room, under a key of its own.
func (e *edge) enter(t *tie, p int, room string) {
	e.nextKey++
	t.key, t.part, t.gen, t.seen = e.nextKey, p, t.gen+1, map[uint64]uint64{}
	t.pending, t.bytes = nil, 0
	e.keys[t.key] = t
	e.parts[p].ties[t] = struct{}{}
	e.visit(t, room)
}

// visit counts a tie in a room.
func (e *edge) visit(t *tie, room string) {
	t.member.Room = room
	if room == "" {
		return
	}
	r := e.rooms[room]
	if r == nil {
		r = &edgeRoom{meta: hub.RoomMeta{Room: room}}
		e.rooms[room] = r
	}
	r.ties++
}

// exit undoes enter.
func (e *edge) exit(t *tie) {
	if t.state == tieOut {
		return
	}
	delete(e.keys, t.key)
	delete(e.parts[t.part].ties, t)
	if r := e.rooms[t.member.Room]; r != nil {
		if r.ties--; r.ties == 0 {
			delete(e.rooms, t.member.Room)
		}
	}
	t.state, t.member = tieOut, hub.Membership{}
	t.gen++
	t.pending, t.bytes = nil, 0
}

// forget lets go of a connection that has ended.
func (e *edge) forget(t *tie) {
	e.exit(t)
	t.out.Discard()
	delete(e.ties, t.client)
	e.n.connections.Add(-1)
}

// closeAll closes all connections, also those that come later. Memberships that can
// be resumed go on elsewhere.
func (e *edge) closeAll(code wire.CloseCode, reason string) {
	e.drain = true
	for _, t := range e.ties {
		if !t.closed {
			t.closed = true
			e.touch(t)
			t.out.Close(code, reason)
		}
	}
}

// receive handles one record from an owner.
func (e *edge) receive(l *link, rec record) {
	r := &reader{b: rec.b[1:]}
	switch rec.b[0] {
	case recOwn:
		e.own(l, int(r.number()), r.number())
		return
	case recReady:
		e.ready(l, int(r.number()), r.number())
		return
	case recDisown:
		if p := int(r.number()); p < Partitions && e.parts[p].owner == l {
			e.forgetOwner(p)
		}
		return
	case recConfirm:
		e.confirmed(l, r.number())
		return
	case recMeta:
		e.meta(r.meta())
		return
	}
	t := e.keys[r.fixed()]
	if t == nil || e.parts[t.part].owner != l {
		return
	}
	switch rec.b[0] {
	case recFrame:
		e.frame(t, r.frame())
	case recBegin:
		t.out.Begin(r.flag())
	case recAdopt:
		t.out.Adopt(r.number(), r.frames())
		e.touch(t)
	case recClose:
		e.close(t, wire.CloseCode(r.number()), r.text())
	case recJoined:
		e.joinedOrNot(t, r.number(), r.flag())
	case recResumed:
		e.resumedOrNot(t, r.number(), r.membership())
	case recLeft:
		e.left(t)
	}
}

func (e *edge) meta(m hub.RoomMeta) {
	r := e.rooms[m.Room]
	if r == nil {
		return
	}
	bans := r.meta.Bans
	if bans == nil {
		bans = map[string]time.Time{}
	}
	maps.Copy(bans, m.Bans)
	r.meta.Locked, r.meta.Bans = m.Locked, bans
}

// frame hands a connection what an owner has sent, unless it has had it.
func (e *edge) frame(t *tie, f *wire.Frame) {
	if o := f.Origin; o.Key == t.key {
		if !t.answer(o.Seq) {
			f.Release()
			return
		}
	} else if o.Key != 0 {
		if o.Seq <= t.seen[o.Key] {
			f.Release()
			return
		}
		t.seen[o.Key] = o.Seq
	}
	e.deliver(t, f)
}

// answer notes that a command has been answered, and reports whether one was waiting
// for it.
func (t *tie) answer(seq uint64) bool {
	for i := range t.pending {
		if c := &t.pending[i]; c.seq == seq {
			was := c.answered
			c.answered = true
			return !was
		}
	}
	return false
}

// deliver queues a frame for a connection, or closes it if it does not read.
func (e *edge) deliver(t *tie, f *wire.Frame) {
	if t.closed {
		f.Release()
		return
	}
	e.touch(t)
	if !t.out.Send(f) {
		e.n.options.Logger.Warn(hub.EventEvicted, zap.Uint64(hub.FieldConn, t.client.Conn()),
			zap.String(hub.FieldRoom, t.member.Room), zap.String(hub.FieldID, t.member.ID))
		e.close(t, wire.CloseSlowConsumer, hub.SlowConsumer)
		e.end(t, hub.ReasonSlow, false)
	}
}

// close ends a connection.
func (e *edge) close(t *tie, code wire.CloseCode, reason string) {
	if t.closed {
		return
	}
	t.closed = true
	e.touch(t)
	t.out.Close(code, reason)
	if t.state == tieIn {
		t.state = tieFinished
	}
}

// end tells the owner that a connection has ended, or its membership for good.
func (e *edge) end(t *tie, reason string, suspend bool) {
	e.submit(t, recEnd, func(w *writer) {
		w.text(reason)
		w.flag(suspend)
	})
}

func (e *edge) joinedOrNot(t *tie, seq uint64, in bool) {
	t.answer(seq)
	if t.joined == nil {
		return
	}
	done := t.joined
	t.joined = nil
	if in && !t.closed {
		t.state = tieIn
	} else if !in {
		e.notIn(t)
	}
	done <- in
}

// notIn ends what ties a connection to a room that it did not get into. What tells the
// owner so needs no answer.
func (e *edge) notIn(t *tie) {
	e.end(t, "", false)
	e.exit(t)
	if t.gone {
		e.forget(t)
	}
}

func (e *edge) resumedOrNot(t *tie, seq uint64, m hub.Membership) {
	t.answer(seq)
	if t.resumed == nil {
		return
	}
	done := t.resumed
	t.resumed = nil
	if m.ID == "" {
		e.notIn(t)
		done <- hub.Resumed{}
		return
	}
	m.Session = t.member.Session
	e.visit(t, m.Room)
	t.member = m
	t.state = tieIn
	done <- hub.Resumed{Room: m.Room, ID: m.ID, Name: m.Name, Grant: m.Grant, Joined: m.Joined}
}

func (e *edge) left(t *tie) {
	if t.state != tieLeaving {
		return
	}
	e.exit(t)
	if !t.closed {
		t.out.Begin(false)
	}
	deferred := t.deferred
	t.deferred = nil
	for _, c := range deferred {
		e.command(c)
	}
	if t.gone {
		e.forget(t)
	}
}
