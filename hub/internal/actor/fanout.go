package actor

import (
	"golang.org/x/time/rate"

	"github.com/parley-rtc/parley/hub/wire"
)

// One message can make the hub send many: a broadcast one to each other member, and
// a newcomer's first message the member list to whoever has not had it yet. What a
// connection sends itself is limited by wsconn; this file limits the copies. Their
// bytes are those of memory, so that small messages, which cost the loop as much as
// larger ones, are bounded too.

var errFanOut = &wire.Refusal{
	Code: wire.CodeCongested, Text: "your messages make the server send too much: try again in a moment",
}

// takeCopies takes n bytes of copies from the client's allowance, and reports false if
// it has not got that many left.
func (l *loop) takeCopies(c *Client, n int) bool {
	limits := l.options.Current.Load()
	if n <= 0 || limits.FanOut <= 0 {
		return true
	}
	if c.copies == nil || c.copies.Limit() != rate.Limit(limits.FanOut) || c.copies.Burst() != limits.FanOutBurst {
		c.copies = rate.NewLimiter(rate.Limit(limits.FanOut), limits.FanOutBurst)
	}
	return c.copies.AllowN(l.now, n)
}
