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

	// Guarded by mu. A connection is in one of the lines at most, and there once.
	mu      sync.Mutex
	line         // has its turn first
	later   line // of connections with nothing but what went to many
	turns   int  // of line since the last of later
	waiting int  // length of both
	running int
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

func (w *writers) init() { w.limit = runtime.GOMAXPROCS(0) }

// connsPerWriter is how many connections must wait for a further goroutine to be
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
	start := w.starts(w.waiting)
	if start {
		w.running++
	}
	w.mu.Unlock()
	if start {
		go w.run()
	}
}

// starts reports whether a further writer is worth its start when so many
// connections wait. The caller holds mu.
func (w *writers) starts(waiting int) bool {
	return w.running == 0 || w.running < w.limit && waiting > w.running*connsPerWriter
}

// next returns the connection to write to, or nil when the writer is to end, and whether it
// comes from the later line.
func (w *writers) next() (c *conn, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := &w.line
	if w.turns++; w.first == nil || w.turns >= laterEvery && w.later.first != nil {
		from, w.turns = &w.later, 0
	}
	if c = from.first; c == nil {
		w.running--
		return nil, false
	}
	from.remove(c)
	late, c.late = c.late, false
	w.waiting--
	return c, late
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
			lates = 0
			g.takeBreath()
		}
	}
	gathers.Put(g)
}
