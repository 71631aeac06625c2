package cluster

import (
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// This file decides who owns what, and moves it.

// desired returns the node that should own a partition; empty: there is none.
func (c *control) desired(p int) string { return c.placement.owners[p] }

// spread settles anew who should own what if other nodes are up than before: those that
// are up, or, if none is, those that rest.
func (c *control) spread() {
	names := c.inState("up")
	if len(names) == 0 {
		names = c.inState("resting")
	}
	if !slices.Equal(names, c.placement.names) {
		c.placement = place(names)
	}
}

// inState returns the names of the nodes of a state, sorted.
func (c *control) inState(state string) (names []string) {
	for name, v := range c.nodes {
		if v.entry.State == state && v.link != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// live returns the view of the node of an incarnation, or nil if that is gone. A node that
// speaks another version lives, but there is no link to it.
func (c *control) live(name string, incarnation uint64) *nodeView {
	v := c.nodes[name]
	if v == nil || v.link == nil && v.entry.speaks(c.n.options.wire) || v.entry.Incarnation != incarnation || v.entry.State == "gone" {
		return nil
	}
	return v
}

// assign claims what we should own and nobody does, and hands over what another
// should own.
func (c *control) assign() {
	if !c.joined() || !c.n.available() || time.Now().Before(c.claimFrom) {
		return
	}
	c.spread()
	mine, owned := 0, int64(0)
	for p := range c.parts {
		v := &c.parts[p]
		if v.entry.Incarnation == c.incarnation {
			mine++
		}
		if c.owner.parts[p].state == partReady {
			owned++
		}
		if v.claiming {
			continue
		}
		to := c.desired(p)
		ours := v.entry.Incarnation == c.incarnation && v.started == v.entry.Epoch
		if ours {
			to = c.target(p)
		}
		switch {
		case c.isFree(v.entry) && to == c.n.options.Name && c.claims < maxClaims:
			c.claim(p, partEntry{Node: to, Incarnation: c.incarnation, Epoch: v.entry.Epoch + 1})
		case ours && v.move != nil:
			c.advance(p)
		case ours && to != "" && to != c.n.options.Name && c.owner.parts[p].state == partReady:
			c.handOver(p)
		}
	}
	c.n.owned.Store(owned)
	c.tellOwned(owned, time.Now())
	if c.state == "draining" {
		c.leaveWhenFree(mine)
	}
}

// isFree reports whether nobody who lives owns a partition. An owner that this node has
// never heard of may live, until it must have been heard of.
func (c *control) isFree(e partEntry) bool {
	known := e.Node == "" || c.nodes[e.Node] != nil || time.Since(c.joinedAt) > fenceTime
	return known && c.live(e.Node, e.Incarnation) == nil
}

// leaveWhenFree leaves once nothing is ours, nobody is with us, and all that we have said
// has arrived. For one tick before that it takes no packets: so no node hands over to us
// what we would take along.
func (c *control) leaveWhenFree(mine int) {
	free := (mine == 0 && !c.promised() || c.desired(0) == "") && c.n.connections.Load() == 0 && c.quiet()
	if free && c.n.deaf.Load() {
		c.leave()
	} else {
		c.n.deaf.Store(free)
	}
}

// promised reports whether another node hands something over to us that the register does
// not know of yet, or we have claimed something.
func (c *control) promised() bool {
	for p := range c.parts {
		in := c.owner.parts[p].inherited
		if c.parts[p].claiming || in != nil && in.epoch > c.parts[p].entry.Epoch {
			return true
		}
	}
	return false
}

// tellOwned tells the log how much this node owns, when that has not changed for a second.
func (c *control) tellOwned(owned int64, now time.Time) {
	switch {
	case owned != c.owned:
		c.owned, c.ownedAt = owned, now
	case owned != c.ownedTold && now.Sub(c.ownedAt) >= time.Second:
		c.ownedTold = owned
		c.n.options.Logger.Info(EventPartitions, zap.Int64("partitions", owned))
	}
}

// quiet reports whether all that this node has said has arrived.
func (c *control) quiet() bool {
	for _, at := range c.n.positions() {
		if !at.link.has(at.seq) {
			return false
		}
	}
	return true
}

// maxClaims is how many free partitions are claimed at once: more writes than that would
// wait for each other in the register.
const maxClaims = 64

func (c *control) claim(p int, entry partEntry) {
	v := &c.parts[p]
	v.claiming = true
	c.claims++
	c.put("part."+strconv.Itoa(p), entry, v.revision, func(at uint64, err error) {
		v.claiming = false
		if c.claims--; c.claims == 0 && err == nil {
			defer c.assign() // the next ones; what has failed waits for the next tick
		}
		if err == nil && at > v.revision {
			v.entry, v.revision = entry, at
			c.partChanged(p)
		}
	})
}

// partChanged begins to own a partition that the register says is ours, and gives up one
// that it says is not.
func (c *control) partChanged(p int) {
	v := &c.parts[p]
	if v.entry.Incarnation != c.incarnation {
		v.move.discard()
		v.move = nil
		c.owner.overruled(p, v.entry.Epoch)
		if state := c.owner.parts[p].state; state == partReady || state == partRecovering {
			c.n.options.Logger.Error(EventOverruled, zap.Int("partition", p), zap.String("node", v.entry.Node))
			c.owner.release(p, func(actor.Exported) {})
			c.owner.disown(p)
		}
		return
	}
	if v.started == v.entry.Epoch {
		return
	}
	v.started = v.entry.Epoch
	v.follows = following{}
	if c.n.options.Follow > 0 && c.owner.parts[p].inherited != nil {
		v.follows.node = c.n.options.Name // the owner before may have had its reasons
	}
	if m := v.move; m != nil { // it was to be another's, but is ours again
		v.move = nil
		c.owner.inherit(p, &inheritance{m.out, v.entry.Epoch})
	}
	c.n.options.Logger.Debug(EventOwn, zap.Int("partition", p), zap.Uint64("epoch", v.entry.Epoch))
	c.owner.own(p, v.entry.Epoch)
}

// move is a partition on its way to another owner (invariant 5).
type move struct {
	step moveStep
	out  actor.Exported // what the next owner is to have
	to   string         // the next owner
	key  uint64         // its incarnation
}

type moveStep int

const (
	moveExporting moveStep = iota // the hub lets go of the rooms
	moveSettling                  // what was done here is to arrive
	moveSettled                   // the next owner is to be told
	moveTelling                   // what is told is to arrive
	moveTold                      // the register is to say so
)

func (m *move) discard() {
	if m != nil {
		discard(m.out)
	}
}

// discard gives back what is kept for the members of rooms that nobody takes.
func discard(out actor.Exported) {
	for _, k := range out.Members {
		k.Out.Discard()
	}
}

// handOver begins to give a partition to another node.
func (c *control) handOver(p int) {
	m := new(move)
	c.parts[p].move = m
	c.owner.release(p, func(out actor.Exported) {
		go c.n.post(func() { // the hub loop waits for nobody
			m.out = out
			for i := range out.Members {
				out.Members[i].Client = nil // the next owner attaches it anew
				out.Members[i].Out.Suspend()
			}
			if c.parts[p].move != m {
				m.discard()
				return
			}
			m.step = moveSettling
			c.whenQuiet(p, m, moveSettled)
		})
	})
}

// whenQuiet takes a move to its next step when all that this node has said has arrived.
func (c *control) whenQuiet(p int, m *move, next moveStep) {
	c.owner.confirmations.add(nil, c.n.positions(), func() {
		go c.n.post(func() {
			if c.parts[p].move == m {
				m.step = next
				c.advance(p)
			}
		})
	})
}

// advance does the next step of a move. The node that should own the partition may have changed
// meanwhile.
func (c *control) advance(p int) {
	v := &c.parts[p]
	m := v.move
	if v.claiming || !c.n.available() {
		return
	}
	c.spread()
	if to := c.live(m.to, m.key); m.step == moveTold && (to == nil || to.entry.State == "draining") {
		m.step = moveSettled
	}
	epoch := v.entry.Epoch + 1
	switch m.step {
	case moveSettled:
		m.to = c.target(p)
		if m.to == "" || m.to == c.n.options.Name {
			c.owner.disown(p)
			c.claim(p, partEntry{Node: c.n.options.Name, Incarnation: c.incarnation, Epoch: epoch})
			return
		}
		next := c.nodes[m.to]
		m.key, m.step = next.entry.Incarnation, moveTelling
		c.owner.disown(p)
		next.link.write(func(w *writer) { w.handover(p, epoch, m.out) })
		next.link.flush()
		c.whenQuiet(p, m, moveTold)
	case moveTold:
		c.n.options.Logger.Debug(EventHandOver, zap.Int("partition", p), zap.String("to", m.to))
		c.claim(p, partEntry{Node: m.to, Incarnation: m.key, Epoch: epoch})
	}
}

// inherit takes what the owner before has handed over.
func (c *control) inherit(l *link, rec record) {
	r := &reader{b: rec.b[1:], version: l.version}
	if p, in := r.handover(c.n.options.QueueBytes, c.n.resumeWindow()); in != nil {
		c.owner.inherit(p, in)
	} else {
		l.refuse(recHandover)
	}
}
