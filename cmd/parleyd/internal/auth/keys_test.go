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
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
	"github.com/parley-rtc/parley/hub/wire"
)

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
