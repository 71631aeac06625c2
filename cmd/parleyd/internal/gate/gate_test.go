package gate

import (
	"context"
	"encoding/base64"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/auth"
	"github.com/parley-rtc/parley/hub"
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

func TestRenew(t *testing.T) {
	g := New(Options{Tokens: verifier(t)})
	grant := &hub.Grant{Rights: wire.DefaultRights, Subject: "ann"}
	for _, c := range []struct {
		name  string
		token string
		grant *hub.Grant
		want  wire.Code
	}{
		{"the same", mint(t, auth.Token{Subject: "ann", Rooms: []string{"r"}}), grant, 0},
		{"another sub", mint(t, auth.Token{Subject: "bob"}), grant, wire.CodeForbidden},
		{"no sub", mint(t, auth.Token{}), grant, wire.CodeForbidden},
		{"another room", mint(t, auth.Token{Subject: "ann", Rooms: []string{"s"}}), grant, wire.CodeForbidden},
		{"bad", "x", grant, wire.CodeUnauthorized},
		{"first one of a guest", mint(t, auth.Token{Subject: "ann"}), nil, 0},
		{"first one of a guest, for somebody else", mint(t, auth.Token{Subject: "bob"}), nil, wire.CodeForbidden},
	} {
		a, refusal := g.Renew(t.Context(), &wsconn.RenewRequest{Room: "r", ID: "ann", Grant: c.grant, Token: c.token})
		var code wire.Code
		if refusal != nil {
			code = wire.CodeOf(refusal)
		}
		if code != c.want || code == 0 && a.Expires.IsZero() {
			t.Errorf("%s: %v", c.name, refusal)
		}
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

func TestHashes(t *testing.T) {
	made, err := HashPasscode("1234")
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawStdEncoding.EncodeToString
	salt := []byte("0123456789abcdef")
	argon := "$argon2id$v=19$m=64,t=1,p=2$" + b64(salt) + "$" + b64(argon2.IDKey([]byte("1234"), salt, 1, 64, 2, 32))
	for name, h := range map[string]string{"bcrypt": made, "argon2id": argon} {
		if err := checkHash(h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !matches(h, "1234") || matches(h, "12345") || matches(h, "") {
			t.Errorf("%s does not tell passcodes apart", name)
		}
	}
	for _, h := range []string{
		"1234", "$2a$10$short", "$2a$20$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "$argon2id$", "$argon2id$v=19$m=x,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		if checkHash(h) == nil {
			t.Errorf("%q was taken", h)
		}
	}
}

// Who is wrong too often has to wait, and so has who guesses at several at once;
// others don't, and a right passcode costs nothing of it.
func TestWrongPasscodes(t *testing.T) {
	g := New(Options{Rules: Rules{"coded": {Passcode: hash(t)}}})
	try := func(passcode string, remote netip.Addr) wire.Code {
		_, refusal := g.Join(context.Background(), &wsconn.JoinRequest{Room: "coded", Passcode: passcode, Remote: remote})
		if refusal == nil {
			return 0
		}
		return wire.CodeOf(refusal)
	}
	for range 3 * wrongAtOnce {
		if code := try("1234", home); code != 0 {
			t.Fatalf("the right passcode: %s", code)
		}
	}
	codes := make(chan wire.Code)
	for range 3 * wrongAtOnce {
		go func() { codes <- try("4321", home) }()
	}
	wrong := 0
	for range 3 * wrongAtOnce {
		if code := <-codes; code == wire.CodeUnauthorized {
			wrong++
		} else if code != wire.CodeRateLimited {
			t.Errorf("got %s", code)
		}
	}
	if wrong != wrongAtOnce {
		t.Errorf("%d wrong passcodes were looked at, want %d", wrong, wrongAtOnce)
	}
	if code := try("1234", home); code != wire.CodeRateLimited {
		t.Errorf("after too many wrong ones: %s", code)
	}
	if code := try("1234", netip.MustParseAddr("192.0.2.2")); code != 0 {
		t.Errorf("another address: %s", code)
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
	if refusal != nil || got.Grant.Expires.After(time.Now().Add(2*time.Hour)) || got.Grant.Subject != "ann" {
		t.Errorf("%v %+v", refusal, got)
	}
}
