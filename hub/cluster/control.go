package cluster

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/wire"
)

// Times of leases. A node acts on what it owns for leaseTime from the start of its
// last renewal that went through; others take it for lost fenceTime after they have
// seen a renewal, and say so in its entry, which its next renewal then finds changed.
// So nobody owns what another still acts on, as long as clocks run at the same rate
// to a quarter. Who could not renew itself does not hold it against others.
const (
	renewTime = 500 * time.Millisecond
	leaseTime = 2600 * time.Millisecond
	fenceTime = 3400 * time.Millisecond
	putTime   = 500 * time.Millisecond // for an answer of the register
)

// The events that a node logs.
const (
	EventNodeUp    = "node up"             // node
	EventNodeDown  = "node down"           // node
	EventOwn       = "partition owned"     // partition, epoch
	EventHandOver  = "partition handed"    // partition, to
	EventBroken    = "invariant broken"    // invariant: a bug
	EventFenced    = "node fenced"         // the others took this node for lost
	EventOverruled = "partition overruled" // partition, node: another owns what this node owned
)

// nodeEntry is what the register has of a node.
type nodeEntry struct {
	Incarnation uint64 `json:"incarnation"`
	State       string `json:"state"` // up, draining, gone
	Beat        uint64 `json:"beat"`  // makes every renewal a change
	Rooms       int64  `json:"rooms"` // that it owns
}

// partEntry is what the register has of a partition.
type partEntry struct {
	Node        string `json:"node"`
	Incarnation uint64 `json:"incarnation"`
	Epoch       uint64 `json:"epoch"`
}

// control knows who is there and who owns what, and keeps this node's part of it.
// Everything in it is owned by its goroutine.
type control struct {
	n           *Node
	incarnation uint64
	owner       *owner
	state       string

	nodes map[string]*nodeView
	parts [Partitions]partView

	revision uint64 // of our own entry
	beat     uint64
	beating  bool      // a renewal is on its way
	renewed  time.Time // when one last went through
	since    time.Time // they have gone through without a gap since then
}

type nodeView struct {
	entry    nodeEntry
	revision uint64
	seen     time.Time
	link     *link
	fencing  bool
}

type partView struct {
	entry    partEntry
	revision uint64
	claiming bool
	started  uint64 // the epoch that we have begun to own
	move     *move  // nil: it stays where it is
}

func (c *control) init(n *Node) {
	c.n, c.state, c.nodes = n, "up", map[string]*nodeView{}
	c.begin()
}

// begin makes a new incarnation, which owns nothing.
func (c *control) begin() {
	c.incarnation = randomID()
	o := newOwner(c.n)
	rooms := c.n.rooms
	rooms.Share, rooms.Arrived = o.share, o.arrived
	h := actor.New(rooms)
	o.hub, c.owner = h, o
	c.n.mu.Lock()
	c.n.hub = h
	c.n.mu.Unlock()
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
	case packet:
		c.packet(m)
	case Entry:
		c.changed(m)
	case func():
		m()
	}
}

func (c *control) packet(m packet) {
	commands := m.commands[:0]
	for _, rec := range m.commands {
		if rec.b[0] == recHandover {
			c.inherit(rec)
		} else {
			commands = append(commands, rec)
		}
	}
	c.owner.take(m.link, m.seq, commands)
}

// changed takes in what the register says.
func (c *control) changed(e Entry) {
	if name, ok := strings.CutPrefix(e.Key, "node."); ok {
		var entry nodeEntry
		if json.Unmarshal(e.Value, &entry) == nil {
			c.nodeChanged(name, entry, e.Revision)
		}
		return
	}
	if text, ok := strings.CutPrefix(e.Key, "part."); ok {
		p, err := strconv.Atoi(text)
		var entry partEntry
		if err != nil || p < 0 || p >= Partitions || json.Unmarshal(e.Value, &entry) != nil || e.Revision < c.parts[p].revision {
			return
		}
		c.parts[p].entry, c.parts[p].revision = entry, e.Revision
		c.partChanged(p)
	}
}

func (c *control) nodeChanged(name string, entry nodeEntry, revision uint64) {
	v := c.nodes[name]
	if v == nil {
		v = new(nodeView)
		c.nodes[name] = v
	}
	if revision <= v.revision {
		return
	}
	v.revision, v.seen, v.fencing = revision, time.Now(), false
	before := v.entry
	v.entry = entry
	rooms := int64(0)
	for other, v := range c.nodes {
		if other != c.n.options.Name && v.entry.State != "gone" {
			rooms += v.entry.Rooms
		}
	}
	c.n.elsewhere.Store(rooms)
	if name == c.n.options.Name {
		c.ownChanged(entry, revision)
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
func (c *control) ownChanged(entry nodeEntry, revision uint64) {
	own := c.nodes[c.n.options.Name]
	switch {
	case entry.Incarnation == c.incarnation && entry.State == "gone" && own.link != nil && c.state != "gone":
		c.fenced()
	case entry.Incarnation == c.incarnation && entry.State != "gone" && own.link == nil:
		c.up(c.n.options.Name, own)
		for name, v := range c.nodes {
			if v.link == nil && v.entry.State != "gone" && name != c.n.options.Name {
				c.up(name, v)
			}
		}
		c.assign()
	}
	c.revision = max(c.revision, revision)
}

func (c *control) up(name string, v *nodeView) {
	v.link = c.n.connect(c.incarnation, name, v.entry.Incarnation, c.owner)
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

// fenced begins anew: the others have taken us for lost. Connections stay, and are
// attached to the owners that there are now.
func (c *control) fenced() {
	c.n.options.Logger.Warn(EventFenced)
	c.n.validUntil.Store(0)
	c.owner.confirmations.stop()
	c.n.toEdge(c.n.edge.takenForLost)
	for name, v := range c.nodes {
		if v.link != nil {
			c.down(name, v)
		}
	}
	old := c.owner.hub
	old.Close()
	for _, gauge := range []*atomic.Int64{&c.n.stats.Clients, &c.n.stats.Rooms, &c.n.stats.Members, &c.n.stats.Suspended} {
		gauge.Store(0)
	}
	c.begin()
	for p := range c.parts {
		c.parts[p].started = 0
		c.parts[p].move.discard()
		c.parts[p].move = nil
	}
	c.renew()
}

// tick renews our lease, finds out who is lost, and sees to partitions.
func (c *control) tick() {
	c.renew()
	now := time.Now()
	if !c.n.available() {
		if c.state == "draining" && c.n.connections.Load() == 0 {
			c.leave() // nothing can be handed over
		}
		return
	}
	for name, v := range c.nodes {
		if name != c.n.options.Name && v.entry.State != "gone" && now.Sub(v.seen) > fenceTime && now.Sub(c.since) > fenceTime && !v.fencing {
			v.fencing = true
			entry := v.entry
			entry.State = "gone"
			c.put("node."+name, entry, v.revision, func(_ uint64, err error) { v.fencing = false })
		}
	}
	c.assign()
}

// put writes an entry in the background, and calls done in control.
func (c *control) put(key string, value any, revision uint64, done func(revision uint64, err error)) {
	b, err := json.Marshal(value)
	if err != nil {
		return // can't be
	}
	c.n.stopped.Go(func() {
		ctx, cancel := context.WithTimeout(c.n.ctx, putTime)
		defer cancel()
		at, err := c.n.options.Backplane.Put(ctx, key, b, revision)
		c.n.post(func() { done(at, err) })
	})
}

// renew writes our entry, if it is time.
func (c *control) renew() {
	own := c.nodes[c.n.options.Name]
	if c.beating || own != nil && own.link != nil && own.entry.State == c.state && time.Since(own.seen) < renewTime {
		return
	}
	c.beating = true
	c.beat++
	begun := time.Since(c.n.started)
	incarnation, leaving := c.incarnation, c.state == "gone"
	c.put("node."+c.n.options.Name, nodeEntry{incarnation, c.state, c.beat, c.n.stats.Rooms.Load()}, c.revision, func(at uint64, err error) {
		c.beating = false
		if incarnation != c.incarnation {
			return
		}
		if leaving {
			// That we have gone is a courtesy: the others find out, if there are any.
			c.n.drainOnce.Do(func() { close(c.n.drained) })
		}
		if err != nil {
			return
		}
		c.revision = max(c.revision, at)
		c.n.validUntil.Store(int64(begun + leaseTime))
		now := time.Now()
		if now.Sub(c.renewed) > 2*renewTime {
			c.since = now
		}
		c.renewed = now
	})
}

// leave says that we have gone.
func (c *control) leave() {
	c.state = "gone"
	c.beating = false // what is on its way says something else
	c.renew()
}

// drain begins to leave: others are to own what we do, and connections are closed.
func (c *control) drain() {
	c.state = "draining"
	c.renew()
	c.n.toEdge(func() { c.n.edge.closeAll(wire.CloseGoingAway, drainReason) })
}
