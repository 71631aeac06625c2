package hub

import "github.com/parley-rtc/parley/hub/wire"

// Reply answers the client with a frame that its connection made, in order with
// what its earlier commands bring. It takes over the caller's reference.
type Reply struct {
	Client *Client
	Frame  *wire.Frame
}

func (r *Reply) apply(l *loop) {
	l.deliver(r.Client, r.Frame)
	r.Frame.Release()
}

// Refuse answers a message that the connection refused before it became a
// command.
type Refuse struct {
	Client  *Client
	Refusal *wire.Refusal
	Refused wire.Refused
}

func (r *Refuse) apply(l *loop) { l.refuse(r.Client, r.Refusal, r.Refused) }
