package crowd

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/dialect"
)

// worker owns a share of the rooms.
type worker struct {
	crowd *Crowd // set by New, then read only

	mu      sync.Mutex // guards what follows, and all of the worker's rooms
	rooms   []*room
	inUse   int // so many of the rooms, the first ones, have members
	members []*member
	wheel   wheel
	random  *rand.Rand
	tally   *Tally // since it was last collected
	traffic traffic
	at      int64  // time of what is being read
	stalls  stalls // of this process

	present, joining, lost, connections int
	planned                             int // answers and candidates of calls, in the wheel

	// The message and frame that are being sent or read; here, since they would escape otherwise.
	message dialect.Message
	ref     []byte
	event   dialect.Event
	scratch set

	// Owned by run.
	dirty []*link // with something to flush
	dues  []int64 // of the messages among that
}

// Pauses of a worker.
const (
	longestPause = 2 * time.Millisecond // in which nothing can become due unseen
	eventsAtOnce = 1024                 // before what they send is flushed
)

// run does what the schedule has due.
func (w *worker) run() {
	precise := newPause()
	defer precise.end()
	for !w.crowd.stopped.Load() {
		w.mu.Lock()
		w.wheel.take(w.crowd.now(), eventsAtOnce, w.do)
		next := w.wheel.next()
		w.mu.Unlock()
		w.flush()
		if wait := time.Duration(next - w.crowd.now()); wait > 0 {
			precise.wait(min(wait, longestPause))
		}
	}
}

// flush writes what the round has queued, and notes how late that was.
func (w *worker) flush() {
	for i, l := range w.dirty {
		l.conn.Flush()
		l.dirty = false
		w.dirty[i] = nil
	}
	w.dirty = w.dirty[:0]
	if len(w.dues) == 0 {
		return
	}
	now := w.crowd.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, due := range w.dues {
		record(w.tally.Late, now-due)
		w.stalls.note(now-due, now)
	}
	w.dues = w.dues[:0]
}

// touch notes that a link is to be flushed at the end of the round.
func (w *worker) touch(l *link) {
	if !l.dirty {
		l.dirty = true
		w.dirty = append(w.dirty, l)
	}
}
