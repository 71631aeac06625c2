package credential

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "a secret of 32 bytes or more, for these tests"

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// minted returns a token with these claims.
func minted(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestNone(t *testing.T) {
	s, err := New(Options{TTL: time.Hour})
	if s != nil || err != nil || s.Passcode() != "" || s.Token(1, "r", "a") != (Token{}) {
		t.Errorf("%v, %v", s, err)
	}
	s, err = New(Options{Passcode: "p"})
	if err != nil || s.Passcode() != "p" || s.Token(1, "r", "a") != (Token{}) {
		t.Errorf("%v, %v", s, err)
	}
}

// A signed token is for its member and room, expires in time, and is renewed before.
func TestSigned(t *testing.T) {
	for name, text := range map[string]string{"one": secret, "lines": "\n  " + secret + "\r\nanother secret that is long enough, too\n"} {
		s, err := New(Options{SecretFile: file(t, text), TTL: time.Minute})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := s.Token(3, "soak-1", "soak-1-2")
		claims := jwt.MapClaims{}
		_, err = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired()).
			ParseWithClaims(got.Text, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil })
		if err != nil || claims["sub"] != "soak-1-2" || claims["room"] != "soak-1" {
			t.Errorf("%s: %v, %v", name, claims, err)
		}
		left, renew := time.Until(got.Expires), got.Expires.Sub(got.Renew)
		if left > time.Minute || left < 50*time.Second || renew != 12*time.Second {
			t.Errorf("%s: it expires in %v, and is renewed %v before", name, left, renew)
		}
	}
	binary := "\x00\xff\n" + secret
	s, err := New(Options{SecretFile: file(t, binary), TTL: time.Minute})
	if err != nil || string(s.secret) != binary {
		t.Errorf("of a file that is no text: %q, %v", s.secret, err)
	}
}

// Tokens of a file are taken in turn, and one is for all.
func TestTokenFile(t *testing.T) {
	hour := time.Now().Add(time.Hour).Unix()
	a, b := minted(t, jwt.MapClaims{"exp": hour, "room": []string{"x", "soak-*"}}), minted(t, jwt.MapClaims{"name": "b", "room": "*"})
	s, err := New(Options{TokenFile: file(t, "\n"+a+"\r\n\n "+b+"\n")})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{a, b, a, b} {
		if got := s.Token(n, "r", "x").Text; got != want {
			t.Errorf("member %d has %q", n, got)
		}
	}
	if got := s.Token(1, "r", "x"); !got.Renew.IsZero() || !got.Expires.IsZero() {
		t.Errorf("a token that does not expire: %+v", got)
	}
	if s, err = New(Options{TokenFile: file(t, a)}); err != nil || s.Token(7, "r", "x").Text != a {
		t.Errorf("one for all: %v", err)
	}
}

// A file of tokens is read again when it is time to renew them, and not before; one
// that can't be read leaves the old tokens in force.
func TestFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := func(name string, d time.Duration) string {
			return minted(t, jwt.MapClaims{"name": name, "exp": time.Now().Add(d).Unix()})
		}
		first, second := token("first", 100*time.Second), token("second", 200*time.Second)
		path := file(t, first)
		s, err := New(Options{TokenFile: path})
		if err != nil {
			t.Fatal(err)
		}
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("gone bad")
		for _, c := range []struct {
			after time.Duration
			text  string
			want  string
		}{{70 * time.Second, "gone bad", first}, {15 * time.Second, "gone bad", first}, {2 * time.Second, second, second}} {
			time.Sleep(c.after)
			write(c.text)
			if got := s.Token(0, "r", "x").Text; got != c.want {
				t.Errorf("after %v: another token", c.after)
			}
		}
	})
}

// Files that can't be used are refused in a line that says why.
func TestBadFiles(t *testing.T) {
	hour := time.Now().Add(time.Hour).Unix()
	good := minted(t, jwt.MapClaims{"exp": hour})
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"no such token file":  {Options{TokenFile: "/no/such"}, "token-file: open /no/such"},
		"no such secret file": {Options{SecretFile: "/no/such", TTL: time.Hour}, "auth-secret-file: open /no/such"},
		"both":                {Options{TokenFile: file(t, good), SecretFile: file(t, secret), TTL: time.Hour}, "token-file and auth-secret-file: only one"},
		"empty tokens":        {Options{TokenFile: file(t, "\n \n")}, "there is no token in it"},
		"no token":            {Options{TokenFile: file(t, good+"\nhello\n")}, "line 2: that is no token"},
		"not quite a token":   {Options{TokenFile: file(t, "a.b.c")}, "line 1: that is no token"},
		"expired":             {Options{TokenFile: file(t, minted(t, jwt.MapClaims{"exp": 1}))}, "has expired at 1970-01-01T00:00:01Z"},
		"no time":             {Options{TokenFile: file(t, minted(t, jwt.MapClaims{"exp": "soon"}))}, "exp is not a time"},
		"somebody's":          {Options{TokenFile: file(t, minted(t, jwt.MapClaims{"exp": hour, "sub": "ann"}))}, `for the member "ann" alone`},
		"another room's":      {Options{TokenFile: file(t, minted(t, jwt.MapClaims{"exp": hour, "room": "garden"}))}, `for the room "garden"`},
		"other rooms'":        {Options{TokenFile: file(t, minted(t, jwt.MapClaims{"exp": hour, "room": []string{"soak-", "soap-*"}}))}, `it must have no room, or "soak-*"`},
		"an empty secret":     {Options{SecretFile: file(t, "\n\n"), TTL: time.Hour}, "there is no secret in it"},
		"a short secret":      {Options{SecretFile: file(t, secret+"\nshort\n"), TTL: time.Hour}, "a secret has 5 bytes, fewer than 32"},
		"a short time":        {Options{SecretFile: file(t, secret), TTL: time.Millisecond}, "token-ttl: at least 1s"},
	} {
		_, err := New(c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
