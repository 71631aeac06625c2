// Package gate decides who may join which room: by the token that a member brings,
// by the rules for the room, by its passcode, and by asking an application.
package gate

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// Options say what a [Gate] looks at.
type Options struct {
	Tokens   *auth.Verifier // nil: tokens are not looked at
	Optional bool           // a join without a token has the default rights
	Rules    Rules
	Ask      Application // nil: nobody is asked
}

// Application decides, after all else has let a member in.
type Application interface {
	// Join returns what the application says, or why it does not let the member in.
	Join(ctx context.Context, q *Question) (*Answer, error)
}

// Question is what the application is asked.
type Question struct {
	Room, ID, Name string // ID and Name may be empty
	Token          string // as the client sent it; may be empty
	Remote         netip.Addr
	Rights         wire.Rights // that it has by its token
}

// Answer is what the application grants. What is empty or nil stays as it is.
type Answer struct {
	ID, Name string
	Rights   *wire.Rights
	Expires  time.Time
}

// Gate is a [wsconn.Gate].
type Gate struct {
	options   Options
	passcodes *passcodes
}

// A client address may be wrong about passcodes wrongAtOnce times, and then once in
// wrongEvery: at that rate a passcode of four digits is found in some weeks, one of
// six in years.
const (
	wrongAtOnce = 5
	wrongEvery  = 20 * time.Second
)

// New makes a gate.
func New(o Options) *Gate {
	return &Gate{options: o, passcodes: newPasscodes(limit.NewAttempts(wrongAtOnce, wrongEvery))}
}

var (
	errOtherRoom = &wire.Refusal{Code: wire.CodeForbidden, Text: "your token is not for this room"}
	errOtherID   = &wire.Refusal{Code: wire.CodeForbidden, Text: "\"from\" is not whom your token is for"}
	errOtherSub  = &wire.Refusal{Code: wire.CodeForbidden, Text: "the token is for somebody else"}
)

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
	}
	if err := g.without(ctx, rule, verified, r); err != nil {
		return nil, err
	}
	if g.options.Ask != nil {
		return g.ask(ctx, a, r)
	}
	return a, nil
}

// without decides on what a join without a good token needs.
func (g *Gate) without(ctx context.Context, rule Rule, verified bool, r *wsconn.JoinRequest) error {
	switch {
	case verified:
		return nil
	case rule.Passcode != "":
		return g.passcodes.check(ctx, rule.Passcode, r.Passcode, r.Remote)
	case g.options.Tokens != nil && !rule.tokenOptional(g.options.Optional):
		return auth.ErrMissing
	}
	return nil
}

// fits reports why a good token is not good for this member of this room.
func fits(t *auth.Token, room, id string) error {
	switch {
	case !t.Admits(room):
		return errOtherRoom
	case t.Subject != "" && id != "" && id != t.Subject:
		return errOtherID
	}
	return nil
}

// admit takes over what a token says.
func admit(a *wsconn.Admission, t *auth.Token) {
	a.ID, a.Name, a.Expires = t.Subject, t.Name, t.Expires
	a.Grant = &hub.Grant{
		Rights: t.Rights, Subject: t.Subject, Named: t.Name != "", Expires: t.Expires.Add(auth.Leeway),
	}
}

// ask has the application decide.
func (g *Gate) ask(ctx context.Context, a *wsconn.Admission, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	grant := hub.Grant{Rights: wire.DefaultRights}
	if a.Grant != nil {
		grant = *a.Grant
	}
	answer, err := g.options.Ask.Join(ctx, &Question{
		Room: r.Room, ID: cmp.Or(a.ID, r.ID), Name: cmp.Or(a.Name, r.Name),
		Token: r.Token, Remote: r.Remote, Rights: grant.Rights,
	})
	if err != nil {
		return nil, err
	}
	if answer.ID != "" {
		a.ID, grant.Subject = answer.ID, answer.ID
	}
	if answer.Name != "" {
		a.Name, grant.Named = answer.Name, true
	}
	if answer.Rights != nil {
		grant.Rights = *answer.Rights
	}
	if !answer.Expires.IsZero() && (grant.Expires.IsZero() || answer.Expires.Before(grant.Expires)) {
		grant.Expires = answer.Expires
	}
	a.Grant = &grant
	return a, nil
}

// Renew implements [wsconn.Gate].
func (g *Gate) Renew(ctx context.Context, r *wsconn.RenewRequest) (*wsconn.Admission, error) {
	if g.options.Tokens == nil {
		return nil, wsconn.ErrNoTokens
	}
	t, err := g.options.Tokens.Verify(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	if err := fits(t, r.Room, r.ID); err != nil {
		return nil, err
	}
	if r.Grant != nil && r.Grant.Subject != "" && t.Subject != r.Grant.Subject {
		return nil, errOtherSub
	}
	a := new(wsconn.Admission)
	admit(a, t)
	return a, nil
}
