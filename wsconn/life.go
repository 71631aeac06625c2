package wsconn

import "time"

// traffic is what is known of the bytes of a connection. Counts only grow.
type traffic struct {
	reading bool   // the read loop does not read at the moment: see lull
	read    uint64 // from the client, and each turn of what waited
	written uint64 // that the connection has accepted
	arrived uint64 // of ours at the client's side, counted from anywhere
	ahead   uint64 // of ours that are on their way there or wait for it
}

// traffic looks at the connection. It does not block.
func (c *conn) traffic() traffic {
	waiting, waits := c.lull.state()
	t := traffic{
		reading: waiting,
		read:    c.reader.total.Load() + waits,
		written: c.bytesOut.Load(),
		ahead:   uint64(c.client.Unwritten()),
	}
	t.arrived = t.written
	if c.talk != nil {
		t.ahead += uint64(max(c.talk.unwritten.Load(), 0))
	}
	if arrived, under, ok := transport(c.nc); ok {
		t.arrived, t.ahead = arrived, t.ahead+under
	}
	return t
}

// wait is the wait for the answer to a ping. It lasts for as long as the client shows
// signs of life, which are:
//
//  1. Bytes come from it.
//  2. Before the ping has arrived at the client's side: bytes before it arrive
//     there. On a slow line a long message takes its time. Acknowledgements of TCP
//     say what has arrived, where the system tells them; else what the socket has
//     accepted counts.
//
// Once the ping has arrived, the client has a whole window to answer. It has more if a proxy
// may have taken everything at once and passes it on over a slow line.
type wait struct {
	by     time.Time     // the next look; zero: nothing is waited for
	from   time.Time     // the last one
	window time.Duration // without a sign of life
	grace  time.Duration

	last  traffic // at the last look
	upTo  uint64  // the ping has arrived once this many bytes have
	there bool    // it has arrived
}

// begin begins the wait for the answer to a ping that is queued now.
func (w *wait) begin(now time.Time, window time.Duration, t traffic) {
	*w = wait{by: now.Add(window), from: now, window: window, last: t, upTo: t.arrived + t.ahead, there: t.ahead == 0}
}

// stalled is how late a look is when the whole process must have stood still.
const stalled = time.Second

// goesOn takes a look at time now, and reports whether the wait goes on.
func (w *wait) goesOn(now time.Time, t traffic) bool {
	last, longer := w.last, w.window
	w.last = t
	switch {
	case now.Sub(w.by) > stalled:
		// This process was held up, not the client: its answer may be waiting.
	case t.reading || t.read > last.read:
	case !w.there && t.arrived < w.upTo && t.ahead > 0:
		if t.arrived == last.arrived {
			return false
		}
	case !w.there:
		w.there = true
		longer += w.grace
		w.grace = 0
	case w.grace > 0 && t.arrived > w.upTo:
		longer, w.grace = w.grace, 0
	default:
		return false
	}
	w.from, w.by = now, now.Add(longer)
	return true
}

// shift takes a pause out of the wait.
func (w *wait) shift(pausedAt, now time.Time) {
	if w.by.IsZero() {
		return
	}
	if w.from.After(pausedAt) {
		pausedAt = w.from
	}
	w.by = w.by.Add(now.Sub(pausedAt))
}

// The slowest line that is served carries slowBytes a second, and holds at most
// longestOnWay bytes.
const (
	slowBytes    = 3000
	longestOnWay = 64 << 10
)

// slowLine is how long so many bytes may be on their way behind a proxy, on the
// slowest line that is served.
func slowLine(bytes uint64) time.Duration {
	return time.Duration(min(bytes, longestOnWay)) * time.Second / slowBytes
}
