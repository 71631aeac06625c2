package hub

import (
	"encoding/json"

	"github.com/parley-rtc/parley/hub/wire"
)

// Announce sends a message without a sender to all members of a room.
type Announce struct {
	Order
	Data json.RawMessage
}

func (a *Announce) apply(l *loop) {
	a.carryOut(l, func(r *room) *wire.Refusal {
		f := wire.AnnouncementFrame(r.name, a.Data)
		for _, m := range r.members {
			l.send(m, f)
		}
		f.Release()
		return nil
	})
}
