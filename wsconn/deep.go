package wsconn

import (
	"iter"
	"runtime"
	"sync"
)

// deepStacks runs what needs a deep stack on goroutines that are kept for it, since a stack
// that has grown stays: those of connections stay small. The switch there and back is one
// of coroutines, which takes a fifth of the time of one through channels.
type deepStacks struct {
	// Guarded by mu.
	mu    sync.Mutex
	users int
	idle  []*deepStack
}

// deepJob is something that needs a deep stack.
type deepJob interface{ runDeep() }

// deepStack is a goroutine that runs one job at a time for others.
type deepStack struct {
	job  deepJob
	next func() (struct{}, bool)
	stop func()
}

func newDeepStack() *deepStack {
	s := new(deepStack)
	s.next, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		for {
			s.job.runDeep()
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return s
}

// enter and leave enclose the time in which a user calls run. Without users no goroutine
// is kept.
func (d *deepStacks) enter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users++
}

func (d *deepStacks) leave() {
	d.mu.Lock()
	d.users--
	var over []*deepStack
	if d.users == 0 {
		over, d.idle = d.idle, nil
	}
	d.mu.Unlock()
	for _, s := range over {
		s.stop()
	}
}

// run runs the job and returns when it has ended. It may be called from any goroutine, by
// many at once.
func (d *deepStacks) run(job deepJob) {
	s := d.take()
	s.job = job
	s.next()
	s.job = nil
	if !d.keep(s) {
		s.stop()
	}
}

func (d *deepStacks) take() *deepStack {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle) - 1
	if n < 0 {
		return newDeepStack()
	}
	s := d.idle[n]
	d.idle = d.idle[:n]
	return s
}

// keep reports whether the stack is kept for others: as many as can run at once are.
func (d *deepStacks) keep(s *deepStack) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == 0 || len(d.idle) >= runtime.GOMAXPROCS(0) {
		return false
	}
	d.idle = append(d.idle, s)
	return true
}
