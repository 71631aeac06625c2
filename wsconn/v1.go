package wsconn

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// v1 speaks version 1 of the protocol for a connection: it turns messages into
// commands of the hub, and keeps what it must know of the membership. Owned by the read
// loop.
type v1 struct {
	c        *conn
	joined   bool
	room, id string
	name     string        // nickname; empty: none
	grant    *hub.Grant    // nil: the default rights
	rights   wire.Rights   // of the grant
	suffixes wire.Suffixes // room and id, as they stand on forwarded messages
}

var (
	errOtherRoom    = &wire.Refusal{Code: wire.CodeForbidden, Text: "\"room\" is not the room that you are in"}
	errOtherID      = &wire.Refusal{Code: wire.CodeForbidden, Text: "\"from\" is not your id"}
	errReservedRoom = &wire.Refusal{Code: wire.CodeForbidden, Text: "this room is for clients of another protocol"}
	errAddressLimit = &wire.Refusal{Code: wire.CodeRateLimited, Text: "too many joins from your address: try again in a while"}
	errMayNotSend   = &wire.Refusal{Code: wire.CodeForbidden, Text: "your token gives you no right to send this"}
	errGate         = &wire.Refusal{Code: wire.CodeUnavailable, Text: "the server could not decide on this: try again"}
	errGateSilent   = errors.New("the gate has neither let the member in nor refused it")
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
	if over := c.rates.permit(c.reader.readAt, len(text), e.Type); over != nil {
		if err := c.overLimit(len(text)); err != nil {
			return err
		}
		return v.refuse(over, e)
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
	// The rest is rare and needs a deeper stack than a connection keeps, also for the
	// timer. It may wait for the gate: the connection's clocks stand still
	// meanwhile.
	done := make(chan error, 1)
	go func() {
		err := error(errPanic) // a gate may end its goroutine
		c.keepalive.pause()
		defer func() {
			c.keepalive.resume()
			done <- err
		}()
		err = v.command(e)
	}()
	return <-done
}

func (v *v1) ping(e *wire.Envelope) error {
	return v.c.client.Reply(wire.PongText(string(e.Ref)))
}

// forward passes the message on in the client's room.
func (v *v1) forward(e *wire.Envelope) error {
	if r := v.forwardRefusal(e); r != nil {
		return v.refuse(r, e)
	}
	return v.c.client.Forward(e, &v.suffixes, v.c.reader.readAt)
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
	c := &v.c.client
	switch e.Type {
	case wire.TypeJoin:
		return v.join(e)
	case wire.TypeResume:
		return v.resume(e)
	case wire.TypeLeave:
		v.left()
		return c.Leave()
	case wire.TypeRename:
		if v.grant == nil || !v.grant.Named {
			v.name = string(e.Name)
		}
		return c.Rename(string(e.Name), request(e))
	case wire.TypeUpdate:
		return c.Update(bytes.Clone(e.Meta), request(e))
	case wire.TypeReport:
		return v.report(e)
	case wire.TypeICE:
		return v.ice(e)
	case wire.TypeToken:
		return v.renew(e)
	case wire.TypeKick:
		return c.Kick(string(e.To), request(e))
	case wire.TypeLock, wire.TypeUnlock:
		return c.Lock(e.Type == wire.TypeLock, request(e))
	}
	return nil
}

// join asks the gate and then the hub to let the client in.
func (v *v1) join(e *wire.Envelope) error {
	if !v.c.h.addresses.Join(v.c.remote, v.c.reader.readAt) {
		return v.refuse(errAddressLimit, e)
	}
	if v.joined {
		return v.refuse(hub.ErrAlreadyJoined, e)
	}
	if v.c.h.isReserved(e.Room) {
		return v.refuse(errReservedRoom, e)
	}
	admission, err := v.c.decide(func(ctx context.Context) (*Admission, error) {
		return v.c.h.options.Load().Gate.Join(ctx, &JoinRequest{
			Remote: v.c.remote, Room: string(e.Room), ID: string(e.From), Name: string(e.Name), Meta: bytes.Clone(e.Meta),
			Token: string(e.Token), Passcode: string(e.Passcode),
		})
	})
	if err != nil {
		return v.refuseFor(err, e)
	}
	m, err := v.welcome(e, admission)
	if err != nil {
		return err
	}
	meta := json.RawMessage(bytes.Clone(e.Meta))
	if g := admission.Grant; g != nil && g.Profiled {
		meta = admission.Meta
	}
	in, err := v.c.client.Join(hub.Join{
		Room: m.Room, ID: m.From, Name: m.Name, Meta: meta, Grant: admission.Grant, Capacity: admission.Capacity,
		Session: m.Session, Takeover: e.Takeover, Changes: e.Changes, Welcome: m.Text(), Came: v.c.reader.readAt,
	}, request(e))
	if err != nil || !in {
		return err
	}
	v.enter(m.Room, m.From, m.Name, admission.Grant)
	return nil
}

// welcome makes the answer to a join that was admitted.
func (v *v1) welcome(e *wire.Envelope, a *Admission) (m *wire.Joined, err error) {
	o := v.c.options
	m = &wire.Joined{
		Room: string(e.Room), From: cmp.Or(a.ID, string(e.From)), Name: cmp.Or(a.Name, string(e.Name)), Ref: string(e.Ref),
		MessageBytes: o.MaxMessageBytes,
	}
	if m.From == "" {
		m.From = rand.Text()
	}
	if m.ICEServers, err = v.c.iceServers(m.From, a.Grant); err != nil {
		return nil, err
	}
	if e.Resumable && v.c.h.hub.Resumes() {
		m.Session = v.c.h.hub.NewSession(m.Room)
	}
	if a.Grant != nil && a.Grant.Rights != wire.DefaultRights {
		m.Rights = a.Grant.Rights.Names()
	}
	return m, nil
}

func (v *v1) ice(e *wire.Envelope) error {
	switch {
	case !v.joined:
		return v.refuse(hub.ErrNotJoined, e)
	case v.c.h.options.Load().ICEServers == nil:
		return v.refuse(errNoICE, e)
	}
	servers, err := v.c.iceServers(v.id, v.grant)
	if err != nil {
		return err
	}
	return v.c.client.Reply(wire.ICEText(servers, string(e.Ref)))
}

// report takes what the client says of a call.
func (v *v1) report(e *wire.Envelope) error {
	report, refusal := wire.ParseReport(e.Data)
	switch {
	case !v.joined:
		refusal = hub.ErrNotJoined
	case refusal == nil && len(e.To) > wire.MaxID:
		refusal = hub.ErrTargetNotFound
	}
	if refusal != nil {
		return v.refuse(refusal, e)
	}
	return v.c.client.Report(string(e.To), report, request(e))
}

// renew takes a fresh token for the membership.
func (v *v1) renew(e *wire.Envelope) error {
	if !v.joined {
		return v.refuse(hub.ErrNotJoined, e)
	}
	a, err := v.c.decide(func(ctx context.Context) (*Admission, error) {
		return v.c.h.options.Load().Gate.Renew(ctx, &RenewRequest{
			Remote: v.c.remote, Room: v.room, ID: v.id, Name: v.name, Grant: v.grant, Token: string(e.Token),
		})
	})
	if err != nil {
		return v.refuseFor(err, e)
	}
	v.applyGrant(a.Grant)
	v.name = cmp.Or(a.Name, v.name)
	return v.c.client.Renew(a.Grant, a.Name, a.Meta, wire.TokenText(a.Expires, string(e.Ref)), request(e))
}

// refuseFor answers a message that the gate has not let through.
func (v *v1) refuseFor(err error, e *wire.Envelope) error {
	var end *violation
	var r *wire.Refusal
	switch {
	case errors.As(err, &end):
		return end
	case errors.As(err, &r) && r != nil:
		return v.refuse(r, e)
	}
	v.c.h.log.Warn(event.GateFailed, zap.Uint64(event.FieldConn, v.c.number), zap.Error(err))
	return v.refuse(errGate, e)
}

// resume asks the hub for the membership of a lost connection.
func (v *v1) resume(e *wire.Envelope) error {
	m, err := v.c.client.Resume(string(e.Session), e.Received, v.c.options.MaxMessageBytes, request(e))
	if err == nil && m.ID != "" {
		v.enter(m.Room, m.ID, m.Name, m.Grant)
	}
	return err
}

// enter notes which member the client is now.
func (v *v1) enter(room, id, name string, g *hub.Grant) {
	v.joined, v.room, v.id, v.name = true, room, id, name
	v.suffixes = wire.NewSuffixes(room, id)
	v.c.keepalive.joined(true)
	v.applyGrant(g)
}

// left notes that the client is no member any more.
func (v *v1) left() {
	if v.joined {
		v.joined, v.room, v.id, v.name, v.grant = false, "", "", "", nil
		v.c.keepalive.joined(false)
		v.c.keepalive.expires(time.Time{})
	}
}

// applyGrant notes what the client may do, and for how long.
func (v *v1) applyGrant(g *hub.Grant) {
	v.grant, v.rights = g, wire.DefaultRights
	var expires time.Time
	if g != nil {
		v.rights, expires = g.Rights, g.Expires
	}
	v.c.keepalive.expires(expires)
}

func request(e *wire.Envelope) hub.Request {
	return hub.Request{Type: string(e.TypeName), To: string(e.To), Ref: string(e.Ref)}
}

// refuse answers a message with an error, in order with the other answers.
func (v *v1) refuse(r *wire.Refusal, e *wire.Envelope) error {
	room, id := "", ""
	if e.Type == wire.TypeJoin {
		room, _ = wire.NormalRoom(string(e.Room)) // what is no name is not logged either
		id, _ = wire.NormalID(string(e.From))
	}
	return v.c.client.Refuse(r, request(e), room, id)
}
