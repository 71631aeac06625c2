package actor

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Order is what the commands about a whole room or other members have in common:
// a moderator's client gives them for its own room, or the operator
// for any.
type Order struct {
	Client  *Client       // the moderator; nil: the operator
	Refused frame.Refused // the moderator's message, should it be refused

	Room string // where Client is nil
	// Done gets, where Client is nil, why the order could not be carried out, or
	// nil. It needs a capacity of one.
	Done chan<- error
}

// Ordered is a command that is an [Order].
type Ordered interface {
	Command
	order() *Order
}

func (o *Order) order() *Order { return o }

// CarryOut carries out an order of the operator. The error is a
// [*wire.Refusal] if the order could not be carried out; any other says that the
// outcome is not known.
func (h *Hub) CarryOut(ctx context.Context, c Ordered) error {
	done := make(chan error, 1)
	c.order().Done = done
	if err := h.Do(c); err != nil {
		return err
	}
	refusal, err := Await(ctx, h, done)
	if err != nil {
		return err
	}
	return refusal
}

var errNoRight = &wire.Refusal{Code: wire.CodeForbidden, Text: "only a moderator can do this"}

// noMember refuses an order about somebody who is not in the room.
func (o *Order) noMember(room, id string) *wire.Refusal {
	if o.Client != nil {
		return ErrTargetNotFound
	}
	return &wire.Refusal{Code: wire.CodeTargetNotFound, Text: fmt.Sprintf("room %q has no member %q", room, id)}
}

// carryOut calls do for the order's room, if whoever gives it may.
func (o *Order) carryOut(l *loop, do func(r *room) *wire.Refusal) {
	if o.Client == nil {
		r := l.rooms[o.Room]
		if r == nil {
			Give[error](o.Done, &wire.Refusal{Code: wire.CodeTargetNotFound, Text: fmt.Sprintf("there is no room %q", o.Room)})
		} else if refusal := do(r); refusal != nil {
			Give[error](o.Done, refusal)
		} else {
			Give[error](o.Done, nil)
		}
		return
	}
	if o.Client.closed {
		return
	}
	var refusal *wire.Refusal
	switch m := o.Client.member; {
	case m == nil:
		refusal = ErrNotJoined
	case !m.grant.may(wire.MayModerate):
		refusal = errNoRight
	default:
		refusal = do(m.room)
	}
	if refusal != nil {
		l.refuse(o.Client, refusal, o.Refused)
	} else {
		o.Client.handled()
	}
}

// by returns the moderator's id, or "".
func (o *Order) by() string {
	if o.Client == nil || o.Client.member == nil {
		return ""
	}
	return o.Client.member.id
}

// log notes that the order was carried out.
func (o *Order) log(l *loop, what string, r *room, fields ...zap.Field) {
	fields = append(fields, zap.String(event.FieldRoom, r.name))
	if o.Client != nil {
		fields = append(fields, zap.Uint64(event.FieldConn, o.Client.conn), zap.String(event.FieldBy, o.by()))
	}
	l.log.Info(what, fields...)
}
