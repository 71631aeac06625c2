package hub

import (
	"sync"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// Forward passes a member's message on to the member To of its room, or to all
// others. Commands come from NewForward and go back to a pool once applied.
type Forward struct {
	client *Client
	frame  *wire.Frame
	typ    wire.Type
	// The receiver and the client's tag: the commands of a busy connection must
	// not each cost an allocation, so these are copies in place.
	to, ref text64
	all     bool
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
func NewForward(c *Client, e *wire.Envelope, frame *wire.Frame) *Forward {
	return newForward(c, frame, e.Type, e.To, e.Ref, !e.Has(wire.FieldTo))
}

func newForward(c *Client, frame *wire.Frame, typ wire.Type, to, ref []byte, all bool) *Forward {
	f := forwards.Get().(*Forward)
	f.client, f.frame, f.typ, f.all = c, frame, typ, all
	f.to.set(to)
	f.ref.set(ref)
	return f
}

// ForwardParts are what a Forward is made of.
type ForwardParts struct {
	Client  *Client
	Frame   *wire.Frame
	Type    wire.Type
	To, Ref []byte // To: empty and All: everybody else
	All     bool
}

// Parts returns what f is made of, as long as f is not applied. Recycle gives f back
// without applying it.
func (f *Forward) Parts() ForwardParts {
	return ForwardParts{f.client, f.frame, f.typ, f.to.bytes(), f.ref.bytes(), f.all}
}

// Forward makes the command of its parts.
func (p *ForwardParts) Forward() *Forward {
	return newForward(p.Client, p.Frame, p.Type, p.To, p.Ref, p.All)
}

// Recycle gives up the command, with its reference to the frame.
func (f *Forward) Recycle() {
	f.frame.Release()
	f.client, f.frame = nil, nil
	forwards.Put(f)
}

// ErrTargetNotFound refuses a message to nobody.
var ErrTargetNotFound = &wire.Refusal{Code: wire.CodeTargetNotFound, Text: "no member of your room has this id"}

var errCongested = &wire.Refusal{Code: wire.CodeUnavailable, Text: "a server that a receiver is on can't be reached at the moment: try again"}

func (f *Forward) apply(l *loop) {
	f.route(l)
	f.Recycle()
}

func (f *Forward) route(l *loop) {
	c := f.client
	from := c.member
	switch {
	case c.closed:
		return
	case from == nil:
		l.refuse(c, ErrNotJoined, f.refused())
		return
	case f.all:
		for _, to := range from.room.members {
			if to != from && to.out.Congested() {
				l.refuse(c, errCongested, f.refused())
				return
			}
		}
		for _, to := range from.room.members {
			if to != from {
				f.deliver(l, from, to)
			}
		}
	default:
		to := memberOf(from.room, f.to.bytes())
		if to == nil || to.client != nil && to.client.closed {
			l.refuse(c, ErrTargetNotFound, f.refused())
			return
		}
		if to.out.Congested() {
			l.refuse(c, errCongested, f.refused())
			return
		}
		f.deliver(l, from, to)
	}
	f.count(l)
}

// deliver queues the message for to, which first learns who is in the room if it
// has not heard of the sender yet.
func (f *Forward) deliver(l *loop, from, to *member) {
	if to.told < from.since {
		l.tell(to)
	}
	l.send(to, f.frame)
}

func (f *Forward) count(l *loop) {
	l.hub.Stats.Messages[f.typ].Add(1)
	if e := l.log.Check(zap.DebugLevel, EventForward); e != nil {
		e.Write(f.client.fields(
			zap.Stringer(FieldType, f.typ),
			zap.ByteString(FieldTo, f.to.bytes()),
			zap.Int(FieldBytes, len(f.frame.Payload())),
		)...)
	}
}

func (f *Forward) refused() wire.Refused {
	return wire.Refused{Re: f.typ.String(), To: string(f.to.bytes()), Ref: string(f.ref.bytes()), Origin: f.frame.Origin}
}
