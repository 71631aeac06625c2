// Package credential is what members show to be let in, where a server asks for
// it: tokens (JWT) that are given in a file, or signed here with the server's secret,
// and the passcode of the rooms.
package credential

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// RoomPrefix is what the names of all rooms begin with.
const RoomPrefix = "soak-"

// MinTTL is the shortest time that a token can be signed for.
const MinTTL = time.Second

// Options say where credentials come from. At most one of TokenFile and SecretFile may
// be set.
type Options struct {
	TokenFile  string        // one token for all, or one a line for members in turn
	SecretFile string        // one secret a line, as the daemon's; tokens are signed with the first
	TTL        time.Duration // that tokens are signed for
	Passcode   string
}

// Source has a credential for each member. Its methods may be called from any
// goroutine, and on nil: then there are none.
type Source struct {
	passcode string
	secret   []byte // nil: tokens are not signed here
	ttl      time.Duration
	file     string // with tokens; empty: none

	mu     sync.Mutex // guards what follows
	tokens []Token    // of the file
	read   time.Time  // when it was read
}

// Token is a JWT, and when it is to be renewed.
type Token struct {
	Text    string    // empty: none
	Renew   time.Time // zero: never
	Expires time.Time // zero: never
}

// renewAfter is the part of a token's time after which it is renewed.
const renewAfter = .8

// lasting returns a token with its times.
func lasting(text string, from, expires time.Time) Token {
	t := Token{Text: text, Expires: expires}
	if !expires.IsZero() {
		t.Renew = from.Add(time.Duration(renewAfter * float64(expires.Sub(from))))
	}
	return t
}

// New reads the files. It returns nil where there are no credentials, and an error that
// begins with the flag's name.
func New(o Options) (*Source, error) {
	s := &Source{passcode: o.Passcode, file: o.TokenFile, ttl: o.TTL}
	var err error
	switch {
	case o.TokenFile != "" && o.SecretFile != "":
		return nil, errors.New("token-file and auth-secret-file: only one of them")
	case o.TokenFile != "":
		s.read = time.Now()
		if s.tokens, err = readTokens(o.TokenFile, s.read); err != nil {
			return nil, fmt.Errorf("token-file: %w", err)
		}
	case o.SecretFile != "" && o.TTL < MinTTL:
		return nil, fmt.Errorf("token-ttl: at least %s", MinTTL)
	case o.SecretFile != "":
		if s.secret, err = readSecret(o.SecretFile); err != nil {
			return nil, fmt.Errorf("auth-secret-file: %w", err)
		}
	case o.Passcode == "":
		return nil, nil
	}
	return s, nil
}

// Passcode returns the passcode; empty: none.
func (s *Source) Passcode() string {
	if s == nil {
		return ""
	}
	return s.passcode
}

// Token returns the token for a member: a new one where they are signed here, or the
// n-th of the file, which is read again when it is time to renew that one.
func (s *Source) Token(n int, room, id string) Token {
	switch {
	case s == nil:
		return Token{}
	case s.secret != nil:
		return s.sign(room, id, time.Now())
	case s.file == "":
		return Token{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t := s.tokens[n%len(s.tokens)]; !t.Renew.IsZero() && now.After(t.Renew) && now.Sub(s.read) >= time.Second {
		s.read = now
		if fresh, err := readTokens(s.file, now); err == nil { // else the old ones stay in force
			s.tokens = fresh
		}
	}
	return s.tokens[n%len(s.tokens)]
}

// readTokens reads a file with a token a line.
func readTokens(path string, now time.Time) (list []Token, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		t, err := parse(line, now)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		list = append(list, t)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: there is no token in it", path)
	}
	return list, nil
}
