package cluster

import "time"

// This file delays what nobody waits for, until it can go with something else or lateTime has
// passed. Alone, acks and confirmations would be half of all packets.

const (
	// lateTime is how long an ack or a confirmation may wait for something to go with.
	lateTime = 2 * time.Millisecond
	// promptBytes is how much must have come for an ack or a confirmation to go at once: the
	// other node keeps all of it until then.
	promptBytes = 16 << 10
)

// confirm tells an edge that all effects of its packets up to seq have arrived. bytes is the size
// of the records in the last of them.
func (l *link) confirm(seq uint64, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(func(w *writer) {
		w.b = append(w.b, recConfirm)
		w.number(seq)
	})
	if bytes > promptBytes {
		l.rouse()
	} else {
		l.soon()
	}
}

// soon has run woken within lateTime. The caller holds mu.
func (l *link) soon() {
	switch {
	case l.lateSet || l.closed:
		return
	case l.late == nil:
		l.late = time.AfterFunc(lateTime, l.isLate)
	default:
		l.late.Reset(lateTime)
	}
	l.lateSet = true
}

func (l *link) isLate() {
	l.mu.Lock()
	l.lateSet = false
	waits := l.ackDue || len(l.chunks) > 0
	l.mu.Unlock()
	if waits {
		l.rouse()
	}
}

// acknowledge tells the other node soon what has come, of which more bytes are new. It does so at
// once if something is missing, or if much has come since the last ack.
func (l *link) acknowledge(more int) {
	l.mu.Lock()
	l.ackDue = true
	l.unacked += more
	now := l.gap || l.unacked > promptBytes
	if !now {
		l.soon()
	}
	l.mu.Unlock()
	if now {
		l.rouse()
	}
}
