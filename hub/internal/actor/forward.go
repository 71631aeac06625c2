package actor

import (
	"sync"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Forward passes a member's message on to others in its room. Commands come from
// NewForward and go back to a pool once applied.
type Forward struct {
	client   *Client
	frame    *frame.Frame
	typ      wire.Type
	audience Audience
	pick     Pick
	// The receiver and the client's tag: the commands of a busy connection must
	// not each cost an allocation, so these are copies in place.
	to, ref text64
}

// text64 is a short text held in place.
type text64 struct {
	n int8
	b [64]byte
}

func (t *text64) set(b []byte) { t.n = int8(copy(t.b[:], b)) }

func (t *text64) bytes() []byte { return t.b[:t.n] }

var forwards = sync.Pool{New: func() any { return new(Forward) }}

// NewForward makes the command that forwards frame, the encoded form of the
// message e of client c. It takes over the caller's reference to frame and keeps
// nothing of e. e.To must not be longer than [wire.MaxID].
func NewForward(c *Client, e *wire.Envelope, f *frame.Frame) *Forward {
	p := ForwardParts{Client: c, Frame: f, Type: e.Type, To: e.To, Ref: e.Ref}
	if !e.Has(wire.FieldTo) {
		p.Audience = ToOthers
	}
	return p.Forward()
}

// ForwardParts are what a Forward is made of.
type ForwardParts struct {
	Client  *Client
	Frame   *frame.Frame
	Type    wire.Type
	To, Ref []byte // To is for ToOne
	Audience
	Pick // for ToAny
}

// Parts returns what f is made of, as long as f is not applied. Recycle gives f back
// without applying it.
func (f *Forward) Parts() ForwardParts {
	return ForwardParts{f.client, f.frame, f.typ, f.to.bytes(), f.ref.bytes(), f.audience, f.pick}
}

// Forward makes the command of its parts.
func (p *ForwardParts) Forward() *Forward {
	f := forwards.Get().(*Forward)
	f.client, f.frame, f.typ, f.audience, f.pick = p.Client, p.Frame, p.Type, p.Audience, p.Pick
	f.to.set(p.To)
	f.ref.set(p.Ref)
	return f
}

// Recycle gives up the command, with its reference to the frame.
func (f *Forward) Recycle() {
	f.frame.Release()
	f.client, f.frame = nil, nil
	forwards.Put(f)
}

// ErrTargetNotFound refuses a message whose receiver is not in the room.
var ErrTargetNotFound = &wire.Refusal{Code: wire.CodeTargetNotFound, Text: "no member of this room has the id in \"to\""}

var (
	errCongested   = &wire.Refusal{Code: wire.CodeCongested, Text: "a receiver has too many of your messages waiting: try again in a moment"}
	errUnreachable = &wire.Refusal{Code: wire.CodeUnavailable, Text: "a receiver's server can't be reached at the moment: try again"}
)

func (f *Forward) apply(l *loop) {
	if c := f.client; !c.closed {
		if r := f.carryOut(l, c); r != nil {
			l.refuse(c, r, f.refused())
		} else {
			c.handled()
			f.count(l)
		}
	}
	f.Recycle()
}

// carryOut queues the message for its receivers, or returns why none of them gets it.
func (f *Forward) carryOut(l *loop, c *Client) *wire.Refusal {
	from := c.member
	if from == nil {
		return ErrNotJoined
	}
	var to *member
	switch f.audience {
	case ToOthers:
		return f.broadcast(l, from)
	case ToAll:
		return f.publish(l, from)
	case ToAny:
		if to = f.pick.of(from); to == nil {
			return nil
		}
	default:
		to = memberOf(from.room, f.to.bytes())
	}
	if to == nil || to.client != nil && to.client.closed {
		return ErrTargetNotFound
	}
	l.catchUp(to)
	if r := f.refusalBy(l, from, to); r != nil {
		return r
	}
	if to.stranger(from.since) && !l.takeCopies(c, to.room.listFor(to).Size()) {
		return errFanOut
	}
	f.deliver(l, from, to)
	if f.typ.InCalls() {
		l.follow(c, f.typ, from, to)
	}
	return nil
}

// broadcast queues the message for all others.
func (f *Forward) broadcast(l *loop, from *member) *wire.Refusal {
	members := from.room.members
	copies, strangers := 0, false
	for _, to := range members {
		if to == from {
			continue
		}
		if to.client == nil {
			l.catchUp(to) // its queue may be full by then
		}
		if r := f.refusalBy(l, from, to); r != nil {
			return r
		}
		if to.stranger(from.since) {
			strangers = true
			copies += to.room.listFor(to).Size()
		}
	}
	copies += f.frame.Cost() * max(len(members)-2, 0)
	if !l.takeCopies(f.client, copies) {
		return errFanOut
	}
	l.say(from.room, saying{frame: f.frame, from: from, since: from.since, sender: f.client.sender, strangers: strangers})
	return nil
}

// refusalBy returns why the message can't be queued for to now, or nil.
func (f *Forward) refusalBy(l *loop, from, to *member) *wire.Refusal {
	n := f.frame.Cost()
	if to.stranger(from.since) {
		n += to.room.listFor(to).Cost()
	}
	switch to.out.Verdict(f.client.sender, n, f.audience == ToOthers || f.audience == ToAll) {
	case Congested:
		l.watch(to)
		return errCongested
	case Unreachable:
		return errUnreachable
	}
	return nil
}

// deliver queues the message for to, which first learns who is in the room if it
// has not heard of the sender yet (rule 3 of membership.go).
func (f *Forward) deliver(l *loop, from, to *member) {
	if to.stranger(from.since) {
		l.tell(to, List{Needed: true, For: f.client.sender})
	}
	l.send(to, f.frame, f.client.sender)
}

func (f *Forward) count(l *loop) {
	l.hub.Stats.Messages[f.typ].Add(1)
	if e := l.log.Check(zap.DebugLevel, event.Forward); e != nil {
		e.Write(f.client.fields(
			zap.Stringer(event.FieldType, f.typ),
			zap.ByteString(event.FieldTo, f.to.bytes()),
			zap.Int(event.FieldBytes, len(f.frame.Payload())),
		)...)
	}
}

func (f *Forward) refused() frame.Refused {
	return frame.Refused{Re: f.typ.String(), To: string(f.to.bytes()), Ref: string(f.ref.bytes()), Origin: f.frame.Origin}
}
