package cluster

import "sync"

// confirmations tells edges which of their packets have had all their effects: what
// those have brought about has arrived at the nodes that it went to. Any goroutine may
// call it.
type confirmations struct {
	mu      sync.Mutex
	queues  map[*link][]*confirmation // of each edge, in the order of the packets
	waiting map[*link][]need          // by the link that has yet to arrive, in order
	stopped bool
}

// confirmation is what is to be done when links have arrived at some positions.
type confirmation struct {
	edge    *link  // that is told; nil: nobody
	missing int    // links that have not arrived there
	done    func() // must not block, and not call confirmations
}

// position is a packet of a link.
type position struct {
	link *link
	seq  uint64
}

// need is a position that a confirmation waits for.
type need struct {
	seq uint64
	of  *confirmation
}

// add has done called when all positions have arrived and, for the same edge, all that
// was added before is done. Links that are closed are not waited for.
func (c *confirmations) add(edge *link, needs []position, done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	if c.queues == nil {
		c.queues, c.waiting = map[*link][]*confirmation{}, map[*link][]need{}
	}
	item := &confirmation{edge: edge, done: done}
	for _, p := range needs {
		if p.link.has(p.seq) {
			continue
		}
		item.missing++
		c.waiting[p.link] = append(c.waiting[p.link], need{p.seq, item})
	}
	if edge != nil {
		c.queues[edge] = append(c.queues[edge], item)
	}
	c.check(item)
}

// check does what a confirmation asks for if nothing is missing. The caller holds mu.
func (c *confirmations) check(item *confirmation) {
	if item.missing > 0 {
		return
	}
	if item.edge == nil {
		item.done()
		return
	}
	queue := c.queues[item.edge]
	n := 0
	for ; n < len(queue) && queue[n].missing == 0; n++ {
		queue[n].done()
		queue[n] = nil
	}
	if n == len(queue) {
		delete(c.queues, item.edge)
	} else {
		c.queues[item.edge] = queue[n:]
	}
}

// progress is called when more packets of a link have arrived, or when it is closed.
func (c *confirmations) progress(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	waiting := c.waiting[l]
	n := 0
	for ; n < len(waiting) && l.has(waiting[n].seq); n++ {
		item := waiting[n].of
		waiting[n] = need{}
		item.missing--
		c.check(item)
	}
	if n == len(waiting) {
		delete(c.waiting, l)
	} else {
		c.waiting[l] = waiting[n:]
	}
}

// drop forgets an edge that is gone, of which the link is closed.
func (c *confirmations) drop(l *link) {
	c.mu.Lock()
	delete(c.queues, l)
	c.mu.Unlock()
	c.progress(l)
}

// stop ends it: nothing more is confirmed.
func (c *confirmations) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.queues, c.waiting = true, nil, nil
}
