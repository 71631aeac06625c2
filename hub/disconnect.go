package hub

import "github.com/parley-rtc/parley/hub/wire"

// Disconnect ends the client's connection with a close frame, after what is
// queued for it.
type Disconnect struct {
	Client *Client
	Code   wire.CloseCode
	Text   string // the reason in the close frame, at most 123 bytes
	Reason string // why its membership ends, for the log
}

func (d *Disconnect) apply(l *loop) {
	if d.Client.closed {
		return
	}
	l.close(d.Client, d.Code, d.Text)
	l.leaveRoom(d.Client.member, d.Reason)
}
