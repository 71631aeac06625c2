// Package calls follows the calls between members: a state machine that is fed with
// offers, answers, hang-ups, reports and the ends of memberships. It knows no clock, no
// goroutine and no connection: the hub loop owns a [Tracker], tells it the time, and is
// told of what happens by a [Sink].
//
// A call is between two members of a room. It begins with an offer, and ends when one of
// them hangs up or leaves, or nobody answers. Reports and the words of signaling say what
// became of it. They never end it: a client that lies changes only what is said of its own
// calls. A call that has ended waits for the last reports of those who are still there,
// for [LastWords] at most, and then it is finished: told to the sink, and kept for
// [Kept].
package calls

import (
	"container/list"
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/event"
)

// Times and bounds.
const (
	RingTime  = 2 * time.Minute // a call that is not answered ends then
	LastWords = 3 * time.Second // how long a call that has ended waits for reports
	Kept      = time.Hour       // how long a finished call is kept

	MaxOpen      = 16384 // calls that are not finished; further ones are not followed
	MaxPerMember = 256   // of those, of one member
	MaxFinished  = 4096  // the oldest is dropped for another

	maxStory    = 24 // steps of a call
	maxFailures = 4  // times that the sink is told of a failure of one side
	maxTick     = 256
)

// Sink is told what happens to calls. It must not keep or change what it gets: it may
// take a [Copy].
type Sink interface {
	Started(*event.Call)
	Answered(*event.Call)
	// SetUp and Routed are called once for a connected call at most: when a side first reports
	// how long it took, and over which path and protocol it goes.
	SetUp(*event.Call)
	Routed(*event.Call)
	// Failed is called when a side, an index of Sides, reports a failure.
	Failed(c *event.Call, side int)
	Ended(*event.Call)    // no more signaling belongs to it
	Finished(*event.Call) // all is known of it
	Untracked()           // a call is not followed: there are too many
}

// Tracker follows calls. It is for one goroutine.
type Tracker struct {
	sink  Sink
	newID func() string

	pairs    map[pairKey]*pair
	members  map[member][]*pair // a member without a call is not there
	open     []*call            // not finished, in no order
	ringing  list.List          // calls without an answer, the oldest first
	closing  list.List          // calls that have ended, the first that ended first
	finished []*event.Call      // the first that ended first
}

// member names a member of a room.
type member struct{ room, id string }

// pairKey names two members of a room, the smaller id first.
type pairKey struct{ room, low, high string }

// pair has the calls of two members.
type pair struct {
	key     pairKey
	live    *call // nil: none
	closing *call // ended, and waits for last words; nil: none
}

// call is a call that is not finished.
type call struct {
	Record
	index int           // in Tracker.open
	gone  [2]bool       // whose membership has ended: another of that id has no part in it
	timer *list.Element // in ringing or closing; nil: in neither
	due   time.Time
}

// Record is all that is known of a call that is not finished. It can be passed on to
// another tracker.
type Record struct {
	Call    event.Call
	Offered [2]bool // who has sent an offer
	Done    [2]bool // who has left, or has said its last word
	Failed  [2]int  // how often the sink was told of a failure
	Timed   bool    // the sink was told of the set-up time
	Samples [2]Samples
}

// New makes a tracker. newID makes ids of calls, unique also among other trackers.
func New(sink Sink, newID func() string) *Tracker {
	return &Tracker{sink: sink, newID: newID, pairs: map[pairKey]*pair{}, members: map[member][]*pair{}}
}

func keyOf(room, a, b string) pairKey { return pairKey{room, min(a, b), max(a, b)} }

// side returns which side of the call a member is.
func (c *call) side(id string) int {
	if c.Call.To == id {
		return 1
	}
	return 0
}

// step adds to the story of a call.
func (c *call) step(s event.CallStep) {
	if len(c.Call.Story) == maxStory {
		c.Call.Story = slices.Delete(c.Call.Story, maxStory/2, maxStory/2+1)
		c.Call.Omitted++
	}
	c.Call.Story = append(c.Call.Story, s)
}

// Member is a side of an offer.
type Member struct {
	ID     string
	Joined time.Time
}

// Offer takes an offer. It begins a call, or renegotiates one.
func (t *Tracker) Offer(now time.Time, room string, from, to Member) {
	if from.ID == to.ID {
		return
	}
	key := keyOf(room, from.ID, to.ID)
	p := t.pairs[key]
	if p == nil || p.live == nil {
		if !t.hasRoom(room, from.ID, to.ID) {
			t.sink.Untracked()
			return
		}
		t.begin(now, key, from, to)
		return
	}
	c := p.live
	c.Call.Offers++
	c.Offered[c.side(from.ID)] = true
	c.step(event.CallStep{Time: now, What: event.StepOffer, By: from.ID})
}

// Live reports whether two have a call that has not ended.
func (t *Tracker) Live(room, a, b string) bool {
	p := t.pairs[keyOf(room, a, b)]
	return p != nil && p.live != nil
}

// hasRoom reports whether another call can be followed.
func (t *Tracker) hasRoom(room, a, b string) bool {
	if len(t.open) >= MaxOpen {
		return false
	}
	for _, id := range []string{a, b} {
		if len(t.members[member{room, id}]) >= MaxPerMember {
			return false
		}
	}
	return true
}

func (t *Tracker) begin(now time.Time, key pairKey, from, to Member) {
	c := &call{Record: Record{
		Call:    event.Call{ID: t.newID(), Room: key.room, From: from.ID, To: to.ID, Started: now, Offers: 1},
		Offered: [2]bool{true, false},
	}}
	for _, m := range []Member{from, to} {
		if !m.Joined.IsZero() {
			c.step(event.CallStep{Time: m.Joined, What: event.StepJoined, By: m.ID})
		}
	}
	slices.SortStableFunc(c.Call.Story, func(a, b event.CallStep) int { return a.Time.Compare(b.Time) })
	c.step(event.CallStep{Time: now, What: event.StepOffer, By: from.ID})
	t.add(now, c)
	t.sink.Started(&c.Call)
}

// add puts a call among those that are followed.
func (t *Tracker) add(now time.Time, c *call) {
	t.pairOf(keyOf(c.Call.Room, c.Call.From, c.Call.To)).live = c
	c.index = len(t.open)
	t.open = append(t.open, c)
	if c.Call.Answered.IsZero() {
		c.due = now.Add(RingTime)
		c.timer = t.ringing.PushBack(c)
	}
}

// pairOf returns the pair with a key, a new one if there is none.
func (t *Tracker) pairOf(key pairKey) *pair {
	p := t.pairs[key]
	if p != nil {
		return p
	}
	p = &pair{key: key}
	t.pairs[key] = p
	for _, id := range []string{key.low, key.high} {
		m := member{key.room, id}
		t.members[m] = append(t.members[m], p)
	}
	return p
}

// Answer takes an answer. One that no offer has asked for is none.
func (t *Tracker) Answer(now time.Time, room, from, to string) {
	p := t.pairs[keyOf(room, from, to)]
	if p == nil || p.live == nil || !p.live.Offered[p.live.side(to)] {
		return
	}
	c := p.live
	c.step(event.CallStep{Time: now, What: event.StepAnswer, By: from})
	if !c.Call.Answered.IsZero() {
		return
	}
	c.Call.Answered = now
	t.ringing.Remove(c.timer)
	c.timer = nil
	t.sink.Answered(&c.Call)
}

// Hangup takes a hang-up.
func (t *Tracker) Hangup(now time.Time, room, from, to string) {
	if p := t.pairs[keyOf(room, from, to)]; p != nil && p.live != nil {
		t.end(now, p, event.ReasonHangup, from)
	}
}

// Left takes the end of a membership.
func (t *Tracker) Left(now time.Time, room, id, reason string) {
	for _, p := range slices.Clone(t.members[member{room, id}]) { // it shrinks meanwhile
		if c := p.closing; c != nil {
			c.leave(id)
			t.finishIfDone(c, p)
		}
		if c := p.live; c != nil {
			c.leave(id)
			t.end(now, p, reason, id)
		}
	}
}

// leave notes that the membership of a side has ended.
func (c *call) leave(id string) {
	i := c.side(id)
	c.Done[i], c.gone[i] = true, true
}

// Lost takes the loss of a member's connection, where the membership stays, and Resumed
// its return.
func (t *Tracker) Lost(now time.Time, room, id, reason string) {
	t.tell(room, id, event.CallStep{Time: now, What: event.StepLost, By: id, Reason: reason})
}

// Resumed takes the return of a member whose connection was lost.
func (t *Tracker) Resumed(now time.Time, room, id string) {
	t.tell(room, id, event.CallStep{Time: now, What: event.StepResumed, By: id})
}

func (t *Tracker) tell(room, id string, s event.CallStep) {
	for _, p := range t.members[member{room, id}] {
		if p.live != nil {
			p.live.step(s)
		}
	}
}

// end ends the live call of a pair.
func (t *Tracker) end(now time.Time, p *pair, reason, by string) {
	c := p.live
	p.live = nil
	if c.timer != nil {
		t.ringing.Remove(c.timer)
	}
	c.over(now, reason, by)
	for i := range c.Done {
		c.Done[i] = c.Done[i] || isLast(c.Call.Sides[i].Outcome)
	}
	before := p.closing
	p.closing = c
	if before != nil {
		t.finish(before, p)
	}
	c.due = now.Add(LastWords)
	c.timer = t.closing.PushBack(c)
	t.sink.Ended(&c.Call)
	t.finishIfDone(c, p)
}

// over notes how a call ended.
func (c *call) over(now time.Time, reason, by string) {
	c.Call.Ended, c.Call.Reason, c.Call.By = now, reason, by
	c.step(event.CallStep{Time: now, What: event.StepEnd, By: by, Reason: reason})
}

// done notes that no more reports of a member will come for a call that has ended.
func (t *Tracker) done(c *call, p *pair, id string) {
	c.Done[c.side(id)] = true
	t.finishIfDone(c, p)
}

func (t *Tracker) finishIfDone(c *call, p *pair) {
	if c.Done[0] && c.Done[1] {
		t.finish(c, p)
	}
}

// finish concludes a call that has ended.
func (t *Tracker) finish(c *call, p *pair) {
	if p.closing == c {
		p.closing = nil
	}
	t.closing.Remove(c.timer)
	t.drop(c)
	t.keep(c)
	t.dropPair(p)
}

// keep puts a call among those that are finished.
func (t *Tracker) keep(c *call) {
	c.conclude()
	t.finished = append(t.finished, &c.Call)
	if len(t.finished) > MaxFinished {
		t.forget(1)
	}
	t.sink.Finished(&c.Call)
}

// drop takes a call out of the list of those that are open.
func (t *Tracker) drop(c *call) {
	last := len(t.open) - 1
	t.open[c.index] = t.open[last]
	t.open[c.index].index = c.index
	t.open[last] = nil
	t.open = t.open[:last]
}

// dropPair forgets a pair without calls.
func (t *Tracker) dropPair(p *pair) {
	if p.live != nil || p.closing != nil {
		return
	}
	delete(t.pairs, p.key)
	for _, id := range []string{p.key.low, p.key.high} {
		key := member{p.key.room, id}
		pairs := t.members[key]
		i := slices.Index(pairs, p)
		if pairs = slices.Delete(pairs, i, i+1); len(pairs) > 0 {
			t.members[key] = pairs
		} else {
			delete(t.members, key)
		}
	}
}
