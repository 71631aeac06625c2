package ayame

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// register is the message with which a client enters a room.
type register struct {
	RoomID        string          `json:"roomId"`
	ClientID      string          `json:"clientId"`
	SignalingKey  *string         `json:"signalingKey"`
	Key           *string         `json:"key"` // of older clients
	AuthnMetadata json.RawMessage `json:"authnMetadata"`
	AyameClient   *string         `json:"ayameClient"`
	Libwebrtc     *string         `json:"libwebrtc"`
	Environment   *string         `json:"environment"`
	Standalone    bool            `json:"standalone"`
}

// Reasons of rejections that are the server's own.
const (
	reasonFull     = "full"
	reasonInternal = "InternalServerError"
)

// errRejected is a webhook's refusal, whose text is the reason.
type errRejected string

func (e errRejected) Error() string { return string(e) }

// Unwrap returns what is logged.
func (e errRejected) Unwrap() error {
	code := wire.CodeForbidden
	if e == reasonInternal {
		code = wire.CodeUnavailable
	}
	return &wire.Refusal{Code: code, Text: "the application does not let the client in", Reason: string(e)}
}

// register lets the client into a room.
func (c *client) register(text []byte) error {
	var r register
	if json.Unmarshal(text, &r) != nil || r.RoomID == "" || c.m != nil {
		return errBad
	}
	c.gone = Gone{RoomID: r.RoomID, ClientID: r.ClientID}
	c.standalone.Store(r.Standalone)
	m, err := c.conn.Join(c.entry(&r))
	if rejected := errRejected(""); errors.As(err, &rejected) {
		return c.reject(string(rejected))
	}
	if refusal := (*wire.Refusal)(nil); errors.As(err, &refusal) {
		return c.reject(reasonOf(refusal))
	}
	c.m = m
	return err
}

// entry makes what the hub is asked for. The client joins as the first, and if there is
// somebody, as the second.
func (c *client) entry(r *register) wsconn.Entry {
	if r.SignalingKey == nil {
		r.SignalingKey = r.Key
	}
	e := wsconn.Entry{Room: c.options.RoomPrefix + r.RoomID, Capacity: 1, Outcome: c.outcome}
	e.Token, e.Passcode = credentials(r)
	if name, ok := wire.NormalName(c.gone.ClientID); ok {
		e.Name = name
	}
	e.Retry = func(e *wsconn.Entry, refusal *wire.Refusal) bool {
		if refusal.Code != wire.CodeRoomFull || e.Capacity == 2 {
			return false
		}
		e.Capacity = 2
		c.mu.Lock()
		defer c.mu.Unlock()
		c.second = true
		return true
	}
	if c.options.Webhook != nil {
		e.Ask = func(ctx context.Context, id string) error { return c.ask(ctx, r, id) }
	}
	return e
}

// credentials finds what parleyd's own gate asks for: a JWT as the signaling key, or a
// token or a passcode in the client's metadata.
func credentials(r *register) (token, passcode string) {
	var m struct{ Token, Passcode string }
	_ = json.Unmarshal(r.AuthnMetadata, &m) // other metadata is the webhook's
	if token = m.Token; token == "" && r.SignalingKey != nil && strings.Count(*r.SignalingKey, ".") == 2 {
		token = *r.SignalingKey
	}
	return token, m.Passcode
}

// ask has the webhook decide.
func (c *client) ask(ctx context.Context, r *register, id string) error {
	c.gone.ConnectionID = id
	if c.gone.ClientID == "" {
		c.gone.ClientID = id
	}
	a, err := c.options.Webhook.Authn(ctx, &Question{
		RoomID: c.gone.RoomID, ClientID: c.gone.ClientID, ConnectionID: c.gone.ConnectionID, SignalingKey: r.SignalingKey,
		AuthnMetadata: r.AuthnMetadata, AyameClient: r.AyameClient, Libwebrtc: r.Libwebrtc, Environment: r.Environment,
	})
	switch {
	case err != nil || a == nil || a.Allowed == nil || !*a.Allowed && a.Reason == nil:
		return errRejected(reasonInternal)
	case !*a.Allowed:
		return errRejected(*a.Reason)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.iceServers, c.authzMetadata = present(a.ICEServers), present(a.AuthzMetadata)
	return nil
}

// present returns JSON that is not null.
func present(value json.RawMessage) json.RawMessage {
	if bytes.Equal(value, []byte("null")) {
		return nil
	}
	return value
}

// reasonOf returns the reason of a rejection for what the gate or the hub has refused.
func reasonOf(r *wire.Refusal) string {
	switch r.Code {
	case wire.CodeRoomFull, wire.CodeRoomLocked:
		return reasonFull
	case wire.CodeUnavailable:
		return reasonInternal
	}
	return r.Code.String()
}

// reject tells the client why it is not let in, and ends the connection.
func (c *client) reject(reason string) error {
	if err := c.conn.Send(append(wire.AppendQuoted([]byte(`{"type":"reject","reason":`), reason), '}')); err != nil {
		return err
	}
	return errBad
}
