package cluster

import (
	"testing"

	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// What waits for an owner that is not there is bounded, however small each of it is: answers to
// pings, and refusals of messages over a limit. The connection of whoever sends more is closed.
func TestSmallCommandsAreBounded(t *testing.T) {
	for name, command := range map[string]func(c *actor.Client) actor.Command{
		"replies": func(c *actor.Client) actor.Command {
			return &actor.Reply{Client: c, Frame: frame.Text([]byte(`{"type":"pong"}`))}
		},
		"refusals": func(c *actor.Client) actor.Command { return &actor.Refuse{Client: c, Refusal: actor.ErrTargetNotFound} },
	} {
		t.Run(name, func(t *testing.T) {
			n := newStillNode(t, wireMax)
			e := n.withClients()
			e.parts[aPart].ready = false
			c := e.keys[keyIn]
			for range 100_000 {
				e.command(command(c.client))
			}
			if limit := 2*n.options.QueueBytes + 1000; c.bytes > limit || !c.closed {
				t.Errorf("%d bytes wait, of at most %d; closed %v", c.bytes, limit, c.closed)
			}
		})
	}
}
