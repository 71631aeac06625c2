package actor

import "github.com/parley-rtc/parley/hub/internal/frame"

// Reply answers a message of the client with a frame that its connection made, in
// order with what its earlier commands bring. It takes over the caller's reference.
type Reply struct {
	Client *Client
	Frame  *frame.Frame
}

func (r *Reply) apply(l *loop) {
	if !r.Client.closed {
		r.Client.handled()
	}
	l.answer(r.Client, r.Frame)
}
