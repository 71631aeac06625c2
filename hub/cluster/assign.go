package cluster

import (
	"hash/fnv"
	"strconv"

	"go.uber.org/zap"
)

// This file decides who owns what, and moves it.

// desired returns the node that should own a partition: of those that are up the one
// with the largest hash (rendezvous hashing), so that few move when one comes or
// goes.
func (c *control) desired(p int) string {
	best, top := "", uint64(0)
	for name, v := range c.nodes {
		if v.entry.State != "up" || v.link == nil {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(name + "/" + strconv.Itoa(p)))
		x := h.Sum64()
		x ^= x >> 29
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 32
		if best == "" || x > top || x == top && name < best {
			best, top = name, x
		}
	}
	return best
}

// live returns the view of the node of an incarnation, or nil if that is gone.
func (c *control) live(name string, incarnation uint64) *nodeView {
	v := c.nodes[name]
	if v == nil || v.link == nil || v.entry.Incarnation != incarnation || v.entry.State == "gone" {
		return nil
	}
	return v
}

// assign claims what we should own and nobody does, and hands over what another
// should own.
func (c *control) assign() {
	if !c.joined() || !c.n.available() {
		return
	}
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
		holder := c.live(v.entry.Node, v.entry.Incarnation)
		switch {
		case holder == nil && to == c.n.options.Name:
			c.claim(p, partEntry{Node: to, Incarnation: c.incarnation, Epoch: v.entry.Epoch + 1})
		case v.entry.Incarnation == c.incarnation && v.started == v.entry.Epoch && to != "" && to != c.n.options.Name &&
			c.owner.parts[p].state == partReady:
			c.handOver(p, to)
		case v.entry.Incarnation == c.incarnation && v.started == v.entry.Epoch && c.owner.parts[p].state == partNone:
			c.retry(p)
		}
	}
	c.n.owned.Store(owned)
	if c.state == "draining" && (mine == 0 || c.desired(0) == "") && c.n.connections.Load() == 0 {
		c.leave()
	}
}

func (c *control) claim(p int, entry partEntry) {
	v := &c.parts[p]
	v.claiming = true
	c.put("part."+strconv.Itoa(p), entry, v.revision, func(at uint64, err error) {
		v.claiming = false
		if err == nil && at > v.revision {
			v.entry, v.revision = entry, at
			c.partChanged(p)
		}
	})
}

// partChanged begins to own a partition that the register says is ours.
func (c *control) partChanged(p int) {
	v := &c.parts[p]
	if v.entry.Incarnation != c.incarnation || v.started == v.entry.Epoch {
		return
	}
	v.started = v.entry.Epoch
	var heir *link
	if v.entry.From != 0 {
		heir = c.n.linkTo(v.entry.From)
	}
	c.n.options.Logger.Info(EventOwn, zap.Int("partition", p), zap.Uint64("epoch", v.entry.Epoch))
	c.owner.own(p, v.entry.Epoch, heir)
}

// handOver gives a partition to another node, with what it can't learn elsewhere.
func (c *control) handOver(p int, to string) {
	v, heir := &c.parts[p], c.nodes[to]
	epoch := v.entry.Epoch + 1
	out := c.owner.disown(p)
	heir.link.write(func(w *writer) { w.handover(p, epoch, out) })
	heir.link.flush()
	for _, m := range out.Members {
		m.Out.Discard()
	}
	c.n.options.Logger.Info(EventHandOver, zap.Int("partition", p), zap.String("to", to))
	v.handing = partEntry{Node: to, Incarnation: heir.entry.Incarnation, Epoch: epoch, From: c.incarnation}
	c.claim(p, v.handing)
}

// retry writes that a partition is handed over once more, or takes it back if the heir
// is gone.
func (c *control) retry(p int) {
	v := &c.parts[p]
	entry := v.handing
	if c.live(entry.Node, entry.Incarnation) == nil {
		entry = partEntry{Node: c.n.options.Name, Incarnation: c.incarnation, Epoch: v.entry.Epoch + 1}
	}
	c.claim(p, entry)
}

// inherit takes what the owner before has handed over.
func (c *control) inherit(rec record) {
	r := &reader{b: rec.b[1:]}
	if p, in := r.handover(c.n.options.QueueBytes); in != nil {
		c.owner.inherit(p, in)
	}
}
