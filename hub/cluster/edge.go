package cluster

import (
	"sync/atomic"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// edge is the part of a node that its connections talk to: it passes their commands
// to the owners of their rooms, keeps them until all their effects have arrived, and
// hands the connections what owners send. Everything in it is owned by its loop, the
// goroutine of run, but for what is set before start.
type edge struct {
	// Set before start, then read only.
	n     *Node
	inbox chan any

	clients map[*actor.Client]*edgeClient
	keys    map[uint64]*edgeClient
	parts   [Partitions]edgePart
	rooms   map[string]*edgeRoom
	sent    map[*link]*queue[sentCommand]
	spare   spare  // for records of commands
	writer  writer // of the record that is being written
	touched []*edgeClient
	nextKey uint64
	drain   bool            // connections are closed as they come
	leaving [][]*edgeClient // that closeSome has not come to; nil: it has not begun
	mail    mail
	gated   atomic.Bool // a local connection was not written since the lease had run out

	held      []*records   // from the owner on this node, while the lease is not good
	heldBytes atomic.Int64 // of those
}

// edgePart is what the edge knows of a partition.
type edgePart struct {
	owner   *link // nil: none is known
	epoch   uint64
	ready   bool // the owner takes commands
	clients map[*edgeClient]struct{}

	// next owns the partition once the present owner has let go of it (invariant 2).
	next      *link // nil: nobody
	nextEpoch uint64
}

// edgeRoom is a room that connections of this node are in.
type edgeRoom struct {
	clients int
	meta    actor.RoomMeta
}

// sentCommand is a pending command that is on its way on a link.
type sentCommand struct {
	mark   uint64
	client *edgeClient
	gen    int
	seq    uint64
}

// lost says that a node is gone.
type lost struct{ link *link }

func newEdge(n *Node) *edge {
	e := &edge{
		n: n, inbox: make(chan any, 4096), clients: map[*actor.Client]*edgeClient{}, keys: map[uint64]*edgeClient{},
		rooms: map[string]*edgeRoom{}, sent: map[*link]*queue[sentCommand]{}, nextKey: randomID(),
		mail: mail{wake: make(chan struct{}, 1)},
	}
	for p := range e.parts {
		e.parts[p].clients = map[*edgeClient]struct{}{}
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
		case <-e.mail.wake:
			e.takeMail()
			e.finish()
		case <-stop:
			return
		}
	}
}

// finish lets what was queued go.
func (e *edge) finish() {
	e.flush()
	for l := range e.sent {
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

func (e *edge) touch(t *edgeClient) {
	if !t.touched {
		t.touched = true
		e.touched = append(e.touched, t)
	}
}

// take handles what an owner has sent.
func (e *edge) take(m *records) {
	defer m.free()
	if m.link.lost {
		return // it was on its way when the node was taken for gone
	}
	for rec := range m.all {
		if !m.link.isRefused() {
			e.receive(m.link, rec)
		}
	}
	// After a new owner has taken over much comes at once: it is not to wait in
	// the queues of connections until all of it has come.
	e.flush()
}

// release handles what was held back, if the lease is good again. Whatever the owner on this
// node does after its lease has run out must not be seen: another may own its rooms.
func (e *edge) release() {
	e.flushGated()
	for len(e.held) > 0 && e.n.availableAs(e.held[0].link.own) {
		m := e.held[0]
		e.held = e.held[1:]
		e.heldBytes.Add(-int64(len(m.b)))
		e.take(m)
	}
}

func (e *edge) handle(m any) {
	e.takeMail()
	switch m := m.(type) {
	case *records:
		if m.link.own == m.link.peer && (len(e.held) > 0 || !e.n.availableAs(m.link.own)) {
			e.held = append(e.held, m)
			e.heldBytes.Add(int64(len(m.b)))
			e.release()
			return
		}
		e.take(m)
	case lost:
		e.lost(m.link)
	case actor.Command:
		e.command(m)
	case left:
		e.command(m)
	case func():
		m()
	}
}
