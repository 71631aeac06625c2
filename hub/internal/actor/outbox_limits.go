package actor

// share is how much of the queue one sender fills, in bytes of memory.
type share struct {
	direct int // to this receiver alone, and the lists that its messages needed
	toAll  int // to the whole room
}

func (e *entry) sender() uint64 { return e.from & senders }

func (e *entry) counted() int {
	if e.from&(free|shared) != 0 {
		return 0
	}
	return e.Cost()
}

// addTo adds the entry to its sender's share, or with sign -1 takes it out. Lists are in
// it, although they are free.
func (e *entry) addTo(shares map[uint64]share, sign int) {
	of := shares[e.sender()]
	switch {
	case e.from&adopted != 0:
	case e.from&shared != 0:
		of.toAll += sign * e.Cost()
	default:
		of.direct += sign * e.Cost()
	}
	if of == (share{}) {
		delete(shares, e.sender())
		return
	}
	shares[e.sender()] = of
}

// Messages to whole rooms may take overdraft times the limit, and at least
// minOverdraft bytes: the largest burst of one sender (wsconn's BurstBytes, by default
// 4 MiB) must fit a queue whose client reads.
const (
	overdraft    = 8
	minOverdraft = 6 << 20
)

// allowance is how much may wait of what is sent to whole rooms, in bytes of memory.
func (o *Outbox) allowance() int { return allowance(o.limit) }

func allowance(limit int) int { return max(overdraft*limit, minOverdraft) }

func (o *Outbox) makeShared(n int) bool {
	return (o.shared == 0 || o.shared+n <= o.allowance()) && !o.budget.fullOfShared(n)
}

// listsPileUp reports whether lists of former memberships have piled up: a client that
// joins and leaves and does not read.
func (o *Outbox) listsPileUp() bool { return o.nLists > 1 && o.lists > 2*o.limit }

// makeRoom reports whether n more bytes may wait. The history of written frames
// gives way, unless the connection is lost: then it is needed.
func (o *Outbox) makeRoom(n int) bool {
	if o.counted > 0 && o.counted+n > o.limit || o.budget.full(n) {
		return false
	}
	if o.conn != nil {
		o.history.shrink(o.limit - o.counted - n)
	}
	return true
}

// A queue is crowded when more than limit/crowdedPart bytes wait, until fewer than
// limit/calmPart do. Only then is it counted who has sent what: nobody's share can
// be used up before, and a queue that is read in time is never crowded.
const (
	crowdedPart = 8
	calmPart    = 16
	sharePart   = 4 // a sender's share is limit/sharePart
)

// crowd begins to count shares.
func (o *Outbox) crowd() {
	o.shares = o.count()
	o.crowded.Store(true)
}

// count returns the shares of all senders.
func (o *Outbox) count() map[uint64]share {
	shares := make(map[uint64]share)
	for i := range o.frames[o.head:] {
		o.frames[o.head+i].addTo(shares, 1)
	}
	return shares
}

// Verdict implements [Receiver]. A sender's share is a quarter of the queue, or one
// message if that is larger; and what does not fit is refused, whoever has filled the
// queue. A message to the whole room is refused only for a client without a connection,
// of which a sender may fill half of what is allowed.
func (o *Outbox) Verdict(from uint64, n int, toAll bool) Verdict {
	if !toAll && o.budget.full(n) {
		return Congested
	}
	if !o.crowded.Load() && n <= o.limit/crowdedPart {
		return Open
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	shares := o.shares
	if shares == nil {
		shares = o.count() // little waits
	}
	of := shares[from]
	switch {
	case o.closed:
	case toAll && o.conn == nil && of.toAll > 0 && of.toAll+n > o.allowance()/2:
		return Congested
	case !toAll && of.direct > 0 && of.direct+n > o.limit/sharePart:
		return Congested
	case !toAll && o.counted > 0 && o.counted+n > o.limit:
		return Congested
	}
	return Open
}

// Overdrawn implements [Receiver].
func (o *Outbox) Overdrawn() bool {
	together := o.budget.overdrawn()
	if !together && !o.crowded.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conn != nil && (o.shared > o.limit || together && o.shared > 0)
}

// Backlog implements [Receiver].
func (o *Outbox) Backlog() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cost
}
