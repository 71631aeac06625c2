package wsconn

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"
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
	grant    *hub.Grant    // nil: the default rights
	rights   wire.Rights   // of the grant
	suffixes wire.Suffixes // room and id, as they stand on forwarded messages
}

var (
	errOtherRoom    = &wire.Refusal{Code: wire.CodeForbidden, Text: "\"room\" is not the room that you are in"}
	errOtherID      = &wire.Refusal{Code: wire.CodeForbidden, Text: "\"from\" is not your id"}
	errRateLimited  = &wire.Refusal{Code: wire.CodeRateLimited, Text: "you send too many messages a second"}
	errAddressLimit = &wire.Refusal{Code: wire.CodeRateLimited, Text: "too many joins from your address: try again in a while"}
	errMayNotSend   = &wire.Refusal{Code: wire.CodeForbidden, Text: "your token gives you no right to send this"}
	errGate         = &wire.Refusal{Code: wire.CodeUnavailable, Text: "the server could not decide on this: try again"}
	errNoICE        = &wire.Refusal{Code: wire.CodeUnavailable, Text: "this server has no ICE servers to hand out"}
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
	if e.Type == wire.TypePing {
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
	case v.rights&e.Type.Needs() == 0:
		return errMayNotSend
	case len(e.To) > wire.MaxID:
		return hub.ErrTargetNotFound
	}
	return nil
}

// command handles a message to the server itself.
func (v *v1) command(e *wire.Envelope) error {
	c := v.c
	switch e.Type {
	case wire.TypeJoin:
		return v.join(e)
	case wire.TypeLeave:
		if v.joined {
			v.joined = false
			c.keepalive.joined(false)
			c.keepalive.expires(time.Time{})
		}
		return c.do(hub.Leave{Client: c.client})
	case wire.TypeRename:
		return c.do(&hub.Rename{Client: c.client, Name: string(e.Name), Refused: refused(e)})
	case wire.TypeICE:
		if c.h.options.ICEServers == nil {
			return v.refuse(errNoICE, e)
		}
		servers := c.h.options.ICEServers(v.id)
		return c.do(&hub.Reply{Client: c.client, Frame: wire.ICEFrame(servers, string(e.Ref))})
	case wire.TypeResume:
		return v.resume(e)
	case wire.TypeKick:
		return c.do(&hub.Kick{Order: v.order(e), To: string(e.To)})
	case wire.TypeLock, wire.TypeUnlock:
		return c.do(&hub.Lock{Order: v.order(e), Locked: e.Type == wire.TypeLock})
	case wire.TypeToken:
		return v.renew(e)
	}
	return nil
}

func (v *v1) order(e *wire.Envelope) hub.Order {
	return hub.Order{Client: v.c.client, Refused: refused(e)}
}

// join asks the hub to let the client in and waits for its word: what follows
// depends on it.
func (v *v1) join(e *wire.Envelope) error {
	if !v.c.h.addresses.Join(v.c.remote, v.c.reader.readAt) {
		return v.refuse(errAddressLimit, e)
	}
	if v.joined {
		return v.refuse(hub.ErrAlreadyJoined, e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	admission, err := v.c.h.options.Gate.Join(ctx, &JoinRequest{
		Remote: v.c.remote, Room: string(e.Room), ID: string(e.From), Name: string(e.Name),
		Token: string(e.Token), Passcode: string(e.Passcode),
	})
	if err != nil {
		return v.refuse(refusalOf(err), e)
	}
	m := v.welcome(e, admission)
	done := make(chan bool, 1)
	err = v.c.do(&hub.Join{
		Client: v.c.client,
		Room:   m.Room, ID: m.From, Name: m.Name,
		Grant:    admission.Grant,
		Capacity: admission.Capacity,
		Welcome:  m.Frame(),
		Session:  m.Session,
		Refused:  refused(e),
		Done:     done,
	})
	if err != nil {
		return err
	}
	if in, err := hub.Await(v.c.h.hub, done); err != nil || !in {
		return err
	}
	v.isIn(m.Room, m.From, admission.Grant)
	return nil
}

// refusalOf returns the refusal in an error of a Gate.
func refusalOf(err error) *wire.Refusal {
	if r := (*wire.Refusal)(nil); errors.As(err, &r) {
		return r
	}
	return errGate
}

// welcome makes the answer to a join that was admitted.
func (v *v1) welcome(e *wire.Envelope, a *Admission) *wire.JoinedMessage {
	m := &wire.JoinedMessage{
		Room: string(e.Room), From: cmp.Or(a.ID, string(e.From)), Name: cmp.Or(a.Name, string(e.Name)), Ref: string(e.Ref),
	}
	if m.From == "" {
		m.From = rand.Text()
	}
	if f := v.c.h.options.ICEServers; f != nil {
		m.ICEServers = f(m.From)
	}
	if e.Resumable && v.c.h.hub.Resumes() {
		m.Session = v.c.h.hub.NewSession(m.Room)
	}
	if a.Grant != nil && a.Grant.Rights != wire.DefaultRights {
		m.Rights = a.Grant.Rights.Names()
	}
	return m
}

// renew takes a fresh token for the membership.
func (v *v1) renew(e *wire.Envelope) error {
	if !v.joined {
		return v.refuse(hub.ErrNotJoined, e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	a, err := v.c.h.options.Gate.Renew(ctx, &RenewRequest{Room: v.room, ID: v.id, Grant: v.grant, Token: string(e.Token)})
	if err != nil {
		return v.refuse(refusalOf(err), e)
	}
	v.granted(a.Grant)
	return v.c.do(&hub.Renew{
		Client: v.c.client, Grant: a.Grant, Name: a.Name, Refused: refused(e),
		Frame: wire.TokenFrame(a.Expires, string(e.Ref)),
	})
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
		v.isIn(r.Room, r.ID, r.Grant)
	}
	return err
}

// isIn notes which member the client is now.
func (v *v1) isIn(room, id string, g *hub.Grant) {
	v.joined, v.room, v.id = true, room, id
	v.suffixes = wire.NewSuffixes(room, id)
	v.c.keepalive.joined(true)
	v.granted(g)
}

// granted notes what the client may do, and for how long.
func (v *v1) granted(g *hub.Grant) {
	v.grant, v.rights = g, wire.DefaultRights
	var expires time.Time
	if g != nil {
		v.rights, expires = g.Rights, g.Expires
	}
	v.c.keepalive.expires(expires)
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
	v.c.sent(v.c.h.hub.RefuseNow(v.c.client, r, refused(e)))
}
