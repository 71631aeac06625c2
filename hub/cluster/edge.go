package cluster

import (
	"maps"
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
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

	ties    map[*actor.Client]*tie
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
	meta actor.RoomMeta
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
		n: n, inbox: make(chan any, 4096), ties: map[*actor.Client]*tie{}, keys: map[uint64]*tie{},
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
	e.flush()
	for l := range e.flights {
		l.flush()
	}
}

// flush lets what was queued for connections go.
func (e *edge) flush() {
	for _, t := range e.touched {
		t.touched = false
		t.out.Flush()
	}
	e.touched = e.touched[:0]
}

func (e *edge) handle(m any) {
	switch m := m.(type) {
	case inbound:
		for _, rec := range m.records {
			e.receive(m.link, rec)
		}
		// After a new owner has taken over much comes at once: it is not to wait in
		// the queues of connections until all of it has come.
		e.flush()
	case lost:
		e.lost(m.link)
	case actor.Command:
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
	var frames []*frame.Frame
	if t.member.Session != "" {
		had, frames = t.out.Kept()
	}
	m := t.member
	m.Handled = t.handled()
	l.write(func(w *writer) {
		w.head(recAttach, commandHead{part: p, key: t.key})
		w.number(epoch)
		w.connection(t.client)
		w.membership(&m)
		w.number(had)
		w.frames(frames)
	})
	for _, f := range frames {
		f.Release()
	}
}

// handled is how many messages of the membership an owner has handled for certain.
func (t *tie) handled() uint64 {
	if len(t.pending) > 0 {
		return t.before + t.pending[0].seq - 1
	}
	return t.before + t.seq
}

// ready sends an owner what waits for it.
func (e *edge) ready(l *link, p int, epoch uint64) {
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
		if p, epoch := r.partition(), r.number(); !r.bad {
			e.own(l, p, epoch)
		}
		return
	case recReady:
		if p, epoch := r.partition(), r.number(); !r.bad {
			e.ready(l, p, epoch)
		}
		return
	case recDisown:
		if p := r.partition(); !r.bad && e.parts[p].owner == l {
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
		t.out.Reset(r.flag())
	case recAdopt:
		t.out.Adopt(r.number(), r.frames())
		e.touch(t)
	case recChallenge:
		t.out.Challenge(time.Duration(r.number()))
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

func (e *edge) meta(m actor.RoomMeta) {
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
