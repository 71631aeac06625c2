package cluster

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// link is the way to one other node, or from a node to itself: a stream of records
// that arrive once and in order, for as long as both incarnations live. Records that are
// written while a packet is on its way leave together in the next.
type link struct {
	// Set before start, then read only.
	node      string // the other
	own, peer uint64 // incarnations
	version   int    // of the wire
	send      func(packet []byte)
	arrive    func(seq uint64, records []byte) bool // false: can't be taken now
	progress  func()                                // more of our packets have arrived
	complain  func(kind byte)                       // a record can't be read, see refuse
	limit     int                                   // bytes that may wait

	wake chan struct{} // there is something to send
	stop chan struct{}
	once sync.Once

	// Guarded by mu.
	mu        sync.Mutex
	chunks    []*chunk          // written, not sent yet; the last one may grow
	sent      []*chunk          // sent, not known to have arrived
	waiting   int               // bytes of both
	moved     time.Time         // when packets last arrived, or began to wait
	next      uint64            // number of the packet that chunks[0] becomes
	refused   time.Time         // when what comes was found to make no sense, see isBad
	expected  uint64            // number of the packet that is to come next
	early     map[uint64][]byte // copies of packets that have overtaken the one that is expected
	closed    bool
	ackDue    bool
	unacked   int         // bytes that came since the last ack
	late      *time.Timer // see soon; nil: it was not needed yet
	lateSet   bool        // late is running
	again     bool        // the other node has asked for packets that were sent
	gap       bool        // something has not come: ask for it
	spare     [][]byte    // buffers for chunks
	spareSize int         // of those, in bytes
	used      [][]byte    // buffers that run may be sending still
	lastGap   time.Time   // when it was last asked for

	unfinished unfinished
	writer     writer // of the record that is being written

	urgent atomic.Bool // something was written that must not wait: flush sends it; set with mu held
	isBad  atomic.Bool // what comes makes no sense; set with mu held

	lost bool // the edge takes nothing of it any more; owned by the edge loop

	receiving sync.Mutex // held while a packet is taken: some may come by another way
	partial   []byte     // of a record that is not whole; guarded by receiving
}

// chunk is what one packet carries.
type chunk struct {
	seq   uint64
	b     []byte // header and records
	sent  time.Time
	tries int // how often it was sent again
}

const (
	headerBytes = 8 + 8 + 1 + 8 + 8
	lengthBytes = 4 // before each record
	// packetBytes is when a packet is full, and maxPacket its largest size: a record may
	// be spread over several.
	packetBytes = 128 << 10
	maxPacket   = MaxPacket
	// resendAfter is how long a packet may be unheard of before it is sent again.
	// Each time it is twice as long, up to maxDoublings times: a receiver that is busy is not
	// to get ever more.
	resendAfter  = 200 * time.Millisecond
	maxDoublings = 2
	tickTime     = 50 * time.Millisecond
	// resendBytes bounds what is sent again at once.
	resendBytes = 1 << 20
	// maxEarly bounds the packets that may wait for one that is missing.
	maxEarly = 1024
	// gapPause is the least time between two questions for what is missing, and
	// maxMissing how many packets one may name.
	gapPause   = 10 * time.Millisecond
	maxMissing = 128
)

// MaxPacket is the largest packet that is given to a [Backplane], in bytes.
const MaxPacket = 256 << 10

// Kinds of packets.
const (
	packetData byte = iota
	packetAck
	packetGap // an ack that names packets which have not come
)

func newLink(l *link) *link {
	l.wake, l.stop = make(chan struct{}, 1), make(chan struct{})
	l.next, l.expected, l.early = 1, 1, map[uint64][]byte{}
	return l
}

// write appends a record with what f writes, and returns the number of the packet
// that will carry its end.
func (l *link) write(f func(w *writer)) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urgent.Store(true)
	return l.append(f)
}

// append appends a record. The caller holds mu.
func (l *link) append(f func(w *writer)) uint64 {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last].b) > packetBytes {
		l.chunks = append(l.chunks, &chunk{b: l.buffer()})
		last++
	}
	c := l.chunks[last]
	before := len(c.b)
	l.writer = writer{append(c.b, 0, 0, 0, 0), l.version}
	f(&l.writer)
	c.b = l.writer.b
	binary.LittleEndian.PutUint32(c.b[before:], uint32(len(c.b)-before-lengthBytes))
	if l.waiting == 0 {
		l.moved = time.Now()
	}
	l.waiting += len(c.b) - before
	for len(l.chunks[last].b) > maxPacket {
		c := l.chunks[last]
		l.chunks = append(l.chunks, &chunk{b: append(l.buffer(), c.b[maxPacket:]...)})
		c.b = c.b[:maxPacket]
		last++
	}
	return l.next + uint64(last)
}

// flush sends what write and deliver have queued.
func (l *link) flush() {
	if l.urgent.Load() {
		l.rouse()
	}
}

// rouse wakes run, which sends all that is queued, and an ack that is due.
func (l *link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// mark returns the number of the last packet that there is or will be.
func (l *link) mark() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1 + uint64(len(l.chunks))
}

// has reports whether a packet is known to have arrived, or the link is closed: then
// nobody waits for it.
func (l *link) has(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	arrived := l.next - 1
	if len(l.sent) > 0 {
		arrived = l.sent[0].seq - 1
	}
	return l.closed || seq <= arrived
}

// congested reports whether more waits than may.
func (l *link) congested() bool { return l.backlog() > l.limit }

// backlog returns the bytes that wait or have not arrived.
func (l *link) backlog() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// stuckFor returns for how long something has waited to arrive and nothing has, or since when
// what comes makes no sense.
func (l *link) stuckFor(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.refused.IsZero():
		return now.Sub(l.refused)
	case l.waiting == 0:
		return 0
	}
	return now.Sub(l.moved)
}

// close ends run, in its own time. Records that are delivered later are not acknowledged.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	if l.late != nil {
		l.late.Stop()
	}
	l.finish()
	l.mu.Unlock()
	l.once.Do(func() { close(l.stop) })
}

func (l *link) run() {
	tick := time.NewTimer(tickTime)
	defer tick.Stop()
	ticks := true // a link on which nothing waits to arrive sleeps
	for {
		select {
		case <-l.stop:
			return
		case <-l.wake:
			runtime.Gosched() // whoever has more to write does so first: it goes in the same packet
		case <-tick.C:
			ticks = false
		}
		l.reuse()
		if !ticks || l.misses() {
			l.resend()
		}
		for l.sendNext() {
			l.reuse()
		}
		if !ticks && l.backlog() > 0 {
			ticks = true
			tick.Reset(tickTime)
		}
	}
}

// sendNext sends the next packet, or an ack that is due, and reports whether there
// may be more.
func (l *link) sendNext() bool {
	l.mu.Lock()
	var packet []byte
	more := len(l.chunks) > 0 && !l.closed
	switch {
	case l.closed:
	case more:
		c := l.chunks[0]
		if l.unfinished.chunk == c {
			l.finish()
		}
		l.chunks[0] = nil
		l.chunks = l.chunks[1:]
		c.seq, c.sent = l.next, time.Now()
		l.next++
		l.sent = append(l.sent, c)
		packet = l.header(c.b, packetData, c.seq)
		l.urgent.Store(len(l.chunks) > 0)
	case l.ackDue || l.gap:
		kind, b := packetAck, make([]byte, headerBytes)
		if l.gap {
			kind, b, l.gap = packetGap, l.missing(b), false
		}
		packet = l.header(b, kind, 0)
	}
	l.mu.Unlock()
	if packet != nil {
		l.send(packet)
	}
	return more
}

// missing appends the numbers of packets that others have overtaken. The caller holds
// mu.
func (l *link) missing(b []byte) []byte {
	found := 0
	for seq := l.expected; found < len(l.early) && len(b) < headerBytes+8*maxMissing; seq++ {
		if _, here := l.early[seq]; here {
			found++
		} else {
			b = binary.LittleEndian.AppendUint64(b, seq)
		}
	}
	return b
}

// header fills in a packet's header. The caller holds mu.
func (l *link) header(b []byte, kind byte, seq uint64) []byte {
	le := binary.LittleEndian
	le.PutUint64(b, l.own)
	le.PutUint64(b[8:], l.peer)
	b[16] = kind
	le.PutUint64(b[17:], seq)
	le.PutUint64(b[25:], l.expected-1)
	l.ackDue, l.unacked = false, 0
	return b
}

// misses reports whether the other node has asked for missing packets since the last call.
func (l *link) misses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := l.again
	l.again = false
	return again
}

// resend sends again what has been unheard of for too long.
func (l *link) resend() {
	l.mu.Lock()
	now := time.Now()
	var again [][]byte
	for bytes, i := 0, 0; i < len(l.sent) && bytes < resendBytes; i++ {
		c := l.sent[i]
		if now.Sub(c.sent) < resendAfter<<min(c.tries, maxDoublings) {
			continue
		}
		c.sent = now
		c.tries++
		bytes += len(c.b)
		again = append(again, l.header(c.b, packetData, c.seq))
	}
	l.mu.Unlock()
	for _, packet := range again {
		l.send(packet)
	}
}
