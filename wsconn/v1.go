package wsconn

import (
	"crypto/rand"
	"encoding/json"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// v1 speaks version 1 of the protocol for a connection: it turns messages into
// commands of the hub, and knows of its client what that takes. Owned by the read
// loop.
type v1 struct {
	c        *conn
	joined   bool
	room, id string
	suffixes wire.Suffixes // room and id, as they stand on forwarded messages
}

var (
	errOtherRoom    = &wire.Refusal{Code: wire.Forbidden, Text: "\"room\" is not the room that you are in"}
	errOtherID      = &wire.Refusal{Code: wire.Forbidden, Text: "\"from\" is not your id"}
	errRateLimited  = &wire.Refusal{Code: wire.RateLimited, Text: "you send too many messages a second"}
	errAddressLimit = &wire.Refusal{Code: wire.RateLimited, Text: "too many joins from your address: try again in a while"}
	errNoRight      = &wire.Refusal{Code: wire.Forbidden, Text: "you have no right to do this"}
	errNoICE        = &wire.Refusal{Code: wire.Unavailable, Text: "this server has no ICE servers to hand out"}
)

// message handles one text message. An error ends the connection.
func (v *v1) message(text []byte) error {
	c := v.c
	if !utf8.Valid(text) {
		return errUTF8
	}
	e := &c.reader.s.envelope
	refusal := e.Parse(text)
	if allowed, tooLong := c.rate.take(c.reader.readAt); tooLong {
		return errRateTooLong
	} else if !allowed {
		v.refuseNow(errRateLimited, e)
		return nil
	}
	if refusal != nil {
		return v.refuse(refusal, e)
	}
	if e.Type.Forwarded() {
		return v.forward(e)
	}
	if e.Type == wire.Ping {
		return v.ping(e)
	}
	// The rest is rare, and takes more stack than a connection is to keep for it.
	done := make(chan error, 1)
	go func() { done <- v.command(e) }()
	return <-done
}

func (v *v1) ping(e *wire.Envelope) error {
	return v.c.do(&hub.Reply{Client: v.c.client, Frame: wire.PongFrame(string(e.Ref))})
}

// forward passes the message on in the client's room.
func (v *v1) forward(e *wire.Envelope) error {
	if r := v.forwardRefusal(e); r != nil {
		return v.refuse(r, e)
	}
	frame := e.Forward(&v.suffixes)
	frame.Born = v.c.reader.readAt
	return v.c.do(hub.NewForward(v.c.client, e, frame))
}

func (v *v1) forwardRefusal(e *wire.Envelope) *wire.Refusal {
	switch {
	case !v.joined:
		return hub.ErrNotJoined
	case e.Has(wire.FieldRoom) && string(e.Room) != v.room:
		return errOtherRoom
	case e.Has(wire.FieldFrom) && string(e.From) != v.id:
		return errOtherID
	case len(e.To) > wire.MaxID:
		return hub.ErrTargetNotFound
	}
	return nil
}

// command handles a message to the server itself.
func (v *v1) command(e *wire.Envelope) error {
	c := v.c
	switch e.Type {
	case wire.Join:
		return v.join(e)
	case wire.Leave:
		if v.joined {
			v.joined = false
			c.keepalive.joined(false)
		}
		return c.do(hub.Leave{Client: c.client})
	case wire.Rename:
		return c.do(&hub.Rename{Client: c.client, Name: string(e.Name), Refused: refused(e)})
	case wire.ICE:
		if c.h.options.ICEServers == nil {
			return v.refuse(errNoICE, e)
		}
		servers := c.h.options.ICEServers(v.id)
		return c.do(&hub.Reply{Client: c.client, Frame: wire.ICEFrame(servers, string(e.Ref))})
	case wire.Resume:
		return v.resume(e)
	case wire.Kick, wire.Lock, wire.Unlock:
		return v.refuse(errNoRight, e)
	case wire.Token:
	}
	return nil
}

// join asks the hub to let the client in and waits for its word: what follows
// depends on it.
func (v *v1) join(e *wire.Envelope) error {
	if !v.c.h.addresses.Join(v.c.remote, v.c.reader.readAt) {
		return v.refuse(errAddressLimit, e)
	}
	m := wire.JoinedMessage{Room: string(e.Room), From: string(e.From), Name: string(e.Name), Ref: string(e.Ref)}
	if m.From == "" {
		m.From = rand.Text()
	}
	if f := v.c.h.options.ICEServers; f != nil {
		m.ICEServers = json.RawMessage(f(m.From))
	}
	if e.Resumable && v.c.h.hub.Resumes() {
		m.Session = hub.NewSession()
	}
	done := make(chan bool, 1)
	err := v.c.do(&hub.Join{
		Client: v.c.client,
		Room:   m.Room, ID: m.From, Name: m.Name,
		Welcome: m.Frame(),
		Session: m.Session,
		Refused: refused(e),
		Done:    done,
	})
	if err != nil {
		return err
	}
	if in, err := hub.Await(v.c.h.hub, done); err != nil || !in {
		return err
	}
	v.isIn(m.Room, m.From)
	return nil
}

// resume asks the hub for the membership of a lost connection.
func (v *v1) resume(e *wire.Envelope) error {
	done := make(chan hub.Resumed, 1)
	err := v.c.do(&hub.Resume{
		Client: v.c.client, Session: string(e.Session), Received: e.Received, Refused: refused(e), Done: done,
	})
	if err != nil {
		return err
	}
	r, err := hub.Await(v.c.h.hub, done)
	if err == nil && r.ID != "" {
		v.isIn(r.Room, r.ID)
	}
	return err
}

// isIn notes which member the client is now.
func (v *v1) isIn(room, id string) {
	v.joined, v.room, v.id = true, room, id
	v.suffixes = wire.NewSuffixes(room, id)
	v.c.keepalive.joined(true)
}

func refused(e *wire.Envelope) wire.Refused {
	return wire.Refused{Re: string(e.TypeName), To: string(e.To), Ref: string(e.Ref)}
}

// refuse answers a message with an error, in order with the other answers.
func (v *v1) refuse(r *wire.Refusal, e *wire.Envelope) error {
	return v.c.do(&hub.Refuse{Client: v.c.client, Refusal: r, Refused: refused(e)})
}

// refuseNow answers without the hub: a flood must not reach it.
func (v *v1) refuseNow(r *wire.Refusal, e *wire.Envelope) {
	v.c.h.hub.Stats.Refusals[r.Code].Add(1)
	v.c.sent(v.c.out.Send(wire.ErrorFrame(r, refused(e))))
}
