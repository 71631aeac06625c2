package wsconn

import (
	"runtime"
	"sync"
)

// writers write for all connections of a handler: as many goroutines as can run
// at once, that exist while there is something to write, and never wait for a
// socket.
type writers struct {
	limit int // set by init

	// Guarded by mu.
	mu          sync.Mutex
	first, last *conn // the queue, linked through conn.behind: each is in it once
	waiting     int   // its length
	running     int
}

func (w *writers) init() { w.limit = runtime.GOMAXPROCS(0) }

// connsPerWriter is how many connections must wait for a further goroutine to be
// worth its start.
const connsPerWriter = 4

// add queues a connection that has something to write. It must not be queued
// already, which its outbox sees to. It may be called from any goroutine.
func (w *writers) add(c *conn) {
	w.mu.Lock()
	if w.last == nil {
		w.first = c
	} else {
		w.last.behind = c
	}
	w.last = c
	w.waiting++
	start := w.starts(w.waiting)
	if start {
		w.running++
	}
	w.mu.Unlock()
	if start {
		go w.run()
	}
}

// starts reports whether a further worker is worth its start when so many
// connections wait. The caller holds mu.
func (w *writers) starts(waiting int) bool {
	return w.running == 0 || w.running < w.limit && waiting > w.running*connsPerWriter
}

// next returns the connection to write to, or nil when the worker is to end.
func (w *writers) next() *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.first
	if c == nil {
		w.running--
		return nil
	}
	if w.first = c.behind; w.first == nil {
		w.last = nil
	}
	c.behind = nil
	w.waiting--
	return c
}

func (w *writers) run() {
	g := gathers.Get().(*gather)
	for c := w.next(); c != nil; c = w.next() {
		c.writeOnce(g)
	}
	gathers.Put(g)
}
