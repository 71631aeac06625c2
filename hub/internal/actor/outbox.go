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
// Four rules keep one client from using up another's queue, and a client that does not
// read from keeping others from talking:
//
//   - What is sent to one member counts against the limit, and one sender may use a
//     quarter of it: see [Outbox.Verdict].
//   - What is sent to a whole room counts apart, since no member may keep a sender from
//     talking to the others. It may exceed the limit by far, but not for long: see
//     [Outbox.Overdrawn].
//   - Member lists and changes don't count against the bound. Instead, at most one waits
//     that no message needs; a newer one replaces it or comes after it was taken.
//   - What a resumed connection has missed does not count either: it was counted
//     when it came.
type Outbox struct {
	// Set by Init, then read only.
	stats   *stats.Hub
	limit   int
	patient PatientWriter // nil: the connection is none
	budget  *Budget       // with other outboxes; nil: there are none

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

// share is what waits of one sender's, in bytes of memory.
type share struct {
	direct int // to this receiver alone, and the lists that its messages needed
	toAll  int // to the whole room
}

// Marks in entry.from.
const (
	free    = 1 << 63 // does not count against the limit
	adopted = 1 << 62 // was queued for another connection before
	shared  = 1 << 61 // was sent to a whole room
	roster  = 1 << 60 // is a member list, but for those that messages to a whole room needed
	senders = roster - 1
)

func (e *entry) sender() uint64 { return e.from & senders }

func (e *entry) counted() int {
	if e.from&(free|shared) != 0 {
		return 0
	}
	return e.Cost()
}

// addTo adds the entry to its sender's share, or with sign -1 takes it out. Lists are in
// it, although they are free.
func (e *entry) addTo(shares map[uint64]share, sign int) {
	of := shares[e.sender()]
	switch {
	case e.from&adopted != 0:
	case e.from&shared != 0:
		of.toAll += sign * e.Cost()
	default:
		of.direct += sign * e.Cost()
	}
	if of == (share{}) {
		delete(shares, e.sender())
		return
	}
	shares[e.sender()] = of
}

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

// hasSeen reports whether a message was sent to this membership before, by the owner of the
// room that there was then, and notes that it is now.
func (o *Outbox) hasSeen(f *frame.Frame) bool {
	from := f.Origin
	if from.Again && o.seen.Has(from.Key, from.Seq) {
		return true
	}
	if o.history.kept {
		o.seen.Note(from.Key, from.Seq)
	}
	return false
}

// Seen implements [Receiver].
func (o *Outbox) Seen() map[uint64]uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		return nil
	}
	return o.seen.All()
}

// never is the gate of an outbox that is nobody's.
func (o *Outbox) never() bool { return false }

// roomTypes begins the messages that tell of a room's members.
var roomTypes = []byte(`{"type":"room_`)

// Pass queues a frame that another server's hub has sent, as Send and SendList do, but for
// lists: none takes the place of another. It reports false when the queue is full.
func (o *Outbox) Pass(f *frame.Frame) bool {
	from := uint64(0)
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

// What is sent to whole rooms may take overdraft times the limit, and at least
// minOverdraft bytes: the largest burst of one sender (wsconn's BurstBytes, by default
// 4 MiB) must fit a queue whose client reads.
const (
	overdraft    = 8
	minOverdraft = 6 << 20
)

// allowance is how much may wait of what is sent to whole rooms, in bytes of memory.
func (o *Outbox) allowance() int { return allowance(o.limit) }

func allowance(limit int) int { return max(overdraft*limit, minOverdraft) }

func (o *Outbox) makeShared(n int) bool {
	return (o.shared == 0 || o.shared+n <= o.allowance()) && !o.budget.fullOfShared(n)
}

// listsPileUp reports whether lists of former memberships have piled up: a client that
// joins and leaves and does not read.
func (o *Outbox) listsPileUp() bool { return o.nLists > 1 && o.lists > 2*o.limit }

// makeRoom reports whether n more bytes may wait. What is kept of what was written
// gives way, unless the connection is lost: then it is needed.
func (o *Outbox) makeRoom(n int) bool {
	if o.counted > 0 && o.counted+n > o.limit || o.budget.full(n) {
		return false
	}
	if o.conn != nil {
		o.history.shrink(o.limit - o.counted - n)
	}
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

// marks returns how a list counts: as what the message is that needs it, or apart.
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

// A queue is crowded when more than limit/crowdedPart bytes wait, until fewer than
// limit/calmPart do. Only then is it counted who has sent what: nobody's share can
// be used up before, and a queue that is read in time is never crowded.
const (
	crowdedPart = 8
	calmPart    = 16
	sharePart   = 4 // a sender's share is limit/sharePart
)

// crowd begins to count shares.
func (o *Outbox) crowd() {
	o.shares = o.count()
	o.crowded.Store(true)
}

// count returns the shares of all senders.
func (o *Outbox) count() map[uint64]share {
	shares := make(map[uint64]share)
	for i := range o.frames[o.head:] {
		o.frames[o.head+i].addTo(shares, 1)
	}
	return shares
}

// Verdict implements [Receiver]. A sender's share is a quarter of the queue, or one
// message if that is larger; and what does not fit is refused, whoever has filled the
// queue. What goes to the whole room is refused only for a client without a connection,
// of which a sender may fill half of what is allowed.
func (o *Outbox) Verdict(from uint64, n int, toAll bool) Verdict {
	if !toAll && o.budget.full(n) {
		return Congested
	}
	if !o.crowded.Load() && n <= o.limit/crowdedPart {
		return Open
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	shares := o.shares
	if shares == nil {
		shares = o.count() // little waits
	}
	of := shares[from]
	switch {
	case o.closed:
	case toAll && o.conn == nil && of.toAll > 0 && of.toAll+n > o.allowance()/2:
		return Congested
	case !toAll && of.direct > 0 && of.direct+n > o.limit/sharePart:
		return Congested
	case !toAll && o.counted > 0 && o.counted+n > o.limit:
		return Congested
	}
	return Open
}

// Overdrawn implements [Receiver].
func (o *Outbox) Overdrawn() bool {
	together := o.budget.overdrawn()
	if !together && !o.crowded.Load() {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conn != nil && (o.shared > o.limit || together && o.shared > 0)
}

// Mark implements [Receiver].
func (o *Outbox) Mark() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done + uint64(min(o.cost, o.limit))
}

// Behind implements [Receiver].
func (o *Outbox) Behind(mark uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
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

// Backlog implements [Receiver].
func (o *Outbox) Backlog() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cost
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

// Adopt implements [Receiver].
func (o *Outbox) Adopt(m *Membership, received uint64, frames []*frame.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list, o.behind = noList, false
	o.history.begin(!o.closed, o.next(), received)
	if o.seen != nil {
		o.seen.Begin(m.Seen)
	}
	for _, f := range frames {
		if o.closed {
			f.Release()
		} else {
			o.push(entry{f, free | adopted})
		}
	}
}

// Missed implements [Receiver].
func (o *Outbox) Missed(received uint64) ([]*frame.Frame, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.missed(received, o.frames[o.head:], o.first)
}

// Sent implements [Receiver].
func (o *Outbox) Sent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.count(o.frames[o.head:], o.first)
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
func (o *Outbox) Kept() (received uint64, frames []*frame.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames, _ = o.history.missed(o.history.had, o.frames[o.head:], o.first)
	return o.history.had, frames
}

// Acked implements [Receiver].
func (o *Outbox) Acked() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.history.acked
}
