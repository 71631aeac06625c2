package hub

import (
	"sync"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// Writer is the connection behind an [Outbox]. Its methods must not block.
type Writer interface {
	// Wake says that frames wait and nobody writes them.
	Wake()
	// Closing says that a close frame is among what waits: the connection is to
	// end in bounded time even if the frame can't be written.
	Closing()
	// Probe asks for a ping, whose answer says that the client has all that was
	// written before it.
	Probe()
}

// Outbox is the queue of frames for one connection, bounded in bytes. The hub
// appends to it, the connection's writer takes from it; neither waits for the
// other.
type Outbox struct {
	// Set by Init, then read only.
	stats *Stats
	limit int

	// Guarded by mu.
	mu      sync.Mutex
	conn    Writer        // nil: the connection was lost
	frames  []*wire.Frame // frames[head:] wait or are being written
	head    int
	first   uint64 // number of frames[head]; frames count from 0
	taken   uint64 // frames below this number are with the writer
	written int    // bytes of frames[head] that are on their way already
	bytes   int    // of all frames[head:], with what of the first is written
	state   uint64 // number of the waiting room_members, or noState
	writing bool   // a writer is at work or has been woken

	closed bool           // nothing more is taken in
	told   bool           // the connection has been told that it is closing
	code   wire.CloseCode // of the close frame; 0: none was queued
	dead   bool           // frames are only given back

	history history // guarded by mu too
}

const noState = ^uint64(0)

// keptFrames is how long an empty queue may be to be kept for the next frames.
const keptFrames = 8

// Init prepares an outbox of at most limit bytes, headers included, for conn. A
// frame that is larger by itself is taken in when nothing else waits.
func (o *Outbox) Init(conn Writer, stats *Stats, limit int) {
	o.conn, o.stats, o.limit, o.state = conn, stats, limit, noState
}

// Send implements [Receiver].
func (o *Outbox) Send(f *wire.Frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.add(f)
}

func (o *Outbox) add(f *wire.Frame) bool {
	if o.closed {
		f.Release()
		return true
	}
	if !o.fits(f.Size()) {
		f.Release()
		return false
	}
	o.push(f)
	return true
}

// fits reports whether n more bytes may wait. What is kept of what was written
// gives way, unless the connection is lost: then it is needed.
func (o *Outbox) fits(n int) bool {
	if o.conn == nil {
		return o.history.bytes+o.bytes+n <= o.limit
	}
	if o.bytes > 0 && o.bytes+n > o.limit {
		return false
	}
	o.history.shrink(o.limit - o.bytes - n)
	return true
}

func (o *Outbox) push(f *wire.Frame) {
	if len(o.frames) == cap(o.frames) && o.head > len(o.frames)/2 {
		n := copy(o.frames, o.frames[o.head:])
		clear(o.frames[n:])
		o.frames, o.head = o.frames[:n], 0
	}
	o.frames = append(o.frames, f)
	o.grow(f.Size())
}

func (o *Outbox) grow(n int) {
	o.bytes += n
	o.stats.OutboxBytes.Add(int64(n))
}

// next is the number that the next frame gets.
func (o *Outbox) next() uint64 { return o.first + uint64(len(o.frames)-o.head) }

// settled is the number of the first frame that may still be moved or dropped:
// those before it are with the writer or on their way.
func (o *Outbox) settled() uint64 {
	if o.written > 0 {
		return max(o.taken, o.first+1)
	}
	return max(o.taken, o.first)
}

// SendState implements [Receiver].
func (o *Outbox) SendState(f *wire.Frame, inPlace bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := o.next() - 1
	if o.closed || o.state == noState || o.state < o.settled() || !inPlace && o.state != last {
		n := o.next()
		ok := o.add(f)
		if ok && !o.closed {
			o.state = n
		}
		return ok
	}
	old := &o.frames[o.head+int(o.state-o.first)]
	if more := f.Size() - (*old).Size(); o.bytes > (*old).Size() && !o.fits(more) {
		f.Release()
		return false
	}
	o.grow(f.Size() - (*old).Size())
	(*old).Release()
	*old = f
	return true
}

// Begin implements [Receiver].
func (o *Outbox) Begin(resumable bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = noState
	o.history.begin(resumable && !o.closed, o.next(), 0)
}

// Flush implements [Receiver].
func (o *Outbox) Flush() {
	o.mu.Lock()
	conn := o.conn
	closing := o.closed && !o.told && !o.dead
	o.told = o.told || closing
	wake := conn != nil && !o.writing && o.head < len(o.frames)
	o.writing = o.writing || wake
	o.mu.Unlock()
	if closing && conn != nil {
		conn.Closing()
	}
	if wake {
		conn.Wake()
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
		o.drop(o.head + int(o.settled()-o.first))
	}
	o.closed, o.code = true, code
	o.history.begin(false, 0, 0)
	o.push(wire.WSClose(code, reason))
}

// Urgent queues a control frame ahead of what waits. It reports false when the
// queue is full.
func (o *Outbox) Urgent(f *wire.Frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.settled()
	if o.closed || at == o.next() || !o.fits(f.Size()) {
		return o.add(f)
	}
	o.push(f)
	i := o.head + int(at-o.first)
	copy(o.frames[i+1:], o.frames[i:])
	o.frames[i] = f
	if o.state != noState && o.state >= at {
		o.state++
	}
	if o.history.start > at {
		o.history.start++
	}
	return true
}

// Take appends to dst the frames that are to be written next: about max bytes,
// at least one frame. Of the first, skip bytes have been written before. No
// frames, which is after Discard or Suspend only: the writer's work is over. There
// is one writer at a time.
func (o *Outbox) Take(dst []*wire.Frame, max int) (frames []*wire.Frame, skip int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dead {
		o.drop(o.head)
	}
	o.taken = o.first
	if o.conn == nil {
		o.writing = false
		return dst, 0
	}
	for _, f := range o.frames[o.head:] {
		if max -= f.Size(); max < 0 && o.taken > o.first {
			break
		}
		dst = append(dst, f)
		o.taken++
	}
	o.writing = o.taken > o.first
	return dst, o.written
}

// Wrote says that n more bytes of what Take returned are on their way, at time
// now, and reports whether more waits; if not, the writer's work is over until
// the next Wake. The frames that are whole are given back.
func (o *Outbox) Wrote(n int, now time.Time) (more bool) {
	o.mu.Lock()
	n += o.written
	for o.head < len(o.frames) && n >= o.frames[o.head].Size() {
		f := o.frames[o.head]
		n -= f.Size()
		if !f.Born.IsZero() {
			o.stats.Transit.Observe(now.Sub(f.Born).Seconds())
		}
		o.grow(-f.Size())
		o.history.add(f, o.first)
		o.frames[o.head] = nil
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
	probe := conn != nil && o.history.wantsProbe()
	o.mu.Unlock()
	if probe {
		conn.Probe()
	}
	return more
}

// drop gives back the frames from index i on.
func (o *Outbox) drop(i int) {
	for _, f := range o.frames[i:] {
		o.grow(-f.Size())
		f.Release()
	}
	clear(o.frames[i:])
	o.frames = o.frames[:i]
	if o.state != noState && o.state >= o.next() {
		o.state = noState
	}
}

// Acknowledged says that the client has answered the last ping that was written.
func (o *Outbox) Acknowledged() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history.acknowledged()
}

// Congested implements [Receiver]: there is nothing between the hub and an outbox.
func (o *Outbox) Congested() bool { return false }

// Backlog implements [Receiver].
func (o *Outbox) Backlog() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
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

// Adopt implements [Receiver].
func (o *Outbox) Adopt(received uint64, frames []*wire.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = noState
	o.history.begin(!o.closed, o.next(), received)
	for _, f := range frames {
		if o.closed {
			f.Release()
		} else {
			o.push(f)
		}
	}
}

// Missed implements [Receiver].
func (o *Outbox) Missed(received uint64) ([]*wire.Frame, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.missed(received, o.frames[o.head:], o.first)
}

// Suspend implements [Receiver].
func (o *Outbox) Suspend() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn = nil
}

// Discard implements [Receiver].
func (o *Outbox) Discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.dead = true, true
	o.history.begin(false, 0, 0)
	if !o.writing {
		o.drop(o.head)
	}
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

// Kept returns what the client of a resumable membership is not known to have: the
// number of messages before that, and a reference to each for the caller.
func (o *Outbox) Kept() (received uint64, frames []*wire.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames, _ = o.history.missed(o.history.had, o.frames[o.head:], o.first)
	return o.history.had, frames
}

// Had returns how many messages of a resumable membership the client is known to
// have.
func (o *Outbox) Had() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.had
}
