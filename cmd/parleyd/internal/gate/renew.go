package gate

import (
	"cmp"
	"context"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

// Renew implements [wsconn.Gate]. The application is asked again, and the new grant
// is never wider than the one in force:
//
//   - A right that the member lacks stays lacking. A right that it has stays if the
//     application names it again, or names none and the token has it.
//   - A fixed nickname or profile stays fixed. The fresh token or the application can
//     replace it. Where neither does, the admission has no Name or Meta, and what is
//     there stays.
//   - The membership ends when the token expires or at the application's bound,
//     whichever is earlier. Where the application names no new bound, the former one
//     holds.
//   - The token has the sub of the former one. Where there was none, the sub is the
//     member's id.
func (g *Gate) Renew(ctx context.Context, r *wsconn.RenewRequest) (*wsconn.Admission, error) {
	former := hub.Grant{Rights: wire.DefaultRights}
	if r.Grant != nil {
		former = *r.Grant
	}
	if g.options.Tokens == nil {
		return g.renewWithoutTokens(ctx, r, former)
	}
	t, err := g.options.Tokens.Verify(ctx, r.Token)
	if err != nil {
		return nil, err
	}
	if err := continues(t, r, &former); err != nil {
		return nil, err
	}
	a := new(wsconn.Admission)
	admit(a, t)
	a.ID = r.ID
	a.Grant.Named = a.Grant.Named || former.Named
	a.Grant.Profiled = a.Grant.Profiled || former.Profiled
	a.Grant.Bound = former.Bound
	a.Grant.Rights &= former.Rights
	answer := new(Answer)
	if g.options.Ask != nil {
		answer, err = g.options.Ask.Join(ctx, &Question{
			Renewing: true, Room: r.Room, ID: r.ID, Name: cmp.Or(t.Name, r.Name), Meta: t.Meta,
			Token: r.Token, Remote: r.Remote, Rights: a.Grant.Rights,
		})
		if err != nil {
			return nil, err
		}
	}
	if answer.Rights != nil {
		a.Grant.Rights = *answer.Rights & former.Rights
	}
	if !answer.Expires.IsZero() {
		a.Grant.Bound = answer.Expires
	}
	apply(a, answer)
	return a, nil
}

// renewWithoutTokens has the application decide, whose own the token is.
func (g *Gate) renewWithoutTokens(ctx context.Context, r *wsconn.RenewRequest, former hub.Grant) (*wsconn.Admission, error) {
	if g.options.Ask == nil {
		return nil, wsconn.ErrNoTokens
	}
	answer, err := g.options.Ask.Join(ctx, &Question{
		Renewing: true, Room: r.Room, ID: r.ID, Name: r.Name, Token: r.Token, Remote: r.Remote, Rights: former.Rights,
	})
	if err != nil {
		return nil, err
	}
	a := &wsconn.Admission{ID: r.ID, Grant: &former}
	if answer.Rights != nil {
		former.Rights &= *answer.Rights
	}
	if !answer.Expires.IsZero() {
		former.Bound = answer.Expires
	}
	former.Expires = former.Bound
	apply(a, answer)
	a.Expires = former.Expires
	return a, nil
}

// continues reports why a valid token does not go on with the membership.
func continues(t *auth.Token, r *wsconn.RenewRequest, former *hub.Grant) error {
	switch {
	case !t.Admits(r.Room):
		return forbidden(textOtherRoom, "the room is not in the token")
	case former.Subject != "" && t.Subject != former.Subject:
		return forbidden(textOtherSub, "the token's sub differs from that of the former token")
	case former.Subject == "" && t.Subject != "" && t.Subject != r.ID:
		return forbidden(textOtherSub, "the token's sub differs from the member's id")
	}
	return nil
}
