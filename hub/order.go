package hub

import (
	"context"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// Order is what the commands about a whole room or other members have in common:
// a moderator's client gives them for its own room, or those who run the server
// for any.
type Order struct {
	Client  *Client      // the moderator; nil: those who run the server
	Refused wire.Refused // the moderator's message, should it be refused

	Room string // where Client is nil
	// Done gets, where Client is nil, why the order could not be carried out, or
	// nil. It needs a capacity of one.
	Done chan<- *wire.Refusal
}

// Ordered is a command that is an [Order].
type Ordered interface {
	Command
	order() *Order
}

func (o *Order) order() *Order { return o }

// CarryOut carries out an order of those who run the server, and returns why it could
// not be, or nil. The error says that the outcome is not known.
func (h *Hub) CarryOut(ctx context.Context, c Ordered) (*wire.Refusal, error) {
	done := make(chan *wire.Refusal, 1)
	c.order().Done = done
	if err := h.Do(c); err != nil {
		return nil, err
	}
	return await(ctx, h.closed, done)
}

var (
	errNoRight = &wire.Refusal{Code: wire.CodeForbidden, Text: "only a moderator can do this"}
	errNoRoom  = &wire.Refusal{Code: wire.CodeTargetNotFound, Text: "there is no such room"}
)

// carryOut calls do for the order's room, if whoever gives it may.
func (o *Order) carryOut(l *loop, do func(r *room) *wire.Refusal) {
	if o.Client == nil {
		refusal := errNoRoom
		if r := l.rooms[o.Room]; r != nil {
			refusal = do(r)
		}
		o.Done <- refusal
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
func (o *Order) log(l *loop, event string, r *room, fields ...zap.Field) {
	fields = append(fields, zap.String(FieldRoom, r.name))
	if o.Client != nil {
		fields = append(fields, zap.Uint64(FieldConn, o.Client.conn), zap.String(FieldBy, o.by()))
	}
	l.log.Info(event, fields...)
}
