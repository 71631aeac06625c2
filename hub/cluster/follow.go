package cluster

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/actor"
)

// This file has partitions follow their members: a message within a node costs a third of
// one between nodes. Where a load balancer brings all members of a partition's rooms to one
// node, that node comes to own it.

const (
	// followLooks is how many looks must agree before a partition moves: members that stay
	// for a moment move nothing.
	followLooks = 3
	// maxFollowing is how many partitions begin to move at one look.
	maxFollowing = 8
)

// following is where a partition of this node is drawn to.
type following struct {
	node  string // that should own it; empty: the one of its placement
	seen  string // where it was drawn to at the last look
	looks int    // at which that was the same
}

// target returns the node that should own a partition of this node.
func (c *control) target(p int) string {
	name := c.parts[p].follows.node
	if v := c.nodes[name]; v != nil && v.link != nil && v.entry.State == "up" && (name != c.n.options.Name || c.says() == "up") {
		return name
	}
	return c.desired(p)
}

// lookAtMembers finds out now and then where the members of our partitions are.
func (c *control) lookAtMembers(now time.Time) {
	if c.n.options.Follow == 0 || now.Sub(c.lookedAt) < c.n.options.Follow {
		return
	}
	c.lookedAt = now
	incarnation := c.incarnation
	c.n.toEdge(func() {
		local := c.n.edge.localMembers()
		go c.n.post(func() {
			if c.incarnation == incarnation {
				c.follow(local)
			}
		})
	})
}

// localMembers counts the members whose connections are local, by partition.
func (e *edge) localMembers() (counts [Partitions]int) {
	for _, t := range e.clients {
		if t.state != clientLocal {
			continue
		}
		if t.member.Room != "" {
			counts[PartitionOf(t.member.Room)]++
		} else if p, ok := actor.SessionPartition(t.member.Session); ok && int(p) < Partitions {
			counts[p]++
		}
	}
	return counts
}

// follow finds out where our partitions are drawn to.
func (c *control) follow(local [Partitions]int) {
	members := map[string]*[Partitions]int{c.n.options.Name: &local}
	for l, pe := range c.owner.peers {
		counts := members[l.node]
		if counts == nil {
			counts = new([Partitions]int)
			members[l.node] = counts
		}
		for _, client := range pe.clients {
			counts[client.part]++
		}
	}
	moving := 0
	for p := range c.parts {
		v := &c.parts[p]
		if v.entry.Incarnation != c.incarnation || c.owner.parts[p].state != partReady {
			continue
		}
		f := &v.follows
		if seen := c.drawnTo(p, members); seen != f.seen {
			f.seen, f.looks = seen, 0
		}
		f.looks++
		if f.looks < followLooks || f.node == f.seen {
			continue
		}
		if f.seen != "" && f.seen != c.n.options.Name {
			if moving++; moving > maxFollowing {
				continue
			}
		}
		f.node = f.seen
	}
}

// drawnTo returns the node at which the members of a partition of ours are: this one, if it
// has more than half of them, or another that has four fifths. Empty: there is none.
func (c *control) drawnTo(p int, members map[string]*[Partitions]int) string {
	all, most, where := 0, 0, ""
	for node, counts := range members {
		all += counts[p]
		if counts[p] > most {
			most, where = counts[p], node
		}
	}
	own := members[c.n.options.Name][p]
	switch {
	case 2*own > all:
		return c.n.options.Name
	case most > 0 && 5*most >= 4*all:
		return where
	}
	return ""
}
