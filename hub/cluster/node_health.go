package cluster

import (
	"time"

	"go.uber.org/zap"
)

// available reports whether our lease is good: then we know who owns what.
func (n *Node) available() bool { return int64(time.Since(n.started)) < n.validUntil.Load() }

// availableAs reports whether our lease is good, and an incarnation of ours has it.
func (n *Node) availableAs(incarnation uint64) bool {
	return n.available() && n.holder.Load() == incarnation
}

// cutOff reports whether the lease has run out for so long.
func (n *Node) cutOff() bool {
	return time.Since(n.started)-time.Duration(n.validUntil.Load()) > cutOffTime
}

// Ready reports whether this node can serve rooms of the whole cluster: every
// partition has an owner that takes commands.
func (n *Node) Ready() bool {
	if !n.available() {
		return false
	}
	ready := true
	called := n.call(n.toEdge, func() {
		for p := range n.edge.parts {
			ready = ready && n.edge.parts[p].ready
		}
	})
	return called && ready
}

// Serves reports whether this node takes connections: it has been ready, and its lease is
// good. While rooms move it is not ready for a moment, and takes connections all the same.
func (n *Node) Serves() bool { return n.serves.Load() && n.available() }

// Stats are figures of a node.
type Stats struct {
	Available  bool // its lease is good
	Nodes      int  // with which it has a link, itself among them
	Partitions int  // that it owns
	Waiting    int  // bytes on all links
}

// Figures returns the node's figures.
func (n *Node) Figures() Stats {
	s := Stats{Available: n.available(), Partitions: int(n.owned.Load())}
	n.mu.RLock()
	defer n.mu.RUnlock()
	s.Nodes = len(n.links)
	for _, l := range n.links {
		s.Waiting += l.backlog()
	}
	return s
}

// renewed is called by the backplane when the register has been made anew.
func (n *Node) renewed() {
	n.control.lease.forget()
	n.post(n.control.registerLost)
}

// fail says that the node can't go on.
func (n *Node) fail(err error) {
	n.failOnce.Do(func() { n.failed <- err })
}

// Failed gets an error when the node can't go on: [ErrNameTaken].
func (n *Node) Failed() <-chan error { return n.failed }

// must reports a broken invariant: there is a bug. Tests set broken.
func (n *Node) must(holds bool, invariant string) {
	if holds {
		return
	}
	if broken != nil {
		broken(invariant)
	}
	n.options.Logger.Error(EventBroken, zap.String("invariant", invariant))
}
