package cluster

import (
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// This file finds out who is lost, this node among them. All of it runs in control.

// restTime is how long a node owns nothing after it was taken for lost, if others can: a
// node that is cut off now and then does not take its partitions each time.
const restTime = 15 * time.Second

// fenced begins anew: the others have taken us for lost. Connections stay; memberships
// that were kept for them are attached to the owners that there are now.
func (c *control) fenced(enters time.Time) {
	c.lease.end()
	c.owner.confirmations.stop()
	var links []*link
	for _, v := range c.nodes {
		if v.link != nil {
			links = append(links, v.link)
		}
	}
	c.n.toEdge(func() { c.n.edge.takenForLost(links) })
	for name, v := range c.nodes {
		if v.link != nil {
			c.down(name, v)
		}
	}
	c.owner.hub.Close()
	s := c.n.stats
	for _, gauge := range []*atomic.Int64{&s.Clients, &s.Rooms, &s.Members, &s.Suspended, &s.Calls.Active} {
		gauge.Store(0)
	}
	for p := range c.parts {
		c.parts[p].started = 0
		c.parts[p].move.discard()
		c.parts[p].move = nil
	}
	c.restUntil = time.Now().Add(max(time.Until(enters), 0) + restTime)
	c.begin(enters)
}

// registerLost begins anew with a register that has nothing of the one before. Until the
// leases of that have run out, nothing is claimed.
func (c *control) registerLost() {
	c.n.options.Logger.Error(EventRegisterLost)
	c.n.toEdge(c.n.edge.forgetEpochs)
	c.fenced(time.Time{})
	c.nodes, c.parts, c.claims = map[string]*nodeView{}, [Partitions]partView{}, 0
	c.restUntil = time.Time{}
	c.claimFrom = time.Now().Add(fenceTime)
	c.registers++
}

// forgetAfter is how long a node that is gone is remembered.
const forgetAfter = 10 * time.Minute

// tick updates what our entry says, finds out which nodes are lost, and assigns partitions.
func (c *control) tick() {
	now := time.Now()
	if c.lease.isLost() && c.state != "gone" {
		c.n.options.Logger.Warn(EventFenced)
		c.fenced(time.Time{})
	}
	c.lease.set(c.says(), c.stuck(now))
	c.tellWaiting(now)
	if !c.n.available() {
		if c.n.cutOff() {
			c.n.toEdge(c.n.edge.cutOff)
		}
		if c.state == "draining" && c.n.connections.Load() == 0 && now.Sub(c.goodAt) > fenceTime {
			c.leave() // nothing can be handed over, and the others own all by now
		}
		return
	}
	c.goodAt = now
	c.n.toEdge(c.n.edge.release)
	for name, v := range c.nodes {
		silent := now.Sub(v.seen)
		switch {
		case name == c.n.options.Name:
		case v.entry.State == "gone":
			if silent > forgetAfter {
				delete(c.nodes, name)
			}
		case silent > fenceTime && c.lease.steady() && !v.fencing:
			v.fencing = true
			entry := v.entry
			entry.State = "gone"
			c.put(nodeKey(name), entry, v.revision, func(uint64, error) { v.fencing = false })
		}
	}
	if c.yields(now) {
		return
	}
	c.lookAtMembers(now)
	c.assign()
}

// waitingTime is the time between two lines in the log about a node that is not ready.
const waitingTime = 5 * time.Second

// tellWaiting tells the log whether this node serves the whole cluster yet, and what it
// has of it.
func (c *control) tellWaiting(now time.Time) {
	if c.told {
		return
	}
	owned := 0
	for p := range c.parts {
		if c.live(c.parts[p].entry.Node, c.parts[p].entry.Incarnation) != nil {
			owned++
		}
	}
	nodes := 0
	for _, v := range c.nodes {
		if v.link != nil {
			nodes++
		}
	}
	switch {
	case c.n.serves.Load():
		c.told = true
		c.n.options.Logger.Info(EventReady, zap.Int("nodes", nodes))
	case now.Sub(c.toldAt) > waitingTime:
		c.toldAt = now
		c.n.options.Logger.Info(EventWaiting, zap.Int("nodes", nodes), zap.Int("partitions", owned))
	}
	c.n.toEdge(c.n.edge.lookReady)
}

// Two nodes that live and do not reach each other would hold up each other's partitions
// for ever. After stuckTime without progress they say so in their entries, and after
// yieldTime the one that reaches fewer leaves the cluster for restTime.
const (
	stuckTime = 5 * time.Second
	yieldTime = stuckTime + 2*time.Second
)

// liveTime is how long after a renewal a node is known to live: as long as it may have the
// lease. With a register that takes a second for a write, renewals come that late.
const liveTime = leaseTime

// lives reports whether the node has just renewed its lease. One that does not may be dead, and
// is not taken for lost yet since the register is slow: nobody yields to it.
func (v *nodeView) lives(now time.Time) bool { return v.link != nil && now.Sub(v.seen) < liveTime }

// stuck returns the nodes that this one does not reach though they have lived since, sorted.
// One that was is so until its link moves.
func (c *control) stuck(now time.Time) (names []string) {
	for name, v := range c.nodes {
		v.stuck = name != c.n.options.Name && v.link != nil && v.link.stuckFor(now) > stuckTime && (v.stuck || v.lives(now))
		if v.stuck {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// yields leaves the cluster for a while if another node is not reached and that is to
// stay, and reports whether it does.
func (c *control) yields(now time.Time) bool {
	mine := max(len(c.stuck(now)), 1)
	for name, v := range c.nodes {
		if name == c.n.options.Name || !v.lives(now) {
			continue
		}
		blamed := !v.blames.IsZero() && now.Sub(v.blames) > yieldTime-stuckTime
		theirs := max(len(v.entry.Stuck), 1)
		if !blamed && v.link.stuckFor(now) <= yieldTime || mine < theirs || mine == theirs && c.n.options.Name < name {
			continue
		}
		c.n.options.Logger.Error(EventYield, zap.String("node", name))
		c.fenced(now.Add(restTime))
		return true
	}
	return false
}
