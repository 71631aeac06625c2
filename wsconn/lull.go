package wsconn

import (
	"sync"
	"time"
)

// lull lets the read loop wait without reading, so that TCP holds the client back.
// Whatever ends the connection ends the lull.
type lull struct {
	mu   sync.Mutex    // guards what follows
	over bool          // the connection is closing, or has ended
	wake chan struct{} // closed by end; nil: nobody waits
	n    uint64        // waits so far
}

// wait waits for d, and reports false once the connection is closing. It is called
// by the read loop.
func (l *lull) wait(d time.Duration) bool { return l.waitFor(d, nil) }

// waitFor is wait, but ends before when done is closed; nil: it is never.
func (l *lull) waitFor(d time.Duration, done <-chan struct{}) bool {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return false
	}
	wake := make(chan struct{})
	l.wake = wake
	l.n++
	l.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	case <-wake:
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake = nil
	return !l.over
}

// end ends the wait, and every later one. It may be called from any goroutine, and
// more than once.
func (l *lull) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over && l.wake != nil {
		close(l.wake)
	}
	l.over = true
}

// state reports whether the read loop waits, and how often it has. It may be called
// from any goroutine.
func (l *lull) state() (waiting bool, waits uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wake != nil && !l.over, l.n
}
