package actor

import (
	"golang.org/x/time/rate"

	"github.com/parley-rtc/parley/hub/wire"
)

// One message can make the hub send many: a broadcast one to each other member, and
// a newcomer's first message the member list to each member that has not had it yet. What a
// connection sends itself is limited by wsconn; this file limits the copies. Their
// bytes are those of memory, so that small messages, which cost the loop as much as
// larger ones, are bounded too.

var errFanOut = &wire.Refusal{
	Code: wire.CodeCongested, Text: "your messages make the server send too much: try again in a moment",
}

// takeCopies takes n bytes of copies from the allowance of the client's connection, and reports false if
// it has not got that many left.
func (l *loop) takeCopies(c *Client, n int) bool {
	limits := l.options.Current.Load()
	if n <= 0 || limits.FanOut <= 0 {
		return true
	}
	t := l.tallyOf(c)
	if t.copies == nil || t.copies.Limit() != rate.Limit(limits.FanOut) || t.copies.Burst() != limits.FanOutBurst {
		t.copies = rate.NewLimiter(rate.Limit(limits.FanOut), limits.FanOutBurst)
	}
	return t.copies.AllowN(l.now, n)
}
