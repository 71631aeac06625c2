package actor

import "github.com/parley-rtc/parley/hub/event"

// Leave ends the client's membership, if it has one. Its connection stays.
type Leave struct{ Client *Client }

func (c Leave) apply(l *loop) { l.leaveRoom(c.Client.member, event.ReasonLeft) }

// Depart ends the membership of a session that has no connection: its client left while
// the server closed it.
type Depart struct{ Session string }

func (d Depart) apply(l *loop) {
	if m := l.sessionOf(d.Session); m != nil && m.client == nil {
		l.leaveRoom(m, event.ReasonLeft)
	}
}
