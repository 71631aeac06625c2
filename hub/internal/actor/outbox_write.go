package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Flush implements [Receiver].
func (o *Outbox) Flush() {
	o.mu.Lock()
	conn := o.conn
	closing := o.closed && !o.warned && !o.dead
	o.warned = o.warned || closing
	wake := conn != nil && !o.writing && o.head < len(o.frames)
	hurry := conn != nil && o.later
	o.writing, o.later = o.writing || wake, false
	o.mu.Unlock()
	if closing && conn != nil {
		conn.Closing()
	}
	if wake {
		conn.Wake()
	}
	if hurry {
		o.patient.Hurry()
	}
}

// FlushLater implements [Receiver].
func (o *Outbox) FlushLater() {
	o.mu.Lock()
	may := o.patient != nil && !o.closed
	wake := may && o.conn != nil && !o.writing && o.head < len(o.frames)
	o.writing, o.later = o.writing || wake, o.later || wake
	o.mu.Unlock()
	switch {
	case wake:
		o.patient.WakeLater()
	case !may:
		o.Flush()
	}
}

// Challenge implements [Receiver].
func (o *Outbox) Challenge(within time.Duration) {
	o.mu.Lock()
	conn := o.conn
	o.mu.Unlock()
	if conn != nil {
		conn.Challenge(within)
	}
}

// Abort implements [Receiver].
func (o *Outbox) Abort() {
	o.mu.Lock()
	conn := o.conn
	o.mu.Unlock()
	if conn != nil {
		conn.Abort()
	}
}

// Close implements [Receiver].
func (o *Outbox) Close(code wire.CloseCode, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if code == wire.CloseSlowConsumer || code == wire.CloseReplaced {
		o.drop(o.head + int(o.firstMovable()-o.first))
	}
	o.closed, o.code = true, code
	o.history.begin(false, 0, 0)
	o.push(entry{frame.Close(code, reason), free})
}

// SetGate has the writer get nothing while may reports false. When it reports true again, the
// caller is to call Flush. Nil: the writer gets what there is, and the client is not local.
// window is [Options.ResumeWindow].
func (o *Outbox) SetGate(may func() bool, window time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gate, o.seen = may, nil
	if may != nil {
		o.seen = NewSeen(window)
	}
}

// Abandon is Close for a connection that must not get what waits.
func (o *Outbox) Abandon(code wire.CloseCode, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gate = nil
	if o.dead {
		return
	}
	waiting := len(o.frames)
	o.drop(o.head + int(o.firstMovable()-o.first))
	if o.closed && waiting == len(o.frames) {
		return // its close frame is on its way
	}
	o.closed, o.code = true, code
	o.history.begin(false, 0, 0)
	o.push(entry{frame.Close(code, reason), free})
}

// Urgent queues a control frame ahead of what waits. It reports false when the
// queue is full.
func (o *Outbox) Urgent(f *frame.Frame, from uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := entry{f, from}
	at := o.firstMovable()
	if o.closed || at == o.next() || !o.makeRoom(e.counted()) {
		return o.add(e)
	}
	o.push(e)
	i := o.head + int(at-o.first)
	copy(o.frames[i+1:], o.frames[i:])
	o.frames[i] = e
	if o.list != noList && o.list >= at {
		o.list++
	}
	if o.history.start > at {
		o.history.start++
	}
	return true
}

// Take appends to dst the frames that are to be written next: about max bytes, at
// least one frame. Of the first, skip bytes have been written before. No frames,
// which is after Discard or Suspend only: the writer's work is over. There is one
// writer at a time.
func (o *Outbox) Take(dst []*frame.Frame, max int) (frames []*frame.Frame, skip int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead {
		o.drop(o.head)
	}
	o.taken, o.later = o.first, false
	if o.conn == nil || o.gate != nil && !o.gate() {
		o.writing = false
		return dst, 0
	}
	for _, e := range o.frames[o.head:] {
		if max -= e.Size(); max < 0 && o.taken > o.first {
			break
		}
		dst = append(dst, e.Frame)
		o.taken++
	}
	o.writing = o.taken > o.first
	return dst, o.written
}

// Wrote says that n more bytes of what Take returned are on their way, at time
// now. The frames that are whole are given back. It reports whether more waits; if
// not, the writer's work is over until the next Wake. It also reports, once, that a
// list was held back and none waits any more: the hub is to be told.
func (o *Outbox) Wrote(n int, now time.Time) (more, caughtUp bool) {
	o.mu.Lock()
	n += o.written
	for o.head < len(o.frames) && n >= o.frames[o.head].Size() {
		e := &o.frames[o.head]
		n -= e.Size()
		if !e.Born.IsZero() && e.from&adopted == 0 {
			o.stats.Transit.Observe(now.Sub(e.Born).Seconds())
		}
		o.account(e, -1)
		o.history.add(e.Frame, o.first)
		*e = entry{}
		o.head++
		o.first++
	}
	o.written = n
	if o.dead {
		o.drop(o.head)
	}
	if more = o.head < len(o.frames); !more {
		if cap(o.frames) > keptFrames {
			o.frames = nil
		}
		o.frames, o.head = o.frames[:0], 0
		o.writing = false
	}
	conn := o.conn
	if conn != nil {
		o.history.shrink(o.limit)
	}
	probe := conn != nil && o.history.takeProbe()
	caughtUp = o.behind && !o.listWaits()
	o.behind = o.behind && !caughtUp
	o.mu.Unlock()
	if probe {
		conn.Probe()
	}
	return more, caughtUp
}

// drop gives back the frames from index i on. The outbox is closed then: no list follows
// that could take the place of one.
func (o *Outbox) drop(i int) {
	for j := range o.frames[i:] {
		e := &o.frames[i+j]
		o.account(e, -1)
		e.Release()
	}
	clear(o.frames[i:])
	o.frames = o.frames[:i]
}

// Acknowledged says that the client has answered the last ping that was written.
func (o *Outbox) Acknowledged() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history.acknowledged()
}

// Unwritten returns how many bytes are still to be written.
func (o *Outbox) Unwritten() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size - o.written
}

// CloseCode returns the code of the close frame that was queued; 0: none was.
func (o *Outbox) CloseCode() wire.CloseCode {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.code
}

// Finished reports whether a close frame has been written, or the connection has
// ended.
func (o *Outbox) Finished() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed && o.head == len(o.frames)
}

// Failed says that the connection can't be written any more. The hub decides what
// becomes of what waits.
func (o *Outbox) Failed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn, o.writing = nil, false
	if o.dead {
		o.drop(o.head)
	}
}
