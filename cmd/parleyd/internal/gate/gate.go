// Package gate decides who may join which room: by the token that a member brings,
// by the rules for the room, by its passcode, and by asking an application.
package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// Options say what a [Gate] looks at.
type Options struct {
	Tokens   *auth.Verifier // nil: tokens are not looked at
	Optional bool           // a join without a token has the default rights
	Rules    Rules
	Ask      Application // nil: nobody is asked
}

// Application decides, after all else has let a member in, and again whenever the
// member renews its token.
type Application interface {
	// Join returns what the application grants. An error refuses the member: a
	// [*wire.Refusal] is what the client is told.
	Join(ctx context.Context, q *Question) (*Answer, error)
}

// Question is what the application is asked.
type Question struct {
	Renewing       bool   // the member is in the room already, and brings a fresh token
	Room, ID, Name string // ID and Name may be empty at a join
	Meta           json.RawMessage
	Token          string // as the client sent it; may be empty
	Remote         netip.Addr
	Rights         wire.Rights // that the member has without the application
}

// Answer is the application's grant. Empty and nil fields change nothing.
type Answer struct {
	ID     string // of no effect when the member renews: its id stays
	Name   string
	Meta   json.RawMessage // fixes the profile
	Rights *wire.Rights
	// Expires is when the membership ends at the latest.
	Expires time.Time
}

// Gate is a [wsconn.Gate].
type Gate struct {
	options   Options
	passcodes *passcodes
}

// New makes a gate.
func New(o Options) *Gate { return &Gate{options: o, passcodes: newPasscodes(matches)} }

// With returns a gate with other options that remembers the same wrong passcodes.
func (g *Gate) With(o Options) *Gate { return &Gate{options: o, passcodes: g.passcodes} }

const (
	textOtherRoom = "your token is not for this room"
	textOtherID   = "\"from\" is not the id that your token is for"
	textOtherSub  = "the token is for another member"
)

func forbidden(text, reason string) error {
	return &wire.Refusal{Code: wire.CodeForbidden, Text: text, Reason: reason}
}

// Join implements [wsconn.Gate].
func (g *Gate) Join(ctx context.Context, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	rule := g.options.Rules.For(r.Room)
	a := &wsconn.Admission{Capacity: rule.MaxMembers}
	verified := g.options.Tokens != nil && r.Token != ""
	if verified {
		t, err := g.options.Tokens.Verify(ctx, r.Token)
		if err == nil {
			err = fits(t, r.Room, r.ID)
		}
		if err != nil {
			return nil, err
		}
		admit(a, t)
	} else if err := g.admitWithoutToken(ctx, rule, r); err != nil {
		return nil, err
	}
	if g.options.Ask == nil {
		return a, nil
	}
	grant := hub.Grant{Rights: wire.DefaultRights}
	if a.Grant != nil {
		grant = *a.Grant
	}
	a.Grant = &grant
	q := &Question{
		Room: r.Room, ID: cmp.Or(a.ID, r.ID), Name: cmp.Or(a.Name, r.Name), Meta: r.Meta,
		Token: r.Token, Remote: r.Remote, Rights: grant.Rights,
	}
	if grant.Profiled {
		q.Meta = a.Meta
	}
	answer, err := g.options.Ask.Join(ctx, q)
	if err != nil {
		return nil, err
	}
	a.ID = cmp.Or(answer.ID, a.ID)
	if answer.Rights != nil {
		grant.Rights = *answer.Rights
	}
	grant.Bound = answer.Expires
	apply(a, answer)
	return a, nil
}

// admitWithoutToken decides what a join without a token needs instead.
func (g *Gate) admitWithoutToken(ctx context.Context, rule Rule, r *wsconn.JoinRequest) error {
	if rule.Passcode != "" {
		return g.passcodes.check(ctx, rule.Passcode, r.Passcode, r.Remote)
	}
	if g.options.Tokens != nil && !rule.tokenOptional(g.options.Optional) {
		return auth.Missing()
	}
	return nil
}

// fits reports why a valid token is not for this member of this room.
func fits(t *auth.Token, room, id string) error {
	switch {
	case !t.Admits(room):
		return forbidden(textOtherRoom, "the room is not in the token")
	case t.Subject != "" && id != "" && id != t.Subject:
		return forbidden(textOtherID, fmt.Sprintf("\"from\" differs from the token's sub %q", t.Subject))
	}
	return nil
}

// admit takes over what a token says.
func admit(a *wsconn.Admission, t *auth.Token) {
	a.ID, a.Name, a.Meta, a.Expires = t.Subject, t.Name, t.Meta, t.Expires
	a.Grant = &hub.Grant{
		Rights: t.Rights, Subject: t.Subject, Named: t.Name != "", Profiled: t.Meta != nil, Expires: t.Expires.Add(auth.Leeway),
	}
}

// apply takes over what the application says of the nickname, the profile and the
// end of a membership, whose bound is set.
func apply(a *wsconn.Admission, answer *Answer) {
	g := a.Grant
	if answer.Name != "" {
		a.Name, g.Named = answer.Name, true
	}
	if answer.Meta != nil {
		a.Meta, g.Profiled = answer.Meta, true
	}
	g.Expires = earliest(g.Expires, g.Bound)
	a.Expires = earliest(a.Expires, g.Bound)
}

// earliest returns the earlier of two times, of which a zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
