package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

const all = wire.DefaultRights | wire.MayModerate

func TestRenew(t *testing.T) {
	g := New(Options{Tokens: verifier(t)})
	ann := &hub.Grant{Rights: all, Subject: "ann"}
	anonymous := &hub.Grant{Rights: all}
	for _, c := range []struct {
		name   string
		token  string
		grant  *hub.Grant
		want   wire.Code
		reason string
	}{
		{"the same", mint(t, auth.Token{Subject: "ann", Rooms: []string{"r"}}), ann, 0, ""},
		{"another sub", mint(t, auth.Token{Subject: "bob"}), ann, wire.CodeForbidden, "the token's sub differs from that of the former token"},
		{"no sub", mint(t, auth.Token{}), ann, wire.CodeForbidden, "the token's sub differs from that of the former token"},
		{"another room", mint(t, auth.Token{Subject: "ann", Rooms: []string{"s"}}), ann, wire.CodeForbidden, "the room is not in the token"},
		{"invalid", "x", ann, wire.CodeUnauthorized, "the token is malformed"},
		{"without a sub again", mint(t, auth.Token{}), anonymous, 0, ""},
		{"the id as sub, after none", mint(t, auth.Token{Subject: "ann"}), anonymous, 0, ""},
		{"another sub, after none", mint(t, auth.Token{Subject: "bob"}), anonymous, wire.CodeForbidden, "the token's sub differs from the member's id"},
		{"first one of a guest", mint(t, auth.Token{Subject: "ann"}), nil, 0, ""},
		{"first one of a guest, for another", mint(t, auth.Token{Subject: "bob"}), nil, wire.CodeForbidden, "the token's sub differs from the member's id"},
	} {
		a, err := g.Renew(t.Context(), &wsconn.RenewRequest{Room: "r", ID: "ann", Grant: c.grant, Token: c.token})
		if wire.CodeOf(err) != c.want || err == nil && a.Expires.IsZero() {
			t.Errorf("%s: %v", c.name, err)
		}
		if r := (*wire.Refusal)(nil); errors.As(err, &r) && r.Reason != c.reason {
			t.Errorf("%s: reason %q", c.name, r.Reason)
		}
	}
	if _, err := New(Options{}).Renew(t.Context(), &wsconn.RenewRequest{Room: "r", ID: "ann", Token: "x"}); err != wsconn.ErrNoTokens {
		t.Errorf("without tokens: %v", err)
	}
}

// A renewal never gives a right that the member lacks, and takes those that the
// fresh token, or the application, does not name again.
func TestRenewRights(t *testing.T) {
	v := verifier(t)
	rights := func(r wire.Rights) *wire.Rights { return &r }
	for _, c := range []struct {
		name            string
		force           *hub.Grant
		token           wire.Rights
		application     *wire.Rights
		withApplication bool
		want            wire.Rights
	}{
		{"the token's", &hub.Grant{Rights: all}, all, nil, false, all},
		{"fewer in the token", &hub.Grant{Rights: all}, wire.MaySend, nil, false, wire.MaySend},
		{"more in the token", &hub.Grant{Rights: wire.MaySend}, all, nil, false, wire.MaySend},
		{"none in force", &hub.Grant{}, all, nil, false, 0},
		{"a guest", nil, all, nil, false, wire.DefaultRights},
		{"the application says nothing", &hub.Grant{Rights: wire.MaySend}, all, nil, true, wire.MaySend},
		{"the application takes", &hub.Grant{Rights: all}, all, rights(wire.MayMessage), true, wire.MayMessage},
		{"the application takes all", &hub.Grant{Rights: all}, all, rights(0), true, 0},
		{"the application gives", &hub.Grant{Rights: wire.MaySend}, all, rights(all), true, wire.MaySend},
		{"the application gives again what it gave", &hub.Grant{Rights: all}, wire.DefaultRights, rights(all), true, all},
	} {
		o := Options{Tokens: v}
		if c.withApplication {
			o.Ask = &answers{answer: &Answer{Rights: c.application}}
		}
		a, err := New(o).Renew(t.Context(), &wsconn.RenewRequest{
			Room: "r", ID: "ann", Grant: c.force, Token: mint(t, auth.Token{Rights: c.token}),
		})
		if err != nil || a.Grant.Rights != c.want {
			t.Errorf("%s: %v, %v", c.name, a.Grant.Rights, err)
		}
	}
}

// A nickname or profile that was fixed stays fixed.
func TestRenewNames(t *testing.T) {
	v := verifier(t)
	fixed := &hub.Grant{Named: true, Profiled: true}
	meta := json.RawMessage(`{"a":1}`)
	for _, c := range []struct {
		name   string
		force  *hub.Grant
		token  auth.Token
		answer *Answer
		want   string
		meta   string
		named  bool
	}{
		{"free", &hub.Grant{}, auth.Token{}, nil, "", "", false},
		{"stays as it is", fixed, auth.Token{}, nil, "", "", true},
		{"stays, with an application", fixed, auth.Token{}, &Answer{}, "", "", true},
		{"by the token", fixed, auth.Token{Name: "Annie", Meta: meta}, &Answer{}, "Annie", `{"a":1}`, true},
		{"by the application", fixed, auth.Token{Name: "Annie", Meta: json.RawMessage("1")}, &Answer{Name: "Guest 7", Meta: meta}, "Guest 7", `{"a":1}`, true},
		{"fixed from now on", nil, auth.Token{Name: "Annie", Meta: meta}, nil, "Annie", `{"a":1}`, true},
		{"fixed by the application from now on", nil, auth.Token{}, &Answer{Name: "Guest 7", Meta: meta}, "Guest 7", `{"a":1}`, true},
	} {
		o := Options{Tokens: v}
		if c.answer != nil {
			o.Ask = &answers{answer: c.answer}
		}
		a, err := New(o).Renew(t.Context(), &wsconn.RenewRequest{Room: "r", ID: "ann", Name: "Ann", Grant: c.force, Token: mint(t, c.token)})
		if err != nil {
			t.Fatal(err)
		}
		if a.Name != c.want || string(a.Meta) != c.meta || a.Grant.Named != c.named || a.Grant.Profiled != c.named {
			t.Errorf("%s: %q %s %+v", c.name, a.Name, a.Meta, a.Grant)
		}
	}
}

// A membership ends at the token's end or at the application's bound, whichever is
// earlier; a bound holds until the application names another.
func TestRenewExpiry(t *testing.T) {
	v := verifier(t)
	now := time.Now()
	token := mint(t, auth.Token{}) // an hour
	soon, later, far := now.Add(time.Minute), now.Add(2*time.Minute), now.Add(24*time.Hour)
	for _, c := range []struct {
		name            string
		bound, answered time.Time
		want            time.Time // zero: the token's end
	}{
		{"no bound", time.Time{}, time.Time{}, time.Time{}},
		{"the former bound", soon, time.Time{}, soon},
		{"an earlier one", later, soon, soon},
		{"a later one", soon, later, later},
		{"later than the token", soon, far, time.Time{}},
		{"a first one", time.Time{}, soon, soon},
	} {
		g := New(Options{Tokens: v, Ask: &answers{answer: &Answer{Expires: c.answered}}})
		a, err := g.Renew(t.Context(), &wsconn.RenewRequest{Room: "r", ID: "ann", Grant: &hub.Grant{Expires: c.bound, Bound: c.bound}, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		if c.want.IsZero() {
			if d := a.Grant.Expires.Sub(a.Expires); d != auth.Leeway || a.Expires.Before(now.Add(59*time.Minute)) {
				t.Errorf("%s: grant %s, answer %s", c.name, a.Grant.Expires, a.Expires)
			}
		} else if !a.Grant.Expires.Equal(c.want) || !a.Expires.Equal(c.want) || !a.Grant.Bound.Equal(c.want) {
			t.Errorf("%s: grant %s, answer %s, want %s", c.name, a.Grant.Expires, a.Expires, c.want)
		}
	}
}

// The application is asked again, with all that it was asked at the join, and can
// refuse.
func TestRenewAsks(t *testing.T) {
	a := &answers{answer: &Answer{ID: "user-17"}}
	g := New(Options{Tokens: verifier(t), Ask: a})
	token := mint(t, auth.Token{Subject: "ann", Rights: all, Meta: json.RawMessage("1")})
	in, err := g.Join(t.Context(), &wsconn.JoinRequest{Room: "r", ID: "ann", Token: token, Remote: home, Meta: json.RawMessage("2")})
	if err != nil {
		t.Fatal(err)
	}
	if in.ID != "user-17" || in.Grant.Subject != "ann" || a.asked.Renewing || string(a.asked.Meta) != "1" {
		t.Errorf("%+v %+v, asked %+v", in, in.Grant, a.asked)
	}
	request := &wsconn.RenewRequest{Room: "r", ID: in.ID, Name: "Ann", Grant: in.Grant, Token: token, Remote: home}
	again, err := g.Renew(t.Context(), request)
	if err != nil {
		t.Fatalf("a member whose id the application replaced: %v", err)
	}
	if again.ID != "user-17" || again.Grant.Subject != "ann" {
		t.Errorf("%+v", again)
	}
	q := a.asked
	if !q.Renewing || q.Room != "r" || q.ID != "user-17" || q.Name != "Ann" || q.Token != token || q.Remote != home || q.Rights != all || string(q.Meta) != "1" {
		t.Errorf("asked %+v", q)
	}
	a.answer, a.refusal = nil, &wire.Refusal{Code: wire.CodeForbidden}
	if _, err := g.Renew(t.Context(), request); err != a.refusal {
		t.Errorf("got %v", err)
	}
}

// The application is told the profile that the client wants.
func TestJoinProfile(t *testing.T) {
	a := &answers{answer: new(Answer)}
	g := New(Options{Ask: a})
	got, err := g.Join(context.Background(), &wsconn.JoinRequest{Room: "r", Meta: json.RawMessage("2"), Remote: netip.Addr{}})
	if err != nil || string(a.asked.Meta) != "2" || got.Grant.Profiled || got.Meta != nil {
		t.Errorf("%+v %v, asked %+v", got, err, a.asked)
	}
	a.answer = &Answer{Meta: json.RawMessage("3")}
	got, err = g.Join(context.Background(), &wsconn.JoinRequest{Room: "r", Meta: json.RawMessage("2")})
	if err != nil || !got.Grant.Profiled || string(got.Meta) != "3" {
		t.Errorf("%+v %v", got, err)
	}
}
