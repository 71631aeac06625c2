package actor

import "github.com/parley-rtc/parley/hub/event"

// Leave ends the client's membership, if it has one. Its connection stays.
type Leave struct{ Client *Client }

func (c Leave) apply(l *loop) { l.leaveRoom(c.Client.member, event.ReasonLeft) }
