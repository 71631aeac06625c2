package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// Times of leases. A node acts on what it owns for leaseTime from the start of its
// last renewal that went through; others take it for lost fenceTime after they have
// seen a renewal, and say so in its entry, which its next renewal then finds changed.
// So nobody owns what another still acts on, as long as clocks run at the same rate
// to a quarter. A node that could not renew itself does not hold it against others.
const (
	renewTime = 500 * time.Millisecond
	leaseTime = 2600 * time.Millisecond
	fenceTime = 3400 * time.Millisecond
	putTime   = leaseTime - renewTime  // for an answer of the register
	renewPut  = 900 * time.Millisecond // for an answer to a renewal: one that gets lost leaves time for the next
	retryPut  = 100 * time.Millisecond
)

// ErrNameTaken says that another node of the cluster has this node's name, and is alive.
var ErrNameTaken = errors.New("cluster: another node of this name is alive")

// takenAfter is how many renewals by another process under our name show that it lives. Only
// renewals after our entry at comingKey count: a register that catches up may still report
// those of a dead process, however late.
const takenAfter = 3

// lease keeps this node's entry in the register. It has a goroutine of its own, which no
// load on the node holds up: it waits for the register alone.
type lease struct {
	n    *Node
	wake chan struct{} // the entry is to be written now

	mu        sync.Mutex
	entry     nodeEntry                // to be written; guarded by mu
	paused    time.Time                // until then nothing is written; guarded by mu
	farewell  *nodeEntry               // to be written first: an incarnation that ends by itself; guarded by mu
	revision  uint64                   // of the entry in the register, as far as is known; guarded by mu
	begun     map[uint64]time.Duration // when writes of this incarnation began, by beat; guarded by mu
	renewed   time.Time                // when the last write went through; guarded by mu
	since     time.Time                // writes have succeeded without a gap since then; guarded by mu
	in        bool                     // the register has had the entry of this incarnation; guarded by mu
	lost      bool                     // this incarnation is over: the entry is another's; guarded by mu
	held      bool                     // the entry is of another incarnation, as of heldAt; guarded by mu
	heldAt    time.Time                // guarded by mu
	registers int                      // that there have been; guarded by mu
	holders   int                      // renewals of it since came; guarded by mu
	came      uint64                   // revision of what we wrote when we found it held; 0: not yet; guarded by mu
	coming    uint64                   // of what that key had before; guarded by mu
}

func newLease(n *Node) *lease {
	return &lease{n: n, wake: make(chan struct{}, 1)}
}

// begin makes a new incarnation's entry, which is written from a moment on.
func (l *lease) begin(e nodeEntry, from time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.farewell = nil
	if time.Until(from) > 0 {
		gone := l.entry
		gone.State = "gone"
		l.farewell = &gone
	}
	l.n.validUntil.Store(0)
	l.n.holder.Store(e.Incarnation)
	l.entry, l.begun, l.paused, l.in, l.lost = e, map[uint64]time.Duration{}, from, false, false
	l.kick()
}

// forget is called when the register has been made anew: there is no entry of ours.
func (l *lease) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revision, l.held, l.holders, l.came, l.coming = 0, false, 0, 0, 0
	l.registers++
}

// set changes what the entry says.
func (l *lease) set(state string, stuck []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entry.State != state || !slices.Equal(l.entry.Stuck, stuck) {
		l.entry.State, l.entry.Stuck = state, stuck
		l.kick()
	}
}

func (l *lease) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// steady reports whether renewals have gone through for longer than others may be silent.
func (l *lease) steady() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.since) > fenceTime
}

func (l *lease) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.n.stop:
			return
		}
		timer.Reset(l.write())
	}
}

// write writes the entry, and returns when it is to be written again.
func (l *lease) write() time.Duration {
	l.mu.Lock()
	if gone := l.farewell; gone != nil && time.Until(l.paused) > 0 {
		revision := l.revision
		l.mu.Unlock()
		return l.sayGone(gone, revision)
	}
	if l.held && l.came == 0 {
		coming, registers := l.coming, l.registers
		l.mu.Unlock()
		return l.come(coming, registers)
	}
	wait := max(time.Until(l.paused), l.waitsForHolder())
	if l.lost {
		wait = renewTime
	}
	if wait > 0 {
		l.mu.Unlock()
		return wait
	}
	l.entry.Beat++
	e, revision, begun := l.entry, l.revision, time.Since(l.n.started)
	registers := l.registers
	e.Rooms = l.n.stats.Rooms.Load()
	l.begun[e.Beat] = begun
	delete(l.begun, e.Beat-8)
	l.mu.Unlock()
	b, err := json.Marshal(e)
	if err != nil {
		return renewTime // can't be
	}
	ctx, cancel := context.WithTimeout(l.n.ctx, renewPut)
	at, err := l.n.options.Backplane.Put(ctx, nodeKey(l.n.options.Name), b, revision)
	cancel()
	if e.State == "gone" {
		// The others find out by themselves, if they are not told.
		l.n.drainOnce.Do(func() { close(l.n.drained) })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || registers != l.registers {
		return retryPut
	}
	l.revision = max(l.revision, at)
	l.went(e, begun)
	return max(renewTime-(time.Since(l.n.started)-begun), 0)
}

// sayGone writes that an incarnation is over, and returns when to write again.
func (l *lease) sayGone(gone *nodeEntry, revision uint64) time.Duration {
	b, err := json.Marshal(gone)
	if err != nil {
		return renewTime // can't be
	}
	ctx, cancel := context.WithTimeout(l.n.ctx, putTime)
	defer cancel()
	at, err := l.n.options.Backplane.Put(ctx, nodeKey(l.n.options.Name), b, revision)
	if err != nil {
		return retryPut
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revision = max(l.revision, at)
	if l.farewell == gone {
		l.farewell = nil
	}
	return 0
}

// come writes that we have come, and returns when to write again.
func (l *lease) come(coming uint64, registers int) time.Duration {
	ctx, cancel := context.WithTimeout(l.n.ctx, renewPut)
	defer cancel()
	at, err := l.n.options.Backplane.Put(ctx, comingKey(l.n.options.Name), []byte("{}"), coming)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || registers != l.registers {
		return retryPut
	}
	l.came, l.coming = at, at
	return 0
}

// hasCome takes in the revision of what the last process under our name wrote when it came.
func (l *lease) hasCome(revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming = max(l.coming, revision)
}

// waitsForHolder returns how long the entry must not be written, since it is another
// process's that may be alive. The caller holds mu.
func (l *lease) waitsForHolder() time.Duration {
	if !l.held {
		return 0
	}
	return max(time.Until(l.heldAt.Add(fenceTime)), 0)
}

// went notes that a renewal that began at some time has gone through. The caller holds
// mu.
func (l *lease) went(e nodeEntry, begun time.Duration) {
	if e.Incarnation != l.entry.Incarnation || e.State == "gone" || l.lost {
		return
	}
	l.in, l.held = true, false
	now := time.Now()
	if now.Sub(l.renewed) > leaseTime {
		l.since = now
	}
	l.renewed = now
	until := int64(begun + leaseTime)
	if until > l.n.validUntil.Load() {
		l.n.validUntil.Store(until)
	}
}

// seen takes in what the register says of our entry. It is called by the backplane, and
// must not block.
func (l *lease) seen(e nodeEntry, revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if revision <= l.revision {
		return
	}
	l.revision = revision
	ours := e.Incarnation == l.entry.Incarnation
	if begun, sent := l.begun[e.Beat]; ours && sent && e.State != "gone" {
		l.went(e, begun) // the answer to this write was lost, or is on its way
		return
	}
	if l.in && l.entry.State != "gone" {
		l.lost = true
		l.n.validUntil.Store(0)
	}
	if l.held = !ours && e.State != "gone"; !l.held {
		l.kick()
		return
	}
	l.heldAt = time.Now()
	if l.came == 0 {
		l.kick()
	} else if revision > l.came {
		l.holders++
	}
	if l.holders > takenAfter {
		l.n.fail(ErrNameTaken)
	}
}

// isLost reports whether the register has another entry than this incarnation's, which is
// over then.
func (l *lease) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// end says that this incarnation is over: its lease is not good any more.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n.validUntil.Store(0)
	l.lost = true
}
