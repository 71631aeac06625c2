package cluster

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// The events that a node logs.
const (
	EventNodeUp       = "node up"                     // node
	EventNodeDown     = "node down"                   // node
	EventOwn          = "partition owned"             // partition, epoch; at level debug
	EventPartitions   = "partitions moved"            // partitions: that this node owns now
	EventHandOver     = "partition handed"            // partition, to
	EventBroken       = "invariant broken"            // invariant: a bug
	EventUnreadable   = "record unreadable"           // node, record: its kind; or key: of the register. A bug, or another version
	EventVersion      = "node speaks another version" // node, min, max: it is not worked with
	EventYield        = "node yields"                 // node: that is not reached, so this one leaves for a while
	EventRegisterLost = "register lost"               // it was made anew, and all begins anew
	EventWaiting      = "cluster waiting"             // nodes, partitions: this node is not ready yet
	EventReady        = "cluster ready"               // nodes
	EventFenced       = "node fenced"                 // the others took this node for lost
	EventOverruled    = "partition overruled"         // partition, node: another owns what this node owned
)

// control knows who is there and who owns what, and keeps this node's part of it.
// Everything in it is owned by its goroutine.
type control struct {
	n           *Node
	incarnation uint64
	owner       *owner
	state       string

	nodes     map[string]*nodeView
	parts     [Partitions]partView
	placement placement // who should own what, of the nodes that are up
	claims    int       // writes that are under way, of partitions
	lookedAt  time.Time // when we last looked where members are

	lease            *lease
	restUntil        time.Time       // until then we own nothing, if others can
	goodAt           time.Time       // when our lease was last good, or when we began
	told             bool            // this node has been ready
	toldAt           time.Time       // when the log was last told that it is not
	owned, ownedTold int64           // partitions that are ready, and of which the log was told
	ownedAt          time.Time       // when owned last changed
	registers        int             // that there have been
	joinedAt         time.Time       // when this incarnation was first seen in the register
	claimFrom        time.Time       // before that we claim nothing
	complained       map[string]bool // nodes that were logged as too new or too old
}

type nodeView struct {
	entry    nodeEntry
	revision uint64
	seen     time.Time // when the register last told a renewal
	link     *link
	fencing  bool
	stuck    bool      // it is not reached: see control.stuck
	blames   time.Time // since when its entry says that it does not reach us; zero: it does not
}

type partView struct {
	entry    partEntry
	revision uint64
	claiming bool
	started  uint64 // the epoch that we have begun to own
	move     *move  // nil: it stays where it is
	follows  following
}

func (c *control) init(n *Node) {
	c.n, c.state, c.nodes, c.complained = n, "up", map[string]*nodeView{}, map[string]bool{}
	c.lease, c.goodAt, c.toldAt = newLease(n), time.Now(), time.Now()
	c.begin(time.Time{})
}

// begin makes a new incarnation, which owns nothing and enters the register at some time.
func (c *control) begin(enters time.Time) {
	c.incarnation = randomID()
	o := newOwner(c.n)
	rooms := c.n.rooms
	rooms.TellNodes, rooms.Taken, rooms.Arrived = o.tellNodes, o.taken, o.arrived
	rooms.PartitionOf, rooms.QueueBytes = PartitionOf, c.n.options.QueueBytes
	rooms.Moved = func(k actor.Membership, r actor.RoomMeta) { c.n.edge.mail.put(moved{k, r}) }
	rooms.Returned = func(command actor.Command) { c.n.edge.mail.put(command) }
	h := actor.New(rooms)
	o.hub, c.owner = h, o
	c.n.mu.Lock()
	c.n.hub = h
	c.n.mu.Unlock()
	c.lease.begin(nodeEntry{Incarnation: c.incarnation, State: c.says(), Min: wireMin, Max: c.n.options.wire}, enters)
}

// says returns the state that our entry says.
func (c *control) says() string {
	if c.state == "up" && time.Now().Before(c.restUntil) {
		return "resting"
	}
	return c.state
}

func (c *control) run() {
	tick := time.NewTicker(renewTime / 5)
	defer tick.Stop()
	for {
		select {
		case m := <-c.n.inbox:
			c.handle(m)
		case <-tick.C:
			c.tick()
		case <-c.n.stop:
			return
		}
	}
}

func (c *control) handle(m any) {
	switch m := m.(type) {
	case *records:
		c.packet(m)
	case change:
		c.changed(m.entry, m.at)
	case func():
		m()
	}
}

func (c *control) packet(m *records) {
	defer m.free()
	if c.owner.peers[m.link] == nil {
		return // it was on its way when the node was taken for gone
	}
	handed := 0
	for rec := range m.all {
		if m.link.isRefused() {
			return
		}
		if rec.b[0] == recHandover {
			c.inherit(m.link, rec)
			handed++
		}
	}
	if handed < m.count {
		c.owner.take(m)
	}
}

// change is what the register has told at some time. Control may be behind.
type change struct {
	entry Entry
	at    time.Time
}

// changed takes in what the register said at some time.
func (c *control) changed(e Entry, at time.Time) {
	if name, ok := strings.CutPrefix(e.Key, "node."); ok {
		var entry nodeEntry
		if json.Unmarshal(e.Value, &entry) == nil {
			c.nodeChanged(name, entry, e.Revision, at)
		} else {
			c.nodeUnreadable(name, e, at)
		}
		return
	}
	if text, ok := strings.CutPrefix(e.Key, "part."); ok {
		p, err := strconv.Atoi(text)
		if err != nil || p < 0 || p >= Partitions || e.Revision < c.parts[p].revision {
			return
		}
		v := &c.parts[p]
		v.revision = e.Revision
		var entry partEntry
		if json.Unmarshal(e.Value, &entry) != nil {
			c.partUnreadable(p, e)
			return
		}
		v.entry = entry
		c.partChanged(p)
	}
}

// unreadable tells the log of an entry that can't be read. One without a value was deleted.
func (c *control) unreadable(e Entry) {
	if len(e.Value) > 0 {
		c.n.options.Logger.Error(EventUnreadable, zap.String("key", e.Key))
	}
}

// nodeUnreadable takes in that the entry of a node can't be read. That node begins anew when
// it sees that; if it is dead, others say that it is gone. Till then it is what it was.
func (c *control) nodeUnreadable(name string, e Entry, at time.Time) {
	if v := c.nodes[name]; v != nil && e.Revision > v.revision {
		v.revision, v.seen = e.Revision, at
		c.unreadable(e)
	}
}

// partUnreadable takes in that the entry of a partition can't be read. Its owner writes it
// again. Where nobody does in time, the partition is nobody's.
func (c *control) partUnreadable(p int, e Entry) {
	c.unreadable(e)
	v := &c.parts[p]
	switch {
	case v.entry.Node == "":
		v.entry.Node = nobodyKnows
	case v.entry.Incarnation == c.incarnation && !v.claiming && c.n.available():
		c.claim(p, v.entry)
	}
}

// nobodyKnows stands for the owner of a partition of which the entry was never read. No node
// has this name.
const nobodyKnows = "?"

func (c *control) nodeChanged(name string, entry nodeEntry, revision uint64, at time.Time) {
	v := c.nodes[name]
	if v == nil {
		v = new(nodeView)
		c.nodes[name] = v
	}
	if revision <= v.revision {
		return
	}
	v.revision, v.seen, v.fencing = revision, at, false
	before := v.entry
	v.entry = entry
	if !slices.Contains(entry.Stuck, c.n.options.Name) {
		v.blames = time.Time{}
	} else if v.blames.IsZero() {
		v.blames = time.Now()
	}
	rooms := int64(0)
	for other, v := range c.nodes {
		if other != c.n.options.Name && v.entry.State != "gone" {
			rooms += v.entry.Rooms
		}
	}
	c.n.elsewhere.Store(rooms)
	if name == c.n.options.Name {
		c.ownChanged(entry)
		return
	}
	if v.link != nil && (entry.State == "gone" || entry.Incarnation != before.Incarnation) {
		c.down(name, v)
	}
	if entry.State != "gone" && v.link == nil && c.joined() {
		c.up(name, v)
	}
}

// joined reports whether our own entry is in the register.
func (c *control) joined() bool {
	own := c.nodes[c.n.options.Name]
	return own != nil && own.link != nil
}

// ownChanged finds our own entry changed, by ourselves or by others.
func (c *control) ownChanged(entry nodeEntry) {
	own := c.nodes[c.n.options.Name]
	switch {
	case c.lease.isLost() && c.state != "gone":
		c.n.options.Logger.Warn(EventFenced)
		c.fenced(time.Time{})
	case entry.Incarnation == c.incarnation && entry.State != "gone" && own.link == nil:
		c.joinedAt = time.Now()
		c.up(c.n.options.Name, own)
		for name, v := range c.nodes {
			if v.link == nil && v.entry.State != "gone" && name != c.n.options.Name {
				c.up(name, v)
			}
		}
		c.assign()
	}
}

func (c *control) up(name string, v *nodeView) {
	if !v.entry.speaks(c.n.options.wire) {
		if !c.complained[name] {
			c.complained[name] = true
			c.n.options.Logger.Error(EventVersion, zap.String("node", name), zap.Int("min", v.entry.Min), zap.Int("max", v.entry.Max))
		}
		return
	}
	if !v.blames.IsZero() {
		v.blames = time.Now() // what it said before was of another incarnation, or of another link
	}
	v.link = c.n.connect(c.incarnation, name, v.entry, c.owner)
	c.owner.linkUp(v.link)
	c.n.options.Logger.Info(EventNodeUp, zap.String("node", name))
}

func (c *control) down(name string, v *nodeView) {
	l := v.link
	v.link = nil
	c.n.disconnect(l)
	c.n.toEdge(lost{l})
	c.owner.linkDown(l)
	c.n.options.Logger.Info(EventNodeDown, zap.String("node", name))
	c.assign()
}

// put writes an entry in the background, and calls done in control.
func (c *control) put(key string, value any, revision uint64, done func(revision uint64, err error)) {
	b, err := json.Marshal(value)
	if err != nil {
		return // can't be
	}
	registers := c.registers
	c.n.stopped.Go(func() {
		ctx, cancel := context.WithTimeout(c.n.ctx, putTime)
		defer cancel()
		at, err := c.n.options.Backplane.Put(ctx, key, b, revision)
		c.n.post(func() {
			if registers == c.registers { // else it was another register's answer
				done(at, err)
			}
		})
	})
}

// leave says that we have gone.
func (c *control) leave() {
	c.state = "gone"
	c.lease.set("gone", nil)
}

// drain begins to leave: others are to own what we do.
func (c *control) drain() {
	c.state = "draining"
	c.lease.set("draining", nil)
}
