package actor

import (
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// Lock locks a room, or unlocks it: into a locked one only moderators can join.
// The lock ends with the room.
type Lock struct {
	Order
	Locked bool
}

func (c *Lock) apply(l *loop) {
	c.carryOut(l, func(r *room) *wire.Refusal {
		if r.locked == c.Locked {
			return nil
		}
		r.locked = c.Locked
		what := event.Unlock
		if c.Locked {
			what = event.Lock
		}
		c.log(l, what, r)
		l.change(r, change{what: lockTurned})
		l.options.TellNodes(RoomMeta{Room: r.name, Locked: r.locked})
		return nil
	})
}
