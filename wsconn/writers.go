package wsconn

import (
	"runtime"
	"sync"
)

// writers write for all connections of a handler: as many goroutines as can run
// at once, that never wait for a socket. They stay until the last connection ends: a new
// goroutine would have to grow its stack first.
type writers struct {
	limit int       // set by init
	wake  sync.Cond // of parked writers; set by init

	// Guarded by mu. A connection is in one of the lines at most, and there once.
	mu      sync.Mutex
	conns   int  // connections
	line         // has its turn first
	later   line // of connections with nothing but what went to many
	turns   int  // of line since the last of later
	waiting int  // length of both
	running int
	parked  int // goroutines that wait for something to write
}

// line is a queue of connections, linked through conn.behind and conn.ahead.
type line struct{ first, last *conn }

func (l *line) push(c *conn) {
	if c.ahead = l.last; l.last == nil {
		l.first = c
	} else {
		l.last.behind = c
	}
	l.last = c
}

func (l *line) remove(c *conn) {
	if c.ahead == nil {
		l.first = c.behind
	} else {
		c.ahead.behind = c.behind
	}
	if c.behind == nil {
		l.last = c.ahead
	} else {
		c.behind.ahead = c.ahead
	}
	c.ahead, c.behind = nil, nil
}

// laterEvery is how often a connection of the line later has its turn, while others wait
// too: what goes to many must neither hold up what two say to each other nor wait for ever.
const laterEvery = 4

// breathEvery is after how many connections of the line later a writer lets others have a
// turn: about 200 µs.
const breathEvery = 16

func (w *writers) init() { w.limit, w.wake.L = runtime.GOMAXPROCS(0), &w.mu }

// enter counts a connection.
func (w *writers) enter() {
	w.mu.Lock()
	w.conns++
	w.mu.Unlock()
}

// leave counts off a connection. When the last has left, the writers end.
func (w *writers) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns--; w.conns == 0 && w.parked > 0 {
		w.running += w.parked
		w.parked = 0
		w.wake.Broadcast()
	}
}

// connsPerWriter is how many connections must wait for a further writer to be
// worth its start.
const connsPerWriter = 4

// add queues a connection that has something to write. It must not be queued
// already, which its outbox sees to. It may be called from any goroutine.
func (w *writers) add(c *conn) { w.queue(c, false) }

// addLater is add for a connection that may wait until others have had their turn.
func (w *writers) addLater(c *conn) { w.queue(c, true) }

// hurry moves a connection that was added with addLater into the line of add. It does
// nothing once a writer has taken the connection.
func (w *writers) hurry(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.late {
		w.later.remove(c)
		c.late = false
		w.push(c)
	}
}

func (w *writers) queue(c *conn, late bool) {
	w.mu.Lock()
	if c.late = late; late {
		w.later.push(c)
	} else {
		w.push(c)
	}
	w.waiting++
	if w.starts(w.waiting) {
		w.running++
		if w.parked > 0 {
			w.parked--
			w.wake.Signal()
		} else {
			go w.run()
		}
	}
	w.mu.Unlock()
}

// starts reports whether a further writer is worth its start when so many
// connections wait. The caller holds mu.
func (w *writers) starts(waiting int) bool {
	return w.running == 0 || w.running < w.limit && waiting > w.running*connsPerWriter
}

// next waits for a connection to write to, and returns it and whether it comes from the later
// line; or nil when the writer is to end.
func (w *writers) next() (c *conn, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.waiting == 0 {
		w.running--
		if w.conns == 0 {
			return nil, false
		}
		w.parked++
		w.wake.Wait() // the caller of Signal or Broadcast counts it as running
	}
	from := &w.line
	if w.turns++; w.first == nil || w.turns >= laterEvery && w.later.first != nil {
		from, w.turns = &w.later, 0
	}
	c = from.first
	from.remove(c)
	late, c.late = c.late, false
	w.waiting--
	return c, late
}

// waits reports whether a connection has something to write.
func (w *writers) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting > 0
}

func (w *writers) run() {
	g := gathers.Get().(*gather)
	lates := 0
	for c, late := w.next(); c != nil; c, late = w.next() {
		c.writeOnce(g)
		if late {
			lates++
		}
		if lates == breathEvery {
			if lates = 0; w.waits() {
				g.takeBreath()
			}
		}
	}
	gathers.Put(g)
}
