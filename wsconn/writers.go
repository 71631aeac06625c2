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
	mu      sync.Mutex
	queue   []*conn // queue[head:] wait
	head    int
	running int
}

func (w *writers) init() { w.limit = runtime.GOMAXPROCS(0) }

// connsPerWriter is how many connections must wait for a further goroutine to be
// worth its start.
const connsPerWriter = 4

func (w *writers) add(c *conn) {
	w.mu.Lock()
	w.queue = append(w.queue, c)
	waiting := len(w.queue) - w.head
	start := w.running == 0 || w.running < w.limit && waiting > w.running*connsPerWriter
	if start {
		w.running++
	}
	w.mu.Unlock()
	if start {
		go w.run()
	}
}

// next returns the connection to write to, or nil when the worker is to end.
func (w *writers) next() *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.head == len(w.queue) {
		if cap(w.queue) > 1024 {
			w.queue = nil
		}
		w.queue, w.head = w.queue[:0], 0
		w.running--
		return nil
	}
	c := w.queue[w.head]
	w.queue[w.head] = nil
	w.head++
	return c
}

func (w *writers) run() {
	g := gathers.Get().(*gather)
	for c := w.next(); c != nil; c = w.next() {
		c.writeOnce(g)
	}
	gathers.Put(g)
}
