// Package cluster makes one server of several nodes. Each room has one owner, the
// hub of one node; the nodes' connections are its edges. Which node owns a room is
// settled for partitions of the rooms, in a register that all nodes agree on, and
// moves when nodes come, go, or are lost.
//
// An edge passes its connections' commands to the owners of their rooms and keeps each
// until all its effects have arrived; to a new owner it sends them again, behind what that
// must know of its memberships. The owner numbers what a membership gets, and drops what it
// has had. So none is lost and none comes twice while rooms move. The invariants have
// numbers, which comments refer to: see "The cluster" in ARCHITECTURE.md.
package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// Partitions is how many parts the rooms are divided into; each has one owner.
const Partitions = wire.Partitions

// PartitionOf returns the partition of a room.
func PartitionOf(room string) int { return wire.PartitionOf(room) }

// Options are those of a node.
type Options struct {
	Name       string // of the node; no other that lives has it
	Backplane  Backplane
	Hub        hub.Options   // of the rooms that this node owns
	QueueBytes int           // that may wait for the owner of a connection's room; at least 1
	LinkBytes  int           // that may wait for one node; 0: 16 MiB
	Follow     time.Duration // between two looks at where members are: rooms move there, a partition at a time; 0: they do not
	Logger     *zap.Logger

	wire int // the newest wire version that it speaks; 0: wireMax. Tests have older nodes.
}

const defaultLinkBytes = 16 << 20

// Node is one node of a cluster. It takes the commands of its
// connections as a [actor.Hub] does.
type Node struct {
	// Set before start, then read only.
	options  Options
	rooms    actor.Options // of the rooms that this node owns
	face     *hub.Hub
	edge     *edge
	stop     chan struct{}
	ctx      context.Context // done with stop
	cancel   context.CancelFunc
	stopped  sync.WaitGroup
	closed   chan struct{}
	failed   chan error // has room for one
	failOnce sync.Once

	inbox      chan any      // for control
	validUntil atomic.Int64  // nanoseconds since started: so long our lease is good
	holder     atomic.Uint64 // the incarnation that has it; changes only while it is not good
	started    time.Time
	drained    chan struct{} // closed when nothing is left to hand over
	drainOnce  sync.Once
	closeOnce  sync.Once

	control control // owned by its goroutine

	mu    sync.RWMutex
	links map[uint64]*link // by the other's incarnation; guarded by mu
	hub   *actor.Hub       // the present one; guarded by mu

	requests  map[uint64]chan<- []byte // under way; guarded by mu
	stats     *stats.Hub
	deaf      atomic.Bool  // packets are not taken: the node is about to leave
	serves    atomic.Bool  // it has been ready
	elsewhere atomic.Int64 // rooms of other nodes
	owned     atomic.Int64 // partitions that take commands

	connections atomic.Int64 // of this node that are not forgotten
}

// New joins the cluster. Close leaves it at once, Drain in order.
func New(o Options) (*Node, error) {
	var n *Node
	face, err := hub.NewOver(o.Hub, func(rooms actor.Options) (_ actor.Core, err error) {
		n, err = newNode(o, rooms)
		return n, err
	})
	if err != nil {
		return nil, err
	}
	n.face = face
	return n, nil
}

// Hub returns the hub of all nodes' rooms, as this node offers it to its
// connections.
func (n *Node) Hub() *hub.Hub { return n.face }

func newNode(o Options, rooms actor.Options) (*Node, error) {
	if o.LinkBytes == 0 {
		o.LinkBytes = defaultLinkBytes
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.wire == 0 {
		o.wire = wireMax
	}
	n := &Node{
		options: o, stop: make(chan struct{}), closed: make(chan struct{}), inbox: make(chan any, 4096),
		started: time.Now(), drained: make(chan struct{}), failed: make(chan error, 1), links: map[uint64]*link{},
		requests: map[uint64]chan<- []byte{}, rooms: rooms, stats: rooms.Stats,
	}
	n.rooms.Elsewhere = func() int { return int(n.elsewhere.Load()) }
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.edge = newEdge(n)
	n.control.init(n)
	if err := o.Backplane.Start(n.receive, n.changed, n.renewed); err != nil {
		return nil, err
	}
	n.stopped.Go(func() { n.edge.run(n.stop) })
	n.stopped.Go(n.control.run)
	n.stopped.Go(n.control.lease.run)
	return n, nil
}

// Close ends the node as it is: the others find out.
func (n *Node) Close() { n.closeOnce.Do(n.end) }

func (n *Node) end() {
	close(n.stop)
	n.cancel()
	n.options.Backplane.Close()
	n.mu.RLock()
	for _, l := range n.links {
		l.close()
	}
	n.mu.RUnlock()
	n.stopped.Wait()
	n.control.owner.hub.Close()
	close(n.closed)
}

// Closed is closed when the node has ended.
func (n *Node) Closed() <-chan struct{} { return n.closed }

// Resumes reports whether memberships can be resumable.
func (n *Node) Resumes() bool { return n.resumeWindow() > 0 }

// resumeWindow returns how long a resumable membership outlives its connection.
func (n *Node) resumeWindow() time.Duration { return n.rooms.Current.Load().ResumeWindow }

// NewSession makes a session for a room, that any node can find the way by.
func (n *Node) NewSession(room string) string { return actor.NewSession(uint16(PartitionOf(room))) }

// Do takes a command of a connection.
func (n *Node) Do(c actor.Command) error {
	client := actor.ClientOf(c)
	_, ends := c.(actor.Unregister)
	if ends {
		client.End()
	}
	if client != nil && !ends && client.Straight(c) {
		if _, leaves := c.(actor.Leave); leaves {
			n.toEdge(left{client})
		}
		return nil
	}
	if !n.toEdge(c) {
		return actor.ErrClosed
	}
	return nil
}

// Acknowledged says that a client has answered a ping.
func (n *Node) Acknowledged(c *actor.Client) {
	n.toEdge(func() { n.edge.command(acknowledged{c}) })
}

// cutOffTime is how long the lease may have run out before members that can resume are sent
// to another node: a slow register is no reason to.
const cutOffTime = time.Second

// receive takes a packet from the backplane.
func (n *Node) receive(packet []byte) {
	from, to, ok := incarnations(packet)
	if !ok {
		return
	}
	if l := n.linkTo(from); l != nil && l.own == to && !n.deaf.Load() {
		l.receive(packet)
	}
}

// linkTo returns the link to the node of an incarnation, or nil.
func (n *Node) linkTo(incarnation uint64) *link {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.links[incarnation]
}

// changed takes an entry from the backplane. News for the lease does not wait for
// control.
func (n *Node) changed(e Entry) {
	switch e.Key {
	case nodeKey(n.options.Name):
		entry := nodeEntry{State: "gone"} // what can't be read is nobody's
		if read := (nodeEntry{}); json.Unmarshal(e.Value, &read) == nil {
			entry = read
		}
		n.control.lease.seen(entry, e.Revision)
	case comingKey(n.options.Name):
		n.control.lease.hasCome(e.Revision)
	}
	n.post(change{e, time.Now()})
}

// post gives control something to do. It reports false if the node has stopped.
func (n *Node) post(m any) bool { return n.give(n.inbox, m) }

// toEdge gives the edge something to do, likewise.
func (n *Node) toEdge(m any) bool { return n.give(n.edge.inbox, m) }

func (n *Node) give(inbox chan<- any, m any) bool {
	select {
	case <-n.stop:
		return false
	default:
	}
	select {
	case inbox <- m: // much cheaper than to wait for either
		return true
	default:
	}
	select {
	case inbox <- m:
		return true
	case <-n.stop:
		return false
	}
}

// call has control or the edge, whichever post gives to, call f, and waits for it. If
// it reports false, f may still be running.
func (n *Node) call(post func(any) bool, f func()) bool {
	done := make(chan struct{})
	if !post(func() { f(); close(done) }) {
		return false
	}
	select {
	case <-done:
		return true
	case <-n.stop:
		return false
	}
}

// positions returns where all links will be when all that is written has been sent.
func (n *Node) positions() []position {
	n.mu.RLock()
	defer n.mu.RUnlock()
	at := make([]position, 0, len(n.links))
	for _, l := range n.links {
		at = append(at, position{l, l.mark()})
	}
	return at
}

var broken func(invariant string)

// connect makes the link to a node.
func (n *Node) connect(own uint64, node string, entry nodeEntry, o *owner) *link {
	peer := entry.Incarnation
	l := &link{node: node, own: own, peer: peer, version: min(entry.Max, n.options.wire), limit: n.options.LinkBytes}
	l.send = func(packet []byte) { n.options.Backplane.Send(node, packet) }
	if own == peer {
		l.send = l.receive
	}
	l.arrive = func(seq uint64, records []byte) bool { return n.deliver(l, seq, records) }
	l.complain = func(kind byte) {
		n.options.Logger.Error(EventUnreadable, zap.String("node", node), zap.Uint8("record", kind))
	}
	l.progress = func() { o.confirmations.progress(l) }
	newLink(l)
	n.stopped.Go(l.run)
	n.mu.Lock()
	n.links[peer] = l
	n.mu.Unlock()
	select {
	case <-n.stop:
		l.close() // Close may have come before it was in links
	default:
	}
	return l
}

func (n *Node) disconnect(l *link) {
	n.mu.Lock()
	if n.links[l.peer] == l {
		delete(n.links, l.peer)
	}
	n.mu.Unlock()
	l.close()
}

// deliver hands the records of a packet to the edge, the owner or whoever waits for
// them. It reports false if they can't be taken now.
func (n *Node) deliver(l *link, seq uint64, b []byte) bool {
	if l.isRefused() {
		return false
	}
	if l.own == l.peer && n.edge.heldBytes.Load() > int64(n.options.LinkBytes) {
		return false // it waits on the link, which takes no more messages then
	}
	var commands, frames *records // of the owner, and of the edge
	add := func(to **records, rec []byte) {
		if *to == nil {
			*to = newRecords(l, seq, len(rec)+len(b))
		}
		(*to).add(rec)
	}
	for len(b) > 0 {
		size := 0
		if len(b) > lengthBytes {
			size = int(binary.LittleEndian.Uint32(b))
		}
		if size == 0 || size > len(b)-lengthBytes {
			l.refuse(0)
			return false
		}
		rec := b[:lengthBytes+size]
		b = b[lengthBytes+size:]
		switch kind := rec[lengthBytes]; {
		case kind >= firstForAnybody:
			n.requested(l, record{rec[lengthBytes:]})
		case kind >= firstForNext || kind < firstForEdge:
			add(&commands, rec)
		default:
			add(&frames, rec)
		}
	}
	return (frames == nil || n.toEdge(frames)) && (commands == nil || n.post(commands))
}

func parseAddr(text string) netip.Addr {
	a, _ := netip.ParseAddr(text) // invalid: none is known
	return a
}

func randomID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// Drain hands what this node owns to others, closes every connection with 1001, and
// returns when both is done or ctx is. If ctx has a deadline, the closes are spread over at
// most half of the time until then, as those of a single daemon are.
func (n *Node) Drain(ctx context.Context) error {
	n.post(n.control.drain)
	_ = actor.Thin(ctx, int(n.connections.Load()), n.stop, func(some int) error {
		n.toEdge(func() { n.edge.closeSome(some) })
		return nil
	}) // whatever has ended it, the rest is closed at once
	n.toEdge(n.edge.closeAll)
	select {
	case <-n.drained:
		return nil
	case <-n.stop:
		return actor.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
