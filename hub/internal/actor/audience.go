package actor

import (
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Audience says which members of the sender's room get a message. Nodes of a cluster
// send its number to each other, so an audience keeps its number.
type Audience uint8

// The audiences of a [Forward].
const (
	ToOne    Audience = 0 // the member with the id To
	ToOthers Audience = 1 // all but the sender
	ToAll    Audience = 2 // all, the sender too; the message says how many there are
	ToAny    Audience = 3 // one of the others, see [Pick]; nobody if there are too few

	// NumAudiences is one more than the highest.
	NumAudiences = 4
)

// Pick chooses one of a room's other members at random. Picks with the same Seed and
// different Nth, from 0, choose different members, as long as the room stays as it is.
type Pick struct {
	Seed uint64 // random
	Nth  uint64
}

// of returns the member for a sender; nil: the room has too few others.
func (p Pick) of(from *member) *member {
	members := from.room.members
	others := uint64(len(members) - 1)
	if p.Nth >= others {
		return nil
	}
	at, _ := find(from.room, from.id)
	// Steps that have no divisor in common with the number of others reach each of them once.
	step := 1 + p.Seed>>32%others
	for divisor(step, others) != 1 {
		step = 1 + step%others
	}
	i := int((p.Seed&(1<<32-1) + p.Nth*step) % others)
	if i >= at {
		i++
	}
	return members[i]
}

// divisor returns the greatest common divisor.
func divisor(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// publish queues the message for all members, the sender among them.
func (f *Forward) publish(l *loop, from *member) *wire.Refusal {
	counted := frame.WithCount(f.frame, len(from.room.members))
	f.frame.Release()
	f.frame = counted
	l.catchUp(from)
	if r := f.refusalBy(l, from, from); r != nil {
		return r
	}
	if r := f.broadcast(l, from); r != nil {
		return r
	}
	if from.stranger(from.since) {
		l.tell(from, List{Needed: true, ToAll: true, For: f.client.sender})
	}
	// The sender's own copy is no answer: the message is handled when all others have it.
	own := counted
	if counted.Origin != (frame.Origin{}) {
		own = frame.Text(counted.Payload())
	} else {
		own.Retain(1)
	}
	l.deliver(f.client, own, f.client.sender)
	own.Release()
	return nil
}
