package actor

import (
	"context"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

const (
	// thinRate is how many clients a second are closed before the rest at a drain: clients
	// that come back with TLS take half a millisecond of a core each.
	thinRate = 1000
	// thinStep is the time between two closes of some.
	thinStep = 20 * time.Millisecond
)

// thin closes most clients with 1001 a few at a time.
func (h *Hub) thin(ctx context.Context) error {
	return Thin(ctx, int(h.Stats.Clients.Load()), h.closed, func(n int) error { return h.Do(closeSome{n}) })
}

// Thin has most clients closed a few at a time, over at most half of the time that ctx has, so
// that they do not all come back at one instant. Without a deadline none are closed. The error
// is that of closeSome or of ctx, or [ErrClosed] once closed is closed.
func Thin(ctx context.Context, clients int, closed <-chan struct{}, closeSome func(n int) error) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	over := min(time.Until(deadline)/2, time.Duration(clients)*time.Second/thinRate)
	steps := int(over / thinStep)
	if steps <= 1 {
		return nil
	}
	tick := time.NewTicker(thinStep)
	defer tick.Stop()
	for range steps {
		if err := closeSome((clients + steps - 1) / steps); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-closed:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// closeSome closes that many clients or a few more: the members of a room together, so
// that they meet again. Quiet members don't see each other, and a room of them may be of all
// clients of a server: they are closed one by one.
type closeSome struct{ n int }

func (s closeSome) apply(l *loop) {
	for _, c := range l.clients {
		if s.n <= 0 {
			return
		}
		if c.closed {
			continue
		}
		if c.member == nil {
			s.n -= l.shed(c)
			continue
		}
		r := c.member.room
		if r.quiet == len(r.members) {
			s.n -= l.shed(c)
			continue
		}
		for _, m := range r.members {
			s.n -= l.shed(m.client)
		}
	}
}

// shed closes a client that is open, and returns how many those are.
func (l *loop) shed(c *Client) int {
	if c == nil || c.closed || c.suspended {
		return 0
	}
	l.close(c, wire.CloseGoingAway, drainReason)
	return 1
}
