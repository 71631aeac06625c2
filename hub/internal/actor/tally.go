package actor

import (
	"time"

	"golang.org/x/time/rate"
)

// tally is what all clients of one connection are limited by together: a connection may be in
// many rooms, by as many clients. Owned by the loop.
type tally struct {
	copies *rate.Limiter // see fanout.go; nil: it has not caused any

	lastRefusal time.Time // when a refused message was last logged
	suppressed  int       // refused messages since then

	clients int // of another node's connection: how many have this tally
}

// connection names a connection of another node.
type connection struct {
	node string
	conn uint64
}

// ShareBudget has the client share the limits of a budget's connection. It is called before
// the client is registered.
func (c *Client) ShareBudget(b *Budget) { c.tally = &b.tally }

// tallyOf returns the tally of a client's connection.
func (l *loop) tallyOf(c *Client) *tally {
	switch {
	case c.tally != nil:
	case c.node == "" || c.own || c.index < 0:
		c.tally = new(tally)
	default:
		of := connection{c.node, c.conn}
		if c.tally = l.tallies[of]; c.tally == nil {
			c.tally = new(tally)
			l.tallies[of] = c.tally
		}
		c.tally.clients++
	}
	return c.tally
}

// leaveTally forgets the tally of another node's connection with its last client.
func (l *loop) leaveTally(c *Client) {
	t := c.tally
	if t == nil || c.node == "" || c.own {
		return
	}
	c.tally = nil
	if t.clients--; t.clients == 0 {
		delete(l.tallies, connection{c.node, c.conn})
	}
}
