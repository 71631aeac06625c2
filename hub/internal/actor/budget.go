package actor

import "sync/atomic"

// Budget bounds what waits in the outboxes of one connection together: no more than in one
// of them. Each has its own lock, so a few frames more may be let in at the same time.
type Budget struct {
	limit           int
	counted, shared atomic.Int64 // sums of those of the outboxes
	cost, done      atomic.Int64 // likewise
	tally           tally        // of the connection
}

// NewBudget makes a budget of so many bytes, as the limit of each outbox.
func NewBudget(limit int) *Budget { return &Budget{limit: min(limit, maxLimit)} }

// account adds an entry, or with sign -1 takes it out.
func (b *Budget) account(e *entry, sign int) {
	if b == nil {
		return
	}
	n := int64(e.Cost())
	b.cost.Add(int64(sign) * n)
	if sign < 0 {
		b.done.Add(n)
	}
	if n := e.counted(); n > 0 {
		b.counted.Add(int64(sign * n))
	}
	if e.from&shared != 0 {
		b.shared.Add(int64(sign * e.Cost()))
	}
}

// full reports whether n more bytes that count against the limit are too many.
func (b *Budget) full(n int) bool {
	if b == nil || n == 0 {
		return false
	}
	counted := b.counted.Load()
	return counted > 0 && counted+int64(n) > int64(b.limit)
}

// fullOfShared is full for what goes to whole rooms.
func (b *Budget) fullOfShared(n int) bool {
	if b == nil {
		return false
	}
	sum := b.shared.Load()
	return sum > 0 && sum+int64(n) > int64(allowance(b.limit))
}

// overdrawn is what [Outbox.Overdrawn] is, for all outboxes.
func (b *Budget) overdrawn() bool { return b != nil && b.shared.Load() > int64(b.limit) }

// mark and behind are what [Outbox.Mark] and [Outbox.Behind] are, for all outboxes: their
// writer takes from them in turn, so none has to be written for itself.
func (b *Budget) mark() uint64 {
	return uint64(b.done.Load() + min(b.cost.Load(), int64(b.limit)))
}

func (b *Budget) behind(mark uint64) bool { return uint64(b.done.Load()) < mark }
