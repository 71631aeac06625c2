package actor

import (
	"bytes"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// Writer is the connection behind an [Outbox]. Its methods must not block.
type Writer interface {
	// Wake says that frames wait and nobody writes them.
	Wake()
	// Closing says that a close frame is among what waits: the connection must end
	// in bounded time even if the frame can't be written.
	Closing()
	// Probe asks for a WebSocket ping. Its answer says that the client has received
	// all that was written before it.
	Probe()
	// Challenge asks for a WebSocket ping that must be answered within a time. If it
	// is not, the connection ends as after any unanswered ping.
	Challenge(within time.Duration)
	// Abort ends the connection at once, without a close frame.
	Abort()
}

// PatientWriter is a Writer that can let what goes to many wait for what goes to one.
type PatientWriter interface {
	Writer
	// WakeLater is Wake for frames that may be written after those of others.
	WakeLater()
	// Hurry says, after WakeLater, that there is more now, which should not wait. If
	// Take was called in between, it has nothing to do.
	Hurry()
}

// Outbox is the queue of frames for one connection, bounded in bytes. The hub
// appends to it, the connection's writer takes from it; neither waits for the
// other.
//
// Four rules protect a queue from other clients, and other clients from one that does not
// read:
//
//   - What is sent to one member counts against the limit, and one sender may use a
//     quarter of it: see [Outbox.Verdict].
//   - What is sent to a whole room counts apart, since no member may keep a sender from
//     talking to the others. It may exceed the limit by far, but not for long: see
//     [Outbox.Overdrawn].
//   - Member lists and changes don't count against the limit. Instead, at most one waits
//     that no message needs; a newer one replaces it or comes after it was taken.
//   - What a resumed connection has missed does not count either: it was counted
//     when it came.
type Outbox struct {
	// Set by Init, then read only.
	stats   *stats.Hub
	limit   int
	patient PatientWriter // nil: conn is no PatientWriter
	budget  *Budget       // shared with the connection's other outboxes; nil: there are none

	// crowded mirrors shares != nil, to be read without the lock.
	crowded atomic.Bool

	// Guarded by mu.
	mu      sync.Mutex
	conn    Writer  // nil: the connection was lost
	frames  []entry // frames[head:] wait or are being written
	head    int
	first   uint64           // number of frames[head]; frames count from 0
	taken   uint64           // frames below this number are with the writer
	written int              // bytes of frames[head] that are on their way already
	cost    int              // of all frames[head:], in bytes of memory
	counted int              // the part of cost that counts against limit
	shared  int              // the part of cost that was sent to whole rooms
	lists   int              // the part of cost that is member lists
	nLists  int              // of which there are so many
	done    uint64           // cost of all that was written or dropped so far
	size    int              // of all frames[head:], in bytes on the wire
	shares  map[uint64]share // of senders in frames[head:]; nil: little waits
	list    uint64           // number of the waiting list or changes, or noList
	since   uint64           // the version that what waits there follows on; 0: a whole list
	behind  bool             // a list was held back: tell the hub when none waits
	writing bool             // a writer is at work or has been woken
	later   bool             // it has been woken with WakeLater, and is not at work yet

	// gate reports whether the writer may have frames; nil: always. Where there is one,
	// the client is local to a node of several, and seen is what Membership.Seen is.
	gate func() bool
	seen *Seen

	closed bool           // nothing more is taken in
	warned bool           // the connection has been told that it is closing
	code   wire.CloseCode // of the close frame; 0: none was queued
	dead   bool           // frames are only given back

	history history // guarded by mu too
}

// entry is a frame in the queue.
type entry struct {
	*frame.Frame
	from uint64 // the sender, see Client.sender, with the marks below
}

// Marks in entry.from.
const (
	free    = 1 << 63 // does not count against the limit
	adopted = 1 << 62 // was queued for another connection before
	shared  = 1 << 61 // was sent to a whole room
	roster  = 1 << 60 // is a member list, unless a message to a whole room needed it
	senders = roster - 1
)

const noList = ^uint64(0)

// maxLimit keeps sums of limits from overflowing.
const maxLimit = math.MaxInt / 64

// keptFrames is the largest capacity of an empty queue that is kept for the next
// frames.
const keptFrames = 8

// Init prepares an outbox for conn. limit is in bytes of memory, see
// [frame.Frame.Cost]. A frame that is larger by itself is taken in when nothing
// else waits.
func (o *Outbox) Init(conn Writer, stats *stats.Hub, limit int) {
	o.conn, o.stats, o.limit, o.list = conn, stats, min(limit, maxLimit), noList
	o.patient, _ = conn.(PatientWriter)
}

// SetBudget has the outbox share a budget with others. It comes before all else but Init.
func (o *Outbox) SetBudget(b *Budget) { o.budget = b }

// Send implements [Receiver].
func (o *Outbox) Send(f *frame.Frame, from uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gate != nil && f.Origin.Key != 0 && o.hasSeen(f) {
		f.Release()
		return true
	}
	return o.add(entry{f, from})
}

// roomTypes begins the messages that tell of a room's members.
var roomTypes = []byte(`{"type":"room_`)

// Pass queues a frame from the hub of another node, as Send and SendList do, except that
// no list takes the place of another. That hub can't know how much waits here, and
// refuses nobody for it. So all counts as what goes to a whole room: it may exceed the limit
// for a while, see [Outbox.Overdrawn]. It reports false when the queue is full.
func (o *Outbox) Pass(f *frame.Frame) bool {
	from := uint64(shared)
	if bytes.HasPrefix(f.Payload(), roomTypes) {
		from = free | roster
	}
	return o.Send(f, from)
}

func (o *Outbox) add(e entry) bool {
	if o.closed {
		e.Release()
		return true
	}
	if !o.makeRoom(e.counted()) || e.from&shared != 0 && !o.makeShared(e.Cost()) || o.listsPileUp() {
		e.Release()
		return false
	}
	o.push(e)
	return true
}

func (o *Outbox) push(e entry) {
	if len(o.frames) == cap(o.frames) && o.head > len(o.frames)/2 {
		n := copy(o.frames, o.frames[o.head:])
		clear(o.frames[n:])
		o.frames, o.head = o.frames[:n], 0
	}
	o.frames = append(o.frames, e)
	o.account(&e, 1)
}

// marks returns how a list counts: like the message that needs it, or apart.
func (l *List) marks() uint64 {
	if l.Needed && l.ToAll {
		return shared
	}
	return free | roster
}

// account adds an entry to the sums, or with sign -1 takes it out.
func (o *Outbox) account(e *entry, sign int) {
	cost := sign * e.Cost()
	o.cost += cost
	o.counted += sign * e.counted()
	o.size += sign * e.Size()
	if e.from&shared != 0 {
		o.shared += cost
	}
	if e.from&roster != 0 {
		o.lists += cost
		o.nLists += sign
	}
	if sign < 0 {
		o.done += uint64(-cost)
	}
	o.stats.OutboxBytes.Add(int64(cost))
	o.budget.account(e, sign)
	switch {
	case o.shares != nil:
		e.addTo(o.shares, sign)
		if o.cost < o.limit/calmPart {
			o.shares = nil
			o.crowded.Store(false)
		}
	case o.cost > o.limit/crowdedPart:
		o.crowd()
	}
}

// Mark implements [Receiver].
func (o *Outbox) Mark() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.budget != nil {
		return o.budget.mark()
	}
	return o.done + uint64(min(o.cost, o.limit))
}

// Behind implements [Receiver].
func (o *Outbox) Behind(mark uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.budget != nil {
		return o.conn != nil && o.budget.behind(mark)
	}
	return o.conn != nil && o.done < mark
}

// next is the number that the next frame gets.
func (o *Outbox) next() uint64 { return o.first + uint64(len(o.frames)-o.head) }

// firstMovable is the number of the first frame that may still be moved or dropped:
// those before it are with the writer or on their way.
func (o *Outbox) firstMovable() uint64 {
	if o.written > 0 {
		return max(o.taken, o.first+1)
	}
	return max(o.taken, o.first)
}

// listWaits reports whether a list is queued that the writer has not taken yet.
func (o *Outbox) listWaits() bool { return o.list != noList && o.list >= o.firstMovable() }

// SendList implements [Receiver].
func (o *Outbox) SendList(l List) (sent bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.First {
		o.list = noList
	}
	waits := o.listWaits()
	switch {
	case o.closed:
		return true
	case waits && (l.InPlace || o.list == o.next()-1) && o.fold(l.Of):
	case !l.Needed && (waits || o.conn == nil):
		// The client learns of the change later: with what a message needs, from the list
		// after a resume, or from what the hub sends when it hears that this queue has
		// caught up.
		o.behind = o.conn != nil
		return false
	default:
		f, since, _ := l.Of.List(l.Since, false)
		if f == nil {
			return true
		}
		o.list, o.since = o.next(), since
		o.push(entry{f, l.For | l.marks()})
	}
	return true
}

// fold has the room's present state take the place of the list or changes that wait, and
// reports whether that could be.
func (o *Outbox) fold(of Lister) bool {
	f, _, ok := of.List(o.since, true)
	if !ok {
		return false
	}
	old := &o.frames[o.head+int(o.list-o.first)]
	e := entry{f, old.from}
	o.account(old, -1)
	old.Release()
	*old = e
	o.account(&e, 1)
	return true
}

// Reset implements [Receiver].
func (o *Outbox) Reset(resumable bool, _ Turn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list, o.behind = noList, false
	if o.seen != nil {
		o.seen.Begin(nil)
	}
	o.history.begin(resumable && !o.closed, o.next(), 0)
}
