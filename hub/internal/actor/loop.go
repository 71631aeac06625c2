package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"go.uber.org/zap"
)

// maxBatch bounds the commands of one batch, so that membership and queued
// frames leave in good time however many commands are waiting.
const maxBatch = 512

// loop is the state of the hub's goroutine. Everything in it is owned by the
// loop but for hub, which is set before start.
type loop struct {
	hub     *Hub
	options Options
	log     *zap.Logger

	clients  []*Client        // registered, in no order
	rooms    map[string]*room // by name
	roomList []*room          // the same, in no order
	changed  []*room          // rooms with a change that not all members know yet
	rounds   []*room          // large rooms that are being gone through, in turn
	slice    int              // members of a large room that have their turn at a time
	copies   int              // of messages that wait for rounds
	bulk     bool             // a round is at work
	touched  []*Client        // clients with frames queued in this batch
	evicted  []*member        // members whose queue the present command has overflowed
	reunited []*member        // members that the present command has given a connection back
	sessions map[handle]*member
	owned    map[int]uint64        // epochs of the partitions that are here: see local.go
	tallies  map[connection]*tally // of connections with other servers: see tally.go
	turns    uint64                // that have been given: see turn.go
	bans     map[seat]time.Time    // until when somebody may not join a room
	draining bool
	calls    *callWatch           // nil: calls are not followed
	notifies bool                 // somebody is notified
	after    []func(batch uint64) // to be called at the end of this batch
	batches  uint64               // that have begun

	now time.Time // when the batch began
}

func newLoop(h *Hub, o Options) *loop {
	o.setCurrent()
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Elsewhere == nil {
		o.Elsewhere = func() int { return 0 }
	}
	if o.TellNodes == nil {
		o.TellNodes = func(RoomMeta) {}
	}
	notifies := o.Notify != nil
	if !notifies {
		o.Notify = func(event.Event) {}
	}
	l := &loop{
		hub:      h,
		options:  o,
		log:      o.Logger,
		slice:    sliceMembers,
		rooms:    make(map[string]*room),
		owned:    make(map[int]uint64),
		bans:     make(map[seat]time.Time),
		sessions: make(map[handle]*member),
		tallies:  make(map[connection]*tally),
		notifies: notifies,
	}
	if o.TrackCalls {
		l.calls = newCallWatch(l)
	}
	return l
}

func (l *loop) run() {
	defer close(l.hub.closed)
	for {
		c, goesOn := l.next()
		if !goesOn {
			l.abort()
			return
		}
		l.batch(c)
	}
}

// next waits for a command, or returns nil at once if a round is to go on.
func (l *loop) next() (c Command, goesOn bool) {
	if len(l.rounds) == 0 {
		select {
		case c = <-l.hub.commands:
			return c, true
		case <-l.hub.closing:
			return nil, false
		}
	}
	commands := l.hub.commands
	if l.copies > maxCopies {
		commands = nil
	}
	select {
	case c = <-commands:
	case <-l.hub.closing:
		return nil, false
	default:
	}
	return c, true
}

// abort ends all connections, also those that were handed over just now.
func (l *loop) abort() {
	l.hub.entering.Lock() // all others see that the hub closes
	defer l.hub.entering.Unlock()
	for {
		select {
		case c := <-l.hub.commands:
			switch c := c.(type) {
			case Register:
				c.Client.out.Abort()
			case Unregister:
				c.Client.out.Discard()
			}
			continue
		default:
		}
		break
	}
	if l.calls != nil && l.calls.timer != nil {
		l.calls.timer.Stop()
	}
	for _, c := range l.clients {
		if !c.own { // those are the edge's
			c.out.Abort()
		}
	}
}

// batch applies first, unless it is nil, and the commands that wait behind it, then tells
// the rooms and lets the frames go.
func (l *loop) batch(first Command) {
	l.now = time.Now()
	l.batches++
	n := 0
more:
	for c := first; c != nil; {
		l.apply(c)
		if n++; n == maxBatch || l.copies > maxCopies {
			break
		}
		select {
		case c = <-l.hub.commands:
		default:
			break more
		}
	}
	l.finish()
	l.hub.Stats.BatchSize.Observe(float64(n))
	l.hub.Stats.BatchTime.Observe(time.Since(l.now).Seconds())
}

// apply applies a command, and then has the members leave whose queue it has
// overflowed: not before, since a command may be walking a room's members.
func (l *loop) apply(c Command) {
	if l.options.Returned != nil && l.elsewhere(c) {
		l.options.Returned(c)
		return
	}
	c.apply(l)
	if len(l.evicted) > 0 {
		l.leaveEvicted()
	}
}

func (l *loop) leaveEvicted() {
	for len(l.evicted) > 0 {
		last := len(l.evicted) - 1
		m := l.evicted[last]
		l.evicted[last] = nil
		l.evicted = l.evicted[:last]
		l.leaveRoom(m, event.ReasonSlow)
	}
}

// finish ends a batch: what its commands have queued may go.
func (l *loop) finish() {
	l.settle()
	l.watchCalls()
	for i, c := range l.touched {
		c.touched = false
		if c.later {
			c.out.FlushLater()
		} else {
			c.out.Flush()
		}
		l.touched[i] = nil
	}
	l.touched = l.touched[:0]
	for i, f := range l.after {
		f(l.batches)
		l.after[i] = nil
	}
	l.after = l.after[:0]
}

// settle takes a slice of each round and tells the changed rooms, until none is left:
// telling a room can overflow clients.
func (l *loop) settle() {
	for went := false; !went || len(l.changed) > 0 || len(l.evicted) > 0; {
		l.tellRooms()
		if !went && len(l.rounds) > 0 {
			l.goOn()
		}
		went = true
		l.leaveEvicted()
	}
}

// later has the loop apply a command at some time, in another batch.
func (l *loop) later(d time.Duration, c Command) {
	time.AfterFunc(d, func() { _ = l.hub.Do(c) }) // closed: nothing is left to be done
}
