package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/redact"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/reload"
)

// MinSecretBytes is the shortest secret: as long as the output of the shortest
// hash (RFC 7518, 3.2).
const MinSecretBytes = 32

// key is a key with its id and the algorithms that it may be used with.
type key struct {
	id   string   // kid; empty: none
	algs []string // names of the algorithms (RFC 7518) that it may be used with
	key  any
}

// keys are all keys that there are.
type keys struct {
	secrets *reload.Value[[]key] // nil: no secrets
	file    *reload.Value[[]key] // of a JWKS; nil: not from a file
	remote  *remote              // of a JWKS; nil: not from a URL
}

// The events that this package logs.
const (
	EventReloaded = "keys reloaded"     // file or URL, keys
	EventFailed   = "keys not reloaded" // file or URL, error: the old ones stay in force
)

func newKeys(o Options) (*keys, error) {
	k := new(keys)
	var err error
	if o.SecretFile != "" {
		if k.secrets, err = fromFile(o.SecretFile, parseSecrets, o.Logger); err != nil {
			return nil, fmt.Errorf("auth-secret-file: %w", err)
		}
	}
	switch {
	case o.JWKS == "":
	case isURL(o.JWKS):
		k.remote = newRemote(o, nil)
	default:
		if k.file, err = fromFile(o.JWKS, parseJWKS, o.Logger); err != nil {
			return nil, fmt.Errorf("auth-jwks: %w", err)
		}
	}
	return k, nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func (k *keys) close() {
	if k.remote != nil {
		k.remote.close()
	}
}

// fromFile reads keys from a file, again whenever it has changed.
func fromFile(file string, parse func([]byte) ([]key, error), log *zap.Logger) (*reload.Value[[]key], error) {
	load := func() ([]key, error) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return all, nil
	}
	return reload.New(load, func(all []key, err error) { logLoaded(log, file, all, err) }, file)
}

func logLoaded(log *zap.Logger, source string, all []key, err error) {
	if err != nil {
		log.Error(EventFailed, zap.String("source", redact.URL(source)), zap.String("error", redact.Error(err)))
		return
	}
	log.Info(EventReloaded, zap.String("source", redact.URL(source)), zap.Int("keys", len(all)))
}

// ReadSecrets returns the secrets in a file, the first first.
func ReadSecrets(file string) ([][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all, err := parseSecrets(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	secrets := make([][]byte, len(all))
	for i, k := range all {
		secrets[i] = k.key.([]byte)
	}
	return secrets, nil
}

// parseSecrets reads a file with a secret a line, so that an old and a new one can
// be good at the same time. A file that is no text is one secret.
func parseSecrets(text []byte) ([]key, error) {
	lines := [][]byte{text}
	if isText(text) {
		lines = bytes.Split(text, []byte("\n"))
	}
	var all []key
	for _, line := range lines {
		if isText(line) {
			line = bytes.TrimSpace(line)
		}
		switch {
		case len(line) == 0:
			continue
		case len(line) < MinSecretBytes:
			return nil, fmt.Errorf("a secret has %d bytes, fewer than %d", len(line), MinSecretBytes)
		}
		all = append(all, key{algs: []string{"HS256", "HS384", "HS512"}, key: line})
	}
	if len(all) == 0 {
		return nil, errors.New("there is no secret in it")
	}
	return all, nil
}

func isText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0
}

// of finds the keys that a token may have been signed with.
func (k *keys) of(ctx context.Context, t *jwt.Token) (any, error) {
	alg, _ := t.Header["alg"].(string)
	id, _ := t.Header["kid"].(string)
	if k.secrets != nil {
		if found := matching(k.secrets.Get(), alg, ""); len(found.Keys) > 0 {
			return found, nil
		}
	}
	var all []key
	switch {
	case k.file != nil:
		all = k.file.Get()
	case k.remote != nil:
		var err error
		if all, err = k.remote.get(ctx, func(all []key) bool { return len(matching(all, alg, id).Keys) > 0 }); err != nil {
			return nil, err
		}
	}
	found := matching(all, alg, id)
	if len(found.Keys) == 0 {
		return nil, &noKeyError{alg, id}
	}
	return found, nil
}

// matching returns the keys for an algorithm and, where the token names one, of an
// id. Keys without an id are good for any.
func matching(all []key, alg, id string) (set jwt.VerificationKeySet) {
	for _, k := range all {
		if slices.Contains(k.algs, alg) && (id == "" || k.id == "" || k.id == id) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	return set
}
