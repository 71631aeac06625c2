package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
)

// Messages to all members of a large room go out in rounds: through the members in the
// order of their ids, a slice at a time, with the commands of others in between. So the
// loop is never busy for long, and what other members say to each other does not wait. A
// round tells what has changed, and brings the messages to the whole room that were sent
// before it began.
//
// To a member all this looks as if it had come at once. Whatever else is queued for it, or
// asked of its queue, comes after the messages to the whole room that it has not had yet:
// see catchUp, which all code calls first that sends to a member or ends its membership.

// Bounds of a slice. At least minSlice members are told, and then as many as there is time
// for, up to sliceMembers.
const (
	sliceMembers = 256
	minSlice     = 16
	sliceTime    = time.Millisecond
)

// maxCopies bounds what waits for rounds, in copies of messages. When there is more, no
// commands are taken until there is less.
const maxCopies = 200_000

// round is where a large room is gone through. Owned by the loop.
type round struct {
	on    bool   // it is in the loop's list of rounds, or at work
	after string // id of the last member that has had its turn
	tells bool   // it tells what has changed
	due   bool   // the next round tells what has changed
	said  uint64 // when it ends, all have had messages up to this one
	sent  int    // bytes of lists and changes, as pay counts them
}

// saying is a message to a whole room.
type saying struct {
	frame     *frame.Frame
	from      *member // nil: the operator
	since     uint64  // its since, see rule 3 of membership.go
	sender    uint64  // see Client.sender
	strangers bool    // some have not been told of from yet
	copies    int     // that it is counted for in the loop's copies
}

// hear queues the message for a member, which is first told who is in the room if it has
// not heard of the sender yet.
func (s *saying) hear(l *loop, m *member) {
	if m.stranger(s.since) {
		l.tellNow(m, List{Needed: true, ToAll: true, For: s.sender})
	}
	l.sendNow(m, s.frame, s.sender|shared)
	if m.out.Overdrawn() {
		l.watch(m)
	}
}

// say brings a message to all members of a room but its sender: at once, or in rounds if
// the room is large. In a cluster it is at once: effects of a batch are confirmed together.
func (l *loop) say(r *room, s saying) {
	if len(r.members) <= l.slice || l.options.Arrived != nil {
		for _, m := range r.members {
			if m != s.from {
				l.catchUp(m)
				s.hear(l, m)
			}
		}
		return
	}
	s.frame.Retain(1)
	s.copies = len(r.members)
	l.copies += s.copies
	r.said++
	r.sayings = append(r.sayings, s)
	l.goThrough(r)
}

// catchUp queues for a member what its room was sent before, as far as the member has not
// had it.
func (l *loop) catchUp(m *member) {
	r := m.room
	for r != nil && m.heard < r.said && !m.evicted {
		s := &r.sayings[len(r.sayings)-int(r.said-m.heard)]
		m.heard++
		if s.from != m {
			s.hear(l, m)
		}
	}
}

// catchAllUp is catchUp for all members of a room.
func (l *loop) catchAllUp(r *room) {
	for _, m := range r.members {
		l.catchUp(m)
	}
}

// finishSaying is called before a member leaves. Its messages to the whole room come
// to the others still. But those who have not been told of it yet could not be told any
// more, and those who must be told of somebody who spoke before it would be told first that
// it has left.
func (l *loop) finishSaying(m *member) {
	strangers := false
	for i := range m.room.sayings {
		s := &m.room.sayings[i]
		strangers = strangers || s.strangers
		if s.from == m && strangers {
			l.catchAllUp(m.room)
			return
		}
	}
}

// goThrough begins a round of a room, or has another follow the one that is on.
func (l *loop) goThrough(r *room) {
	if r.round.on {
		return
	}
	r.beginRound()
	if len(r.members) > l.slice {
		l.rounds = append(l.rounds, r)
		return
	}
	for !l.nextSlice(r, time.Time{}) {
	}
	l.endRound(r)
}

func (r *room) beginRound() {
	tells := r.round.due
	r.round = round{on: true, tells: tells, said: r.said}
	if tells {
		r.log.told, r.toldAll = r.toldAll, r.version
	}
}

// nextSlice gives the next members of a round their turn, and reports whether it was the
// last's. After a time it stops early, unless that is zero.
func (l *loop) nextSlice(r *room, until time.Time) (done bool) {
	i, found := find(r, r.round.after)
	if found {
		i++
	}
	for n := 0; i < len(r.members); i, n = i+1, n+1 {
		if n >= l.slice || n > 0 && n%minSlice == 0 && !until.IsZero() && time.Now().After(until) {
			return false
		}
		m := r.members[i]
		r.round.after = m.id
		l.catchUp(m)
		if r.round.tells {
			before := r.sent
			l.tellNow(m, List{})
			r.round.sent += r.sent - before
		}
	}
	return true
}

// endRound is called when all members have had their turn.
func (l *loop) endRound(r *room) {
	rest := int(r.said - r.round.said)
	r.forgetSayings(l, rest)
	if r.round.tells {
		if hold := r.pay(float64(r.round.sent), l.now); hold >= minHold {
			r.heldTo = l.now.Add(hold)
		}
		r.forgetState()
	}
	r.round.on = false
	if r.round.due && r.heldTo.After(l.now) {
		r.round.due = false
		l.hold(r)
	}
	if r.round.due || rest > 0 {
		l.goThrough(r)
	}
}

// forgetSayings gives back all messages but the last few.
func (r *room) forgetSayings(l *loop, rest int) {
	n := len(r.sayings) - rest
	for i := range r.sayings[:n] {
		r.sayings[i].frame.Release()
		l.copies -= r.sayings[i].copies
	}
	clear(r.sayings[:n])
	if r.sayings = r.sayings[n:]; rest == 0 {
		r.sayings = nil
	}
}

// goOn takes the next slice of each round, as far as there is time.
func (l *loop) goOn() {
	until := time.Now().Add(sliceTime)
	l.bulk = true
	defer func() { l.bulk = false }()
	for range len(l.rounds) {
		r := l.rounds[0]
		l.rounds[0] = nil
		l.rounds = l.rounds[1:]
		switch {
		case len(r.members) == 0: // it is closed
		case l.nextSlice(r, until):
			l.endRound(r)
		default:
			l.rounds = append(l.rounds, r)
		}
		if time.Now().After(until) {
			break
		}
	}
	if len(l.rounds) == 0 {
		l.rounds = nil
	}
}
