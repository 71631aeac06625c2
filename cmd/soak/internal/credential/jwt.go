package credential

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// minSecret is the shortest secret that servers take, in bytes: as long as the output
// of the shortest hash (RFC 7518, 3.2).
const minSecret = 32

// readSecret returns the first secret of a file. There is one a line; a file that is
// no text is one secret. Servers that read it refuse it if any is too short.
func readSecret(path string) (first []byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := [][]byte{text}
	if isText(text) {
		lines = bytes.Split(text, []byte("\n"))
	}
	for _, line := range lines {
		if isText(line) {
			line = bytes.TrimSpace(line)
		}
		switch {
		case len(line) == 0:
			continue
		case len(line) < minSecret:
			return nil, fmt.Errorf("%s: a secret has %d bytes, fewer than %d", path, len(line), minSecret)
		case first == nil:
			first = line
		}
	}
	if first == nil {
		return nil, fmt.Errorf("%s: there is no secret in it", path)
	}
	return first, nil
}

func isText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0
}

// sign makes a token for a member of a room.
func (s *Source) sign(room, id string, now time.Time) Token {
	expires := now.Add(s.ttl)
	claims := jwt.MapClaims{"sub": id, "room": room, "exp": float64(expires.UnixMilli()) / 1000}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.secret)
	if err != nil {
		panic(err) // strings and a number can be encoded, and any bytes are a key
	}
	return lasting(text, now, expires)
}

// parse reads when a token expires, and refuses one that members here can't use. Only
// the server can check its signature.
func parse(text string, now time.Time) (Token, error) {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(text, claims); err != nil {
		return Token{}, errors.New("that is no token (JWT)")
	}
	expires, err := claims.GetExpirationTime()
	switch {
	case err != nil:
		return Token{}, errors.New("the token's exp is not a time")
	case expires == nil:
		expires = &jwt.NumericDate{}
	case !expires.After(now):
		return Token{}, fmt.Errorf("the token has expired at %s", expires.UTC().Format(time.RFC3339))
	}
	if sub, _ := claims["sub"].(string); sub != "" {
		return Token{}, fmt.Errorf("the token is for the member %q alone, and members have other names here: "+
			"it must have no sub, or soak signs tokens itself with auth-secret-file", sub)
	}
	if room, has := claims["room"]; has && !covers(room) {
		return Token{}, fmt.Errorf("the token is for the room %q, and rooms have other names here: it must have no room, or \"%s*\"", room, RoomPrefix)
	}
	return lasting(text, now, expires.Time), nil
}

// covers reports whether a claim of rooms lets its bearer into all of soak's.
func covers(claim any) bool {
	list, ok := claim.([]any)
	if !ok {
		list = []any{claim}
	}
	for _, pattern := range list {
		text, _ := pattern.(string)
		if prefix, ok := strings.CutSuffix(text, "*"); ok && strings.HasPrefix(RoomPrefix, prefix) {
			return true
		}
	}
	return false
}
