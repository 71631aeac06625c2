package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
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

// keysOfAllKinds are those that the JWKS of the tests has.
type keysOfAllKinds struct {
	ed  ed25519.PrivateKey
	ec  *ecdsa.PrivateKey
	rsa *rsa.PrivateKey
}

func newKeysOfAllKinds(t testing.TB) (k keysOfAllKinds) {
	t.Helper()
	var err error
	if _, k.ed, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	return k
}

func public(k crypto.Signer, kid, alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Public(), KeyID: kid, Algorithm: alg, Use: "sig"}
}

func jwks(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAlgorithms(t *testing.T) {
	k, other := newKeysOfAllKinds(t), newKeysOfAllKinds(t)
	dir := t.TempDir()
	set := filepath.Join(dir, "jwks.json")
	// A key that is a secret must not be taken from what everybody can read.
	symmetric := jose.JSONWebKey{Key: []byte(secret), KeyID: "secret", Algorithm: "HS256"}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write(t, set, jwks(t, public(small, "small", ""), public(p384, "p384", ""), public(p521, "p521", "ES512"), public(k.ed, "ed", ""), public(k.ec, "ec", "ES256"), public(k.rsa, "rsa", "RS256"), public(k.rsa, "any", ""), symmetric))
	v := newVerifier(t, Options{JWKS: set})
	pem := []byte(base64.StdEncoding.EncodeToString(k.rsa.N.Bytes()))
	for _, c := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		kid    string
		want   bool
	}{
		{"EdDSA", jwt.SigningMethodEdDSA, k.ed, "ed", true},
		{"ES256", jwt.SigningMethodES256, k.ec, "ec", true},
		{"RS256", jwt.SigningMethodRS256, k.rsa, "rsa", true},
		{"PS256 with a key for any", jwt.SigningMethodPS256, k.rsa, "any", true},
		{"no key named", jwt.SigningMethodES256, k.ec, "", true},
		{"PS256 with a key for RS256", jwt.SigningMethodPS256, k.rsa, "rsa", false},
		{"RS384 with a key for any", jwt.SigningMethodRS384, k.rsa, "any", true},
		{"RS512 with a key for any", jwt.SigningMethodRS512, k.rsa, "any", true},
		{"PS512 with a key for any", jwt.SigningMethodPS512, k.rsa, "any", true},
		{"RS384 with a key for RS256", jwt.SigningMethodRS384, k.rsa, "rsa", false},
		{"ES384", jwt.SigningMethodES384, p384, "p384", true},
		{"ES512", jwt.SigningMethodES512, p521, "p521", true},
		{"a key too small for the file", jwt.SigningMethodRS256, small, "small", false},
		{"another key named", jwt.SigningMethodES256, k.ec, "ed", false},
		{"unknown key named", jwt.SigningMethodES256, k.ec, "x", false},
		{"wrong key", jwt.SigningMethodES256, other.ec, "ec", false},
		{"wrong key, EdDSA", jwt.SigningMethodEdDSA, other.ed, "", false},
		{"short key", jwt.SigningMethodRS256, small, "any", false},
		{"none", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "", false},
		{"the public key as a secret", jwt.SigningMethodHS256, pem, "rsa", false},
		{"a secret from the set", jwt.SigningMethodHS256, []byte(secret), "secret", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := v.Check(t.Context(), sign(t, c.method, c.key, c.kid, good(nil))); (err == nil) != c.want {
				t.Errorf("%v", err)
			}
		})
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

func TestBadKeyFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"no.json": "{", "none.json": `{"keys":[]}`, "kinds.json": `{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"x"}]}`, "secret": "short",
	} {
		path := filepath.Join(dir, name)
		write(t, path, text)
		o := Options{JWKS: path}
		if name == "secret" {
			o = Options{SecretFile: path}
		}
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no keys at all were taken")
	}
	if _, err := New(Options{SecretFile: filepath.Join(dir, "missing")}); err == nil {
		t.Error("a file that is not there was taken")
	}
}

// A key that says that it is for something else than signatures is not taken; one that
// says nothing is.
func TestUseOfKeys(t *testing.T) {
	k := public(newKeysOfAllKinds(t).ec, "1", "")
	for use, want := range map[string]bool{"sig": true, "": true, "enc": false} {
		k.Use = use
		if keys, err := parseJWKS([]byte(jwks(t, k))); (err == nil) != want || want != (len(keys) == 1) {
			t.Errorf("use %q: %d keys, %v", use, len(keys), err)
		}
	}
}

// A key set behind a URL is looked at every five minutes, or as often as is asked for.
func TestRefreshInterval(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, -1: 5 * time.Minute, time.Hour: time.Hour} {
		v := newVerifier(t, Options{JWKS: "http://127.0.0.1:1/", Refresh: given})
		if got := v.keys.remote.refresh; got != want {
			t.Errorf("given %s: every %s", given, got)
		}
	}
}

// eventually waits for what a file's change brings about, which is looked for once
// in a while.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * reload.CheckInterval); !is(); time.Sleep(reload.CheckInterval / 10) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// Secrets are changed in flight: first both are good, then the new one alone; a bad
// file changes nothing.
func TestRotation(t *testing.T) {
	var file string
	v := withSecret(t, func(o *Options) { file = o.SecretFile })
	next := "another " + secret
	old, fresh := hs256(t, good(nil)), sign(t, jwt.SigningMethodHS256, []byte(next), "", good(nil))
	is := func(text string, want bool) func() bool {
		return func() bool {
			_, refusal := v.Verify(t.Context(), text)
			return (refusal == nil) == want
		}
	}
	write(t, file, secret+"\n"+next+"\n")
	eventually(t, "the new secret is not taken", is(fresh, true))
	if !is(old, true)() {
		t.Error("the old secret is not taken beside the new one")
	}
	write(t, file, next+"\n")
	eventually(t, "the old secret is still taken", is(old, false))
	write(t, file, "short\n")
	for range 15 {
		time.Sleep(reload.CheckInterval / 10)
		if !is(fresh, true)() {
			t.Fatal("a bad file took the keys away")
		}
	}
}

// A JWKS behind a URL: tokens wait for the first keys, a new key is fetched when a
// token has it, and what was there survives the URL.
func TestURL(t *testing.T) {
	first, second := newKeysOfAllKinds(t), newKeysOfAllKinds(t)
	var up atomic.Bool
	var body atomic.Value
	body.Store(jwks(t, public(first.ec, "1", "")))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(body.Load().(string)))
	}))
	defer server.Close()
	v := newVerifier(t, Options{JWKS: server.URL, Refresh: time.Hour})
	verify := func(k keysOfAllKinds, kid string) error {
		_, refusal := v.Verify(context.Background(), sign(t, jwt.SigningMethodES256, k.ec, kid, good(nil)))
		return refusal
	}
	if r := verify(first, "1"); r == nil || wire.CodeOf(r) != wire.CodeUnavailable {
		t.Errorf("without keys: %v", r)
	}
	up.Store(true)
	eventually(t, "the keys are not fetched once they are there", func() bool { return verify(first, "1") == nil })
	body.Store(jwks(t, public(first.ec, "1", ""), public(second.ec, "2", "")))
	eventually(t, "a new key is not fetched when a token has it", func() bool { return verify(second, "2") == nil })
	up.Store(false)
	if r := verify(first, "1"); r != nil {
		t.Errorf("while the URL is down: %v", r)
	}
	if r := verify(second, "3"); wire.CodeOf(r) != wire.CodeUnauthorized {
		t.Errorf("a key that nobody knows, while the URL is down: %v", r)
	}
}

// The log has neither the user nor the query of the key set's URL.
func TestURLInTheLog(t *testing.T) {
	var up atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if up.Load() {
			_, _ = w.Write([]byte(jwks(t, public(newKeysOfAllKinds(t).ec, "1", ""))))
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close() // so that the error has the URL
		}
	}))
	defer server.Close()
	core, logs := observer.New(zap.InfoLevel)
	v := newVerifier(t, Options{
		JWKS: strings.Replace(server.URL, "//", "//user:hidden@", 1) + "/jwks?key=hidden", Logger: zap.New(core),
	})
	eventually(t, "no failure is logged", func() bool {
		_, _ = v.Verify(t.Context(), "a.b.c")
		return logs.FilterMessage(EventFailed).Len() > 0
	})
	up.Store(true)
	other := sign(t, jwt.SigningMethodES256, newKeysOfAllKinds(t).ec, "1", good(nil))
	eventually(t, "no success is logged", func() bool {
		_, _ = v.Verify(t.Context(), other)
		return logs.FilterMessage(EventReloaded).Len() > 0
	})
	for _, line := range logs.All() {
		fields := line.ContextMap()
		if text := fmt.Sprint(fields); strings.Contains(text, "hidden") || fields["source"] != server.URL+"/jwks" {
			t.Errorf("%s: %s", line.Message, text)
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
