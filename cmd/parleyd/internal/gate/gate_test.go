package gate

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret that is thirty-two bytes long, and more"

func verifier(t *testing.T) *auth.Verifier {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := auth.New(auth.Options{SecretFile: file})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mint(t *testing.T, token auth.Token) string {
	t.Helper()
	token.Expires = time.Now().Add(time.Hour)
	text, err := auth.Mint([]byte(secret), &token)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// hash is that of the passcode 1234, made quickly.
func hash(t *testing.T) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte("1234"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

var home = netip.MustParseAddr("192.0.2.1")

func TestJoin(t *testing.T) {
	v := verifier(t)
	ann := mint(t, auth.Token{Subject: "ann", Name: "Ann", Rooms: []string{"r", "team-*"}, Rights: wire.MayModerate})
	anybody := mint(t, auth.Token{Rights: wire.DefaultRights})
	rules := Rules{
		"coded":  {Passcode: hash(t), MaxMembers: 3},
		"open-*": {Token: Optional},
		"shut":   {Token: Required},
	}
	required := New(Options{Tokens: v, Rules: rules})
	optional := New(Options{Tokens: v, Optional: true, Rules: rules})
	none := New(Options{Rules: Rules{"coded": {Passcode: hash(t)}}})
	for _, c := range []struct {
		name string
		gate *Gate
		r    wsconn.JoinRequest
		want wire.Code
		id   string
	}{
		{"token", required, wsconn.JoinRequest{Room: "r", Token: ann}, 0, "ann"},
		{"token with its id", required, wsconn.JoinRequest{Room: "r", ID: "ann", Token: ann}, 0, "ann"},
		{"token of another id", required, wsconn.JoinRequest{Room: "r", ID: "bob", Token: ann}, wire.CodeForbidden, ""},
		{"token of another room", required, wsconn.JoinRequest{Room: "s", Token: ann}, wire.CodeForbidden, ""},
		{"token for a prefix", required, wsconn.JoinRequest{Room: "team-x", Token: ann}, 0, "ann"},
		{"token for anybody", required, wsconn.JoinRequest{Room: "s", ID: "bob", Token: anybody}, 0, ""},
		{"no token", required, wsconn.JoinRequest{Room: "r"}, wire.CodeUnauthorized, ""},
		{"bad token", required, wsconn.JoinRequest{Room: "r", Token: ann + "x"}, wire.CodeUnauthorized, ""},
		{"no token where one may", optional, wsconn.JoinRequest{Room: "r"}, 0, ""},
		{"bad token where none need be", optional, wsconn.JoinRequest{Room: "r", Token: "x"}, wire.CodeUnauthorized, ""},
		{"no token where the room does not ask", required, wsconn.JoinRequest{Room: "open-1"}, 0, ""},
		{"no token where the room asks", optional, wsconn.JoinRequest{Room: "shut"}, wire.CodeUnauthorized, ""},
		{"passcode", required, wsconn.JoinRequest{Room: "coded", Passcode: "1234"}, 0, ""},
		{"wrong passcode", required, wsconn.JoinRequest{Room: "coded", Passcode: "123"}, wire.CodeUnauthorized, ""},
		{"no passcode", optional, wsconn.JoinRequest{Room: "coded"}, wire.CodeUnauthorized, ""},
		{"token in place of a passcode", required, wsconn.JoinRequest{Room: "coded", Token: anybody}, 0, ""},
		{"passcode and a bad token", required, wsconn.JoinRequest{Room: "coded", Token: "x", Passcode: "1234"}, wire.CodeUnauthorized, ""},
		{"passcode without tokens", none, wsconn.JoinRequest{Room: "coded", Passcode: "1234"}, 0, ""},
		{"a token that nobody looks at", none, wsconn.JoinRequest{Room: "r", Token: "x"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Remote = home
			a, refusal := c.gate.Join(t.Context(), &c.r)
			if c.want != 0 {
				if refusal == nil || wire.CodeOf(refusal) != c.want {
					t.Errorf("got %v, want %s", refusal, c.want)
				}
				return
			}
			if refusal != nil {
				t.Fatal(refusal)
			}
			if a.ID != c.id {
				t.Errorf("id %q, want %q", a.ID, c.id)
			}
			if c.id == "ann" && (a.Name != "Ann" || a.Grant.Rights != wire.MayModerate || !a.Grant.Named || a.Grant.Expires.IsZero()) {
				t.Errorf("%+v %+v", a, a.Grant)
			}
			if c.r.Room == "coded" && c.gate != none && a.Capacity != 3 {
				t.Errorf("capacity %d", a.Capacity)
			}
		})
	}
}

func TestRules(t *testing.T) {
	rules := Rules{"*": {MaxMembers: 1}, "team-*": {MaxMembers: 2}, "team-a": {MaxMembers: 3}, "team-a*": {MaxMembers: 4}}
	for room, want := range map[string]int{"x": 1, "team-": 2, "team-b": 2, "team-a": 3, "team-ab": 4} {
		if got := rules.For(room).MaxMembers; got != want {
			t.Errorf("%s: %d, want %d", room, got, want)
		}
	}
	if got := (Rules{}).For("x"); got != (Rule{}) {
		t.Errorf("%+v", got)
	}
}

func TestBadRules(t *testing.T) {
	good := Rule{Passcode: hash(t), MaxMembers: 1}
	for _, c := range []struct {
		name   string
		room   string
		rule   Rule
		tokens bool
		want   bool
	}{
		{"a room", "board", good, false, true},
		{"a prefix", "team-*", Rule{Token: Required}, true, true},
		{"any room", "*", Rule{Token: Optional}, false, true},
		{"the longest prefix", strings.Repeat("x", wire.MaxRoom) + "*", good, false, true},
		{"a prefix that is too long", strings.Repeat("x", wire.MaxRoom+1) + "*", good, false, false},
		{"no room", " board", good, false, false},
		{"no text", "\xff*", good, false, false},
		{"no members", "board", Rule{MaxMembers: 0}, false, true},
		{"fewer than no members", "board", Rule{MaxMembers: -1}, false, false},
		{"an unknown need", "board", Rule{Token: "perhaps"}, true, false},
		{"tokens that nobody checks", "board", Rule{Token: Required}, false, false},
		{"a passcode beside a token", "board", Rule{Token: Required, Passcode: good.Passcode}, true, false},
		{"a passcode in clear", "board", Rule{Passcode: "1234"}, false, false},
	} {
		if err := (Rules{c.room: c.rule}).Check(c.tokens); (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestHashes(t *testing.T) {
	made, err := HashPasscode("1234")
	if err != nil {
		t.Fatal(err)
	}
	if err := checkHash(made); err != nil {
		t.Error(err)
	}
	if !matches(made, "1234") || matches(made, "12345") || matches(made, "") {
		t.Error("the hash does not tell passcodes apart")
	}
	for _, h := range []string{
		"1234", "$2a$10$short", "$2a$20$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
	} {
		if checkHash(h) == nil {
			t.Errorf("%q was taken", h)
		}
	}
}

// answers is an application.
type answers struct {
	answer  *Answer
	refusal error
	asked   *Question
}

func (a *answers) Join(_ context.Context, q *Question) (*Answer, error) {
	a.asked = q
	return a.answer, a.refusal
}

func TestApplication(t *testing.T) {
	moderate := wire.MayModerate
	a := &answers{answer: &Answer{ID: "bob", Name: "Bob", Rights: &moderate, Expires: time.Now().Add(time.Minute)}}
	g := New(Options{Ask: a})
	got, refusal := g.Join(t.Context(), &wsconn.JoinRequest{Room: "r", ID: "b", Token: "opaque", Remote: home})
	if refusal != nil {
		t.Fatal(refusal)
	}
	if a.asked.Token != "opaque" || a.asked.Room != "r" || a.asked.ID != "b" || a.asked.Rights != wire.DefaultRights {
		t.Errorf("asked %+v", a.asked)
	}
	if got.ID != "bob" || got.Name != "Bob" || got.Grant.Rights != moderate || !got.Grant.Named || !got.Grant.Expires.Equal(a.answer.Expires) {
		t.Errorf("%+v %+v", got, got.Grant)
	}
	a.answer, a.refusal = nil, &wire.Refusal{Code: wire.CodeForbidden}
	if _, refusal := g.Join(t.Context(), &wsconn.JoinRequest{Room: "r"}); refusal != a.refusal {
		t.Errorf("got %v", refusal)
	}
	// The token's end comes first if it is earlier than the application's.
	a.answer, a.refusal = &Answer{Expires: time.Now().Add(24 * time.Hour)}, nil
	v := verifier(t)
	g = New(Options{Tokens: v, Ask: a})
	got, refusal = g.Join(t.Context(), &wsconn.JoinRequest{Room: "r", Token: mint(t, auth.Token{Subject: "ann"})})
	if refusal != nil || got.Grant.Bound.IsZero() || got.Grant.Expires.After(time.Now().Add(2*time.Hour)) || got.Grant.Subject != "ann" {
		t.Errorf("%v %+v", refusal, got)
	}
}
