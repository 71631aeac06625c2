package wsconn

import (
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/internal/sized"
)

// Outgoing is a message of version 1 that a member passes on with [Membership.Pass]. It must not
// be changed until [Entry.Outcome] has heard what has become of it.
type Outgoing struct {
	Type     wire.Type // one that is passed on, see [wire.Type.Forwarded]
	To       []byte    // the receiver, for ToOne; empty: all others
	Body     []byte    // the sdp, candidate or data: valid JSON in valid UTF-8, which nobody checks again
	Audience Audience
	// Seed, a random number, and Nth, from 0, choose the receiver for ToAny, see
	// [hub.Client.Scatter].
	Seed, Nth uint64
	// Patience is how long the message is tried again while the hub refuses it with
	// congested or unavailable. Meanwhile the client is not read. 0: it is not.
	Patience time.Duration
	Data     any // the speaker's own

	pooled bool      // it comes from NewOutgoing
	since  time.Time // when the hub first refused it; zero: it did not
}

var outgoings sized.Pool[Outgoing]

// NewOutgoing returns an empty message with room for a body of size bytes: append to its Body and
// To. It is for speakers that keep nothing of what they pass on. If the membership's [Entry] has no
// Outcome, the memory of the message is used again once the hub has carried it out or refused it.
func NewOutgoing(t wire.Type, size int) *Outgoing {
	o, room := outgoings.Get(size)
	if o == nil {
		o = &Outgoing{Body: make([]byte, 0, room)}
	}
	o.Type, o.pooled = t, true
	return o
}

// recycle returns a message to the pool of NewOutgoing, if it comes from there and its body has not
// outgrown it.
func (o *Outgoing) recycle() {
	if o.pooled && cap(o.To) <= wire.MaxID {
		*o = Outgoing{To: o.To[:0], Body: o.Body[:0]}
		outgoings.Put(o, cap(o.Body))
	}
}

// Audience says who gets a message.
type Audience int

// The audiences. ToAll is all members, this one too, with their number in the field count.
const (
	ToOne Audience = iota
	ToAll
	ToAny
)

// Outcome takes what has become of a message: the hub has carried it out if code is
// [wire.NoCode], and has refused it otherwise. It runs as [Speaker] Deliver does, and may
// write to the client.
type Outcome func(o *Outgoing, code wire.Code, out *Messages)

// PassedOn reports whether [Membership.Pass] has passed a message on. A client of version 1 can
// forge this: trust it with nothing but the shape of the message.
func PassedOn(d *wire.Delivered) bool { return len(d.Ref) > 0 && d.Ref[0] == refMark }

// backlog is a queue of messages that were passed on, in order. It keeps no reference to those
// that were taken out.
type backlog struct {
	all   []sent // all[first:] waits
	first int
}

// keptBacklog is how many messages an empty backlog keeps room for.
const keptBacklog = 32

func (b *backlog) waiting() []sent { return b.all[b.first:] }

func (b *backlog) add(s sent) {
	if len(b.all) == cap(b.all) && b.first > len(b.all)/2 { // move the rest rather than grow
		n := copy(b.all, b.all[b.first:])
		clear(b.all[n:])
		b.all, b.first = b.all[:n], 0
	}
	b.all = append(b.all, s)
}

// drop takes out the first n messages.
func (b *backlog) drop(n int) {
	clear(b.all[b.first : b.first+n])
	if b.first += n; b.first < len(b.all) {
		return
	}
	if b.all, b.first = b.all[:0], 0; cap(b.all) > keptBacklog {
		b.all = nil
	}
}

// take takes out one of the waiting messages.
func (b *backlog) take(i int) sent {
	s := b.waiting()[i]
	if i == 0 { // as most
		b.drop(1)
	} else {
		b.all = slices.Delete(b.all, b.first+i, b.first+i+1)
	}
	return s
}
