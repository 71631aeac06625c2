package actor

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Refuse answers a message that the connection refused before it became a
// command.
type Refuse struct {
	Client   *Client
	Refusal  *wire.Refusal
	Refused  frame.Refused
	Room, ID string // that a join asked for, for the log
}

func (r *Refuse) apply(l *loop) {
	l.refuseJoin(r.Client, r.Refusal, r.Refused, r.Room, r.ID)
}

// refuse answers a message that was refused.
func (l *loop) refuse(c *Client, r *wire.Refusal, m frame.Refused) { l.refuseJoin(c, r, m, "", "") }

// refuseJoin is refuse for a join, of which the log tells the room and id asked for.
func (l *loop) refuseJoin(c *Client, r *wire.Refusal, m frame.Refused, room, id string) {
	if c.closed {
		return
	}
	if m.Re != wire.TypeResume.String() { // resumes don't count
		c.handled()
	}
	l.hub.Stats.Refusals[r.Code].Add(1)
	l.logRefusal(c, r, m, room, id)
	l.answer(c, frame.Error(r, m))
}

// refusalLogInterval is the time between two log lines about refused messages
// of one connection, so that it can't fill the log.
const refusalLogInterval = time.Second

func (l *loop) logRefusal(c *Client, r *wire.Refusal, m frame.Refused, room, id string) {
	t := l.tallyOf(c)
	if l.now.Sub(t.lastRefusal) < refusalLogInterval {
		t.suppressed++
		return
	}
	fields := c.fields(
		zap.Stringer(event.FieldCode, r.Code),
		zap.Stringer(event.FieldType, wire.ClientType(m.Re)),
		zap.String(event.FieldReason, r.Why()),
		zap.Int(event.FieldSuppressed, t.suppressed),
	)
	if c.member == nil && room != "" {
		fields = append(fields, zap.String(event.FieldRoom, room))
		if id != "" {
			fields = append(fields, zap.String(event.FieldID, id))
		}
	}
	l.log.Info(event.Refused, fields...)
	t.lastRefusal, t.suppressed = l.now, 0
}
