// Package logsink writes log lines without ever making those who log wait: a
// goroutine writes, and when whoever reads the log stalls, lines are dropped and
// counted.
package logsink

import (
	"io"
	"sync"
	"time"
)

// MaxBytes is how much may wait to be written: several seconds of a busy
// server's log.
const MaxBytes = 4 << 20

// Sink is a zapcore.WriteSyncer.
type Sink struct {
	w       io.Writer
	dropped func(n uint64) []byte // makes the line that says how many were dropped

	mu      sync.Mutex // guards what follows
	waiting []byte
	spare   []byte // the buffer that was written last
	lost    uint64 // lines dropped since the line that said so
	total   uint64 // lines dropped ever
	closed  bool
	wake    *sync.Cond
	done    chan struct{}
}

// New starts a sink that writes to w. After lines were dropped it writes what
// dropped returns for their number, as soon as w takes lines again.
func New(w io.Writer, dropped func(n uint64) []byte) *Sink {
	s := &Sink{w: w, dropped: dropped, done: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// Write queues one line; it never fails and never waits for the writer.
func (s *Sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.waiting)+len(line) > MaxBytes {
		s.lost++
		s.total++
		return len(line), nil
	}
	s.waiting = append(s.waiting, line...)
	s.wake.Broadcast()
	return len(line), nil
}

// Dropped returns how many lines have been dropped.
func (s *Sink) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Sync does nothing: waiting for the writer is what a Sink is not to do.
func (s *Sink) Sync() error { return nil }

func (s *Sink) run() {
	defer close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.waiting) == 0 && s.lost == 0 && !s.closed {
			s.wake.Wait()
		}
		if len(s.waiting) == 0 && s.lost == 0 {
			return
		}
		out := s.waiting
		if s.lost > 0 {
			out = append(out, s.dropped(s.lost)...)
			s.lost = 0
		}
		s.waiting = s.spare[:0]
		s.mu.Unlock()
		_, _ = s.w.Write(out) // there is nowhere to report it
		s.mu.Lock()
		if s.spare = out; cap(out) > MaxBytes/16 {
			s.spare = nil
		}
	}
}

// Close writes what waits, for no longer than timeout.
func (s *Sink) Close(timeout time.Duration) {
	s.mu.Lock()
	s.closed = true
	s.wake.Broadcast()
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(timeout):
	}
}
