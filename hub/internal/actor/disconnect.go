package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// Disconnect ends the client's connection with a close frame, after what is
// queued for it.
type Disconnect struct {
	Client *Client
	Code   wire.CloseCode
	Text   string // the reason in the close frame, at most 123 bytes
	Reason string // why its membership ends, for the log
	Only   Only   // when the command applies
}

// Only is a condition that must still hold when a [Disconnect] is applied: the
// connection may have decided on it a while ago.
type Only int

// The conditions of a [Disconnect].
const (
	Always    Only = iota
	IfOutside      // the client is in no room
	IfExpired      // the client's grant has expired
)

func (d *Disconnect) apply(l *loop) {
	c := d.Client
	if c.closed {
		return
	}
	switch d.Only {
	case IfOutside:
		if c.member != nil {
			return
		}
	case IfExpired: // by the clock that the connection's timer goes by; now is the batch's beginning
		if c.member == nil || !c.member.grant.Expired(time.Now()) {
			return
		}
	}
	l.close(c, d.Code, d.Text)
	l.leaveRoom(c.member, d.Reason)
}

// GoAway says that the client is going away, in a way that proxies do on a client's
// behalf (1001). A resumable membership stays, as after a lost connection; any other
// ends, and the close frame is answered.
type GoAway struct {
	Client *Client
	Done   chan<- bool // gets one value: whether the membership stays. It needs a capacity of one.
}

func (g *GoAway) apply(l *loop) {
	c := g.Client
	m := c.member
	stays := !c.closed && m != nil && m.session != nil && !l.draining
	switch {
	case stays:
		c.closed = true
		l.suspend(c, event.ReasonGoneAway)
	case !c.closed:
		l.close(c, wire.CloseGoingAway, "")
		l.leaveRoom(m, event.ReasonClosed)
	}
	Give(g.Done, stays)
}
