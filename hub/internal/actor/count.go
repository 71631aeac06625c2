package actor

import (
	"context"

	"github.com/parley-rtc/parley/hub/internal/frame"
)

// Count answers a message of the client with a JSON object, to which it adds how many
// members the client's room has, and how many of them have the profile Meta.
type Count struct {
	Client  *Client
	Frame   *frame.Frame // the caller's reference is taken over
	Meta    []byte       // nil: those without a profile
	Refused frame.Refused
}

func (n *Count) apply(l *loop) {
	defer n.Frame.Release()
	m := n.Client.member
	switch {
	case n.Client.closed:
	case m == nil:
		l.refuse(n.Client, ErrNotJoined, n.Refused)
	default:
		n.Client.handled()
		l.answer(n.Client, frame.WithCounts(n.Frame, len(m.room.members), m.room.alike(n.Meta)))
	}
}

// alike returns how many members have this profile. The room counts from the first question on.
func (r *room) alike(meta []byte) int {
	if r.profiles == nil {
		r.profiles = map[string]int{}
		for _, m := range r.members {
			r.profiles[string(m.meta)]++
		}
	}
	return r.profiles[string(meta)]
}

// weigh adds what the member takes in lists to its room's sums, or takes it out: by is 1 or -1.
func (r *room) weigh(m *member, by int) {
	r.textBytes += by * m.textBytes()
	if r.profiles == nil {
		return
	}
	profile := string(m.meta)
	if r.profiles[profile] += by; r.profiles[profile] == 0 {
		delete(r.profiles, profile)
	}
}

// Counted is how many members a room has, and how many of them are alike.
type Counted struct{ Members, Alike int }

// Count returns how many members a room has, and how many of them have a profile; nil: those
// without one. There are none if there is no such room.
func (h *Hub) Count(ctx context.Context, room string, meta []byte) (Counted, error) {
	return askLoop(ctx, h, func(l *loop) Counted {
		r := l.rooms[room]
		if r == nil {
			return Counted{}
		}
		return Counted{len(r.members), r.alike(meta)}
	})
}
