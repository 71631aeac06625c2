package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret that is thirty-two bytes long, and more"

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newVerifier(t testing.TB, o Options) *Verifier {
	t.Helper()
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func withSecret(t testing.TB, change func(*Options)) *Verifier {
	t.Helper()
	o := Options{SecretFile: filepath.Join(t.TempDir(), "secret")}
	write(t, o.SecretFile, secret+"\n")
	if change != nil {
		change(&o)
	}
	return newVerifier(t, o)
}

// good are claims that nothing is wrong with, with others in place of some.
func good(others jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix(), "sub": "ann", "room": "r"}
	maps.Copy(c, others)
	for name, value := range c {
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

func sign(t testing.TB, m jwt.SigningMethod, key any, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(m, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func hs256(t testing.TB, claims jwt.MapClaims) string {
	return sign(t, jwt.SigningMethodHS256, []byte(secret), "", claims)
}

func TestClaims(t *testing.T) {
	now := time.Now().Unix()
	v := withSecret(t, nil)
	for _, c := range []struct {
		name   string
		claims jwt.MapClaims
		want   *Token // nil: not taken
	}{
		{"all", jwt.MapClaims{"name": "Ann", "room": []string{"r", "s-*"}, "rights": []string{"moderate"}},
			&Token{Subject: "ann", Name: "Ann", Rooms: []string{"r", "s-*"}, Rights: wire.MayModerate}},
		{"little", jwt.MapClaims{"sub": nil, "room": nil}, &Token{Rights: wire.DefaultRights}},
		{"no rights", jwt.MapClaims{"rights": []string{}}, &Token{Subject: "ann", Rooms: []string{"r"}}},
		{"rights that nobody knows", jwt.MapClaims{"rights": []string{"fly", "send"}},
			&Token{Subject: "ann", Rooms: []string{"r"}, Rights: wire.MaySend}},
		{"no rooms", jwt.MapClaims{"room": []string{}}, &Token{Subject: "ann", Rooms: []string{}, Rights: wire.DefaultRights}},
		{"just expired", jwt.MapClaims{"exp": now - 20}, &Token{Subject: "ann", Rooms: []string{"r"}, Rights: wire.DefaultRights}},
		{"soon valid", jwt.MapClaims{"nbf": now + 20}, &Token{Subject: "ann", Rooms: []string{"r"}, Rights: wire.DefaultRights}},
		{"expired", jwt.MapClaims{"exp": now - 40}, nil},
		{"no exp", jwt.MapClaims{"exp": nil}, nil},
		{"exp as text", jwt.MapClaims{"exp": "never"}, nil},
		{"not yet valid", jwt.MapClaims{"nbf": now + 60}, nil},
		{"nbf as text", jwt.MapClaims{"nbf": "now"}, nil},
		{"sub as a number", jwt.MapClaims{"sub": 7}, nil},
		{"empty sub", jwt.MapClaims{"sub": ""}, nil},
		{"sub that can't be an id", jwt.MapClaims{"sub": " ann"}, nil},
		{"name that can't be one", jwt.MapClaims{"name": "a\nb"}, nil},
		{"room as a number", jwt.MapClaims{"room": 7}, nil},
		{"rooms with a number", jwt.MapClaims{"room": []any{"r", 7}}, nil},
		{"rights as text", jwt.MapClaims{"rights": "moderate"}, nil},
		{"rights with a number", jwt.MapClaims{"rights": []any{7}}, nil},
		{"profile", jwt.MapClaims{"meta": json.RawMessage(`{ "b": 1.0, "a": "é" }`)},
			&Token{Subject: "ann", Rooms: []string{"r"}, Rights: wire.DefaultRights, Meta: json.RawMessage(`{"b":1.0,"a":"é"}`)}},
		{"no profile", jwt.MapClaims{"meta": json.RawMessage("null")},
			&Token{Subject: "ann", Rooms: []string{"r"}, Rights: wire.DefaultRights, Meta: json.RawMessage("null")}},
		{"profile as large as can be", jwt.MapClaims{"meta": strings.Repeat("x", wire.MaxMeta-2)},
			&Token{Subject: "ann", Rooms: []string{"r"}, Rights: wire.DefaultRights, Meta: json.RawMessage(`"` + strings.Repeat("x", wire.MaxMeta-2) + `"`)}},
		{"profile that is too large", jwt.MapClaims{"meta": strings.Repeat("x", wire.MaxMeta-1)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := v.Check(t.Context(), hs256(t, good(c.claims)))
			if c.want == nil {
				if err == nil {
					t.Errorf("taken: %+v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject != c.want.Subject || got.Name != c.want.Name || got.Rights != c.want.Rights ||
				!slices.Equal(got.Rooms, c.want.Rooms) || (got.Rooms == nil) != (c.want.Rooms == nil) || got.Expires.IsZero() ||
				string(got.Meta) != string(c.want.Meta) || (got.Meta == nil) != (c.want.Meta == nil) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestIssuerAndAudience(t *testing.T) {
	v := withSecret(t, func(o *Options) { o.Issuer, o.Audience = "them", "us" })
	for _, c := range []struct {
		name   string
		claims jwt.MapClaims
		want   bool
	}{
		{"both", jwt.MapClaims{"iss": "them", "aud": "us"}, true},
		{"one of several audiences", jwt.MapClaims{"iss": "them", "aud": []string{"others", "us"}}, true},
		{"no issuer", jwt.MapClaims{"aud": "us"}, false},
		{"another issuer", jwt.MapClaims{"iss": "others", "aud": "us"}, false},
		{"no audience", jwt.MapClaims{"iss": "them"}, false},
		{"another audience", jwt.MapClaims{"iss": "them", "aud": "others"}, false},
	} {
		if _, err := v.Check(t.Context(), hs256(t, good(c.claims))); (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAdmits(t *testing.T) {
	for _, c := range []struct {
		rooms []string
		room  string
		want  bool
	}{
		{nil, "any", true},
		{[]string{}, "any", false},
		{[]string{"r"}, "r", true},
		{[]string{"r"}, "r2", false},
		{[]string{"team-*"}, "team-a", true},
		{[]string{"team-*"}, "team", false},
		{[]string{"a", "*"}, "x", true},
		{[]string{"a*b"}, "axb", false},
		{[]string{"a*"}, "a*", true},
	} {
		if got := (&Token{Rooms: c.rooms}).Admits(c.room); got != c.want {
			t.Errorf("%q for %q: %v", c.rooms, c.room, got)
		}
	}
}

func TestSecrets(t *testing.T) {
	v := withSecret(t, nil)
	for _, m := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		if _, err := v.Check(t.Context(), sign(t, m, []byte(secret), "named", good(nil))); err != nil {
			t.Errorf("%s: %v", m.Alg(), err)
		}
	}
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","crit":["x"],"x":1}`))
	body := strings.Split(hs256(t, good(nil)), ".")[1]
	signature, err := jwt.SigningMethodHS256.Sign(header+"."+body, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	none := strings.Join([]string{base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None"}`)), body, ""}, ".")
	for name, text := range map[string]string{
		"wrong secret": sign(t, jwt.SigningMethodHS256, []byte(secret+"x"), "", good(nil)),
		"empty":        "", "one part": "x", "two parts": "x.y", "four parts": hs256(t, good(nil)) + ".x",
		"not base64": "!.!.!", "not JSON": "eA.eA.eA", "cut": hs256(t, good(nil))[:60], "none in capitals": none,
		"padding":            hs256(t, good(nil)) + "=",
		"huge":               hs256(t, good(jwt.MapClaims{"more": strings.Repeat("x", MaxTokenBytes)})),
		"critical extension": header + "." + body + "." + base64.RawURLEncoding.EncodeToString(signature),
	} {
		if _, refusal := v.Verify(t.Context(), text); wire.CodeOf(refusal) != wire.CodeUnauthorized {
			t.Errorf("%s: %v", name, refusal)
		}
	}
}

func TestParseSecrets(t *testing.T) {
	binary := strings.Repeat("\x00\n\xff ", 8)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"one", secret, []string{secret}},
		{"one with a line end", secret + "\r\n", []string{secret}},
		{"two", secret + "\n\n  second " + secret + "\n", []string{secret, "second " + secret}},
		{"binary", binary, []string{binary}},
		{"binary in its first byte", "\x01" + secret + "\nshort\n", []string{"\x01" + secret + "\nshort\n"}},
		{"short", "short", nil},
		{"one of them short", secret + "\nshort\n", nil},
		{"empty", "\n", nil},
	} {
		keys, err := parseSecrets([]byte(c.text))
		var got []string
		for _, k := range keys {
			got = append(got, string(k.key.([]byte)))
		}
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
}

func TestMint(t *testing.T) {
	v := withSecret(t, nil)
	want := &Token{Subject: "ann", Name: "Ann", Rooms: []string{"r"}, Rights: wire.MayModerate, Expires: time.Now().Add(time.Hour), Meta: json.RawMessage(`{"a":1}`)}
	text, err := Mint([]byte(secret), want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Check(t.Context(), text)
	if err != nil || got.Subject != "ann" || got.Name != "Ann" || got.Rights != wire.MayModerate || !slices.Equal(got.Rooms, want.Rooms) ||
		string(got.Meta) != string(want.Meta) {
		t.Errorf("%+v %v", got, err)
	}
}

// The log says why a token was refused; the client is told the same each time.
func TestReasons(t *testing.T) {
	v := withSecret(t, func(o *Options) { o.Issuer, o.Audience = "them", "us" })
	ours := func(others jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"iss": "them", "aud": "us"}
		maps.Copy(c, others)
		return good(c)
	}
	now := time.Now()
	for _, c := range []struct{ name, token, want string }{
		{"expired", hs256(t, ours(jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()})), "the token has expired"},
		{"not yet valid", hs256(t, ours(jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()})), "the token is not valid yet"},
		{"issuer", hs256(t, ours(jwt.MapClaims{"iss": "others"})), "the token has the wrong issuer"},
		{"audience", hs256(t, ours(jwt.MapClaims{"aud": "others"})), "the token has the wrong audience"},
		{"no exp", hs256(t, ours(jwt.MapClaims{"exp": nil})), "the token lacks the claim exp"},
		{"no issuer", hs256(t, ours(jwt.MapClaims{"iss": nil})), "the token lacks the claim iss"},
		{"no audience", hs256(t, ours(jwt.MapClaims{"aud": nil})), "the token lacks the claim aud"},
		{"signature", sign(t, jwt.SigningMethodHS256, []byte(secret+"x"), "", ours(nil)), "the token's signature is invalid"},
		{"key", sign(t, jwt.SigningMethodEdDSA, newKeysOfAllKinds(t).ed, "blue", ours(nil)), `no key for alg "EdDSA" and kid "blue"`},
		{"form", "opaque", "the token is malformed"},
		{"length", strings.Repeat("x", MaxTokenBytes+1), "the token is longer than 16384 bytes"},
		{"claim", hs256(t, ours(jwt.MapClaims{"sub": 7})), "the claim sub is not a valid value"},
		{"profile", hs256(t, ours(jwt.MapClaims{"meta": strings.Repeat("x", wire.MaxMeta)})), "the claim meta has 1026 bytes, more than 1024"},
	} {
		var r *wire.Refusal
		_, err := v.Verify(t.Context(), c.token)
		if !errors.As(err, &r) || r.Reason != c.want || r.Code != wire.CodeUnauthorized || r.Text != textInvalid || r.Needs != "token" {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	if r := Missing(); r.Reason == "" || r.Code != wire.CodeUnauthorized || r.Needs != "token" {
		t.Errorf("%+v", r)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(hs256(f, good(nil)))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	v := withSecret(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		token, err := v.Check(t.Context(), text)
		if err == nil && (token.Expires.Before(time.Now().Add(-Leeway)) || token.Subject != "" && !wire.ValidID(token.Subject)) {
			t.Errorf("%q gave %+v", text, token)
		}
	})
}
