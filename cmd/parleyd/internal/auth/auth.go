// Package auth checks the tokens (JWT, RFC 7519) that members join with: signed
// with a secret that a token server shares, or with a key whose public half stands
// in a JWKS (RFC 7517), a file or a URL. Which algorithms are taken is settled by
// the key, never by the token. Nothing of a token is ever logged.
package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// Leeway is how far the clocks of whoever signs tokens and of this server may be
// apart.
const Leeway = 30 * time.Second

// MaxTokenBytes is the longest token that is looked at.
const MaxTokenBytes = 16 << 10

// Options say whose tokens are taken. SecretFile or JWKS must be there.
type Options struct {
	SecretFile string // with one secret a line, of at least 32 bytes: HS256, HS384, HS512
	JWKS       string // file or http(s) URL: EdDSA, ES256/384/512, RS256/384/512, PS256/384/512
	Issuer     string // what iss must be; empty: anything
	Audience   string // what aud must have; empty: anything

	Refresh time.Duration // time between two looks at a JWKS behind a URL; 0: 5 minutes
	Logger  *zap.Logger   // nil: none
}

// Verifier checks tokens. Its methods may be called from any goroutine.
type Verifier struct {
	keys   *keys
	parser *jwt.Parser
}

// Token is what a valid token says.
type Token struct {
	Subject string   // the member's id; empty: any
	Name    string   // the nickname; empty: any
	Rooms   []string // names, or prefixes that end in "*"; nil: any
	Rights  wire.Rights
	Expires time.Time // Leeway not included

	// Meta is the profile, at most [wire.MaxMeta] bytes; null: none; nil: the member
	// has the choice.
	Meta json.RawMessage
}

// New reads the keys. The error is for people; a URL that can't be reached is
// none: it is tried again. Close ends what New starts.
func New(o Options) (*Verifier, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Refresh <= 0 {
		o.Refresh = 5 * time.Minute
	}
	if o.SecretFile == "" && o.JWKS == "" {
		return nil, errors.New("auth: there is neither a file with secrets nor a key set")
	}
	k, err := newKeys(o)
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{
		jwt.WithLeeway(Leeway), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	}
	if o.Issuer != "" {
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		options = append(options, jwt.WithAudience(o.Audience))
	}
	return &Verifier{keys: k, parser: jwt.NewParser(options...)}, nil
}

// Close stops looking for new keys.
func (v *Verifier) Close() { v.keys.close() }

// Verify checks a token. The error is a [*wire.Refusal]: unauthorized, or
// unavailable while there are no keys. It may wait some seconds for keys, until ctx
// is done.
func (v *Verifier) Verify(ctx context.Context, text string) (*Token, error) {
	t, err := v.Check(ctx, text)
	if err != nil {
		return nil, refusalOf(err)
	}
	return t, nil
}

// Check is Verify for those who sign tokens: the error says what is wrong with it.
func (v *Verifier) Check(ctx context.Context, text string) (*Token, error) {
	if len(text) > MaxTokenBytes {
		return nil, errTooLong
	}
	claims := jwt.MapClaims{}
	_, err := v.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		if _, has := t.Header["crit"]; has {
			return nil, errCritical
		}
		return v.keys.of(ctx, t)
	})
	if err != nil {
		return nil, err
	}
	t, err := read(claims)
	if err != nil {
		return nil, err
	}
	return t, t.readMeta(text)
}

// readMeta takes the claim meta, byte for byte but for white space.
func (t *Token) readMeta(text string) error {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		return err
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	meta, has := claims["meta"]
	if !has {
		return nil
	}
	if t.Meta, err = CompactMeta(meta); err != nil {
		return &claimError{"meta", err.Error()}
	}
	return nil
}

// CompactMeta returns a profile without its white space. The error goes on after the
// profile's name: it is not JSON, is not UTF-8, or has more than [wire.MaxMeta]
// bytes.
func CompactMeta(meta []byte) (json.RawMessage, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, meta); err != nil {
		return nil, errors.New("is not JSON")
	}
	switch {
	case !utf8.Valid(meta):
		return nil, errors.New("is not UTF-8")
	case out.Len() > wire.MaxMeta:
		return nil, fmt.Errorf("has %d bytes, more than %d", out.Len(), wire.MaxMeta)
	}
	return out.Bytes(), nil
}

// read takes from the claims what a member needs.
func read(claims jwt.MapClaims) (*Token, error) {
	t := &Token{Rights: wire.DefaultRights}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return nil, err
	}
	t.Expires = expires.Time
	if t.Subject, err = text(claims, "sub", wire.NormalID[string]); err != nil {
		return nil, err
	}
	if t.Name, err = text(claims, "name", wire.NormalName[string]); err != nil {
		return nil, err
	}
	if t.Rooms, err = list(claims, "room"); err != nil {
		return nil, err
	}
	if _, one := claims["rights"].(string); one {
		return nil, &claimError{"rights", "is not an array"}
	}
	rights, err := list(claims, "rights")
	if err != nil {
		return nil, err
	}
	if rights != nil {
		t.Rights = wire.ParseRights(rights)
	}
	return t, nil
}

// text returns a claim that is a string of a kind, in its normal form; "" where it is
// absent.
func text(claims jwt.MapClaims, name string, normal func(string) (string, bool)) (string, error) {
	value, has := claims[name]
	if !has {
		return "", nil
	}
	s, ok := value.(string)
	if ok {
		s, ok = normal(s)
	}
	if !ok {
		return "", &claimError{name, "is not a valid value"}
	}
	return s, nil
}

// list returns a claim that is a string or an array of strings; nil where it is
// absent.
func list(claims jwt.MapClaims, name string) ([]string, error) {
	value, has := claims[name]
	if !has {
		return nil, nil
	}
	all, ok := value.([]any)
	if !ok {
		all = []any{value}
	}
	texts := make([]string, 0, len(all))
	for _, one := range all {
		s, ok := one.(string)
		if !ok {
			return nil, &claimError{name, "is not a string or an array of strings"}
		}
		texts = append(texts, s)
	}
	return texts, nil
}

// Admits reports whether the token is good for a room.
func (t *Token) Admits(room string) bool {
	if t.Rooms == nil {
		return true
	}
	for _, r := range t.Rooms {
		prefix, open := strings.CutSuffix(r, "*")
		prefix = string(wire.Normal([]byte(prefix)))
		if prefix == room && !open || r == room || open && strings.HasPrefix(room, prefix) {
			return true
		}
	}
	return false
}

// Mint signs a token with a secret (HS256), for trying out.
func Mint(secret []byte, t *Token) (string, error) {
	claims := jwt.MapClaims{"exp": t.Expires.Unix(), "rights": t.Rights.Names()}
	for name, value := range map[string]string{"sub": t.Subject, "name": t.Name} {
		if value != "" {
			claims[name] = value
		}
	}
	if t.Rooms != nil {
		claims["room"] = t.Rooms
	}
	if t.Meta != nil {
		claims["meta"] = t.Meta
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
}
