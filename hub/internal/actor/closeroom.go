package actor

import (
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// CloseRoom removes all members of a room, which ends it. They may join it again.
type CloseRoom struct{ Order }

func (c *CloseRoom) apply(l *loop) {
	c.carryOut(l, func(r *room) *wire.Refusal {
		c.log(l, event.CloseRoom, r)
		for len(r.members) > 0 {
			l.expel(r.members[len(r.members)-1], "the room was closed", event.ReasonRoomEnded)
		}
		return nil
	})
}
