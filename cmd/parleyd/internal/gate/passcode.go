package gate

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn/limit"
)

// HashPasscode makes the hash of a passcode, of 1 to 72 bytes, for a [Rule].
func HashPasscode(passcode string) (string, error) {
	if passcode == "" {
		return "", errors.New("the passcode is empty")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(passcode), bcrypt.DefaultCost)
	return string(hash), err
}

// checkHash reports why text is no hash that can be compared with.
func checkHash(text string) error {
	if strings.HasPrefix(text, "$argon2id$") {
		_, err := parseArgon2(text)
		return err
	}
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil:
		return errors.New("passcode: this is no bcrypt or argon2id hash; parleyd passcode makes one")
	case cost > maxCost:
		return fmt.Errorf("passcode: the hash's cost is %d, more than %d", cost, maxCost)
	}
	return nil
}

// maxCost bounds what one comparison with a bcrypt hash may take: about a second.
const maxCost = 14

// matches reports whether a passcode is the one that was hashed. It takes tens of
// milliseconds of a core, as it should.
func matches(hash, passcode string) bool {
	if strings.HasPrefix(hash, "$argon2id$") {
		a, err := parseArgon2(hash)
		return err == nil && a.matches(passcode)
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(passcode)) == nil
}

// argon2Hash is a hash in the form that the argon2 command prints.
type argon2Hash struct {
	memory, time uint32 // KiB, passes
	threads      uint8
	salt, key    []byte
}

// maxArgon2Memory bounds what one comparison may take, in KiB.
const maxArgon2Memory = 256 << 10

func parseArgon2(text string) (a argon2Hash, err error) {
	errForm := errors.New("passcode: this is no argon2id hash as in $argon2id$v=19$m=65536,t=3,p=4$salt$key")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return a, errForm
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.threads); err != nil {
		return a, errForm
	}
	if a.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return a, errForm
	}
	if a.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return a, errForm
	}
	if a.memory > maxArgon2Memory || a.time < 1 || a.time > 100 || a.threads < 1 || len(a.key) < 16 {
		return a, errors.New("passcode: the parameters of the argon2id hash are out of bounds")
	}
	return a, nil
}

func (a argon2Hash) matches(passcode string) bool {
	key := argon2.IDKey([]byte(passcode), a.salt, a.time, a.memory, a.threads, uint32(len(a.key)))
	return subtle.ConstantTimeCompare(key, a.key) == 1
}

// passcodes compares passcodes, one at a time: it costs a core, and others need it
// too. What was right once is known again without that.
type passcodes struct {
	attempts *limit.Attempts
	turn     chan struct{} // has one free place
	secret   [32]byte      // under which good passcodes are remembered

	mu   sync.Mutex
	good map[[sha256.Size]byte]struct{} // guarded by mu
}

// maxGood is how many good passcodes are remembered: more than there are rules.
const maxGood = 1024

func newPasscodes(a *limit.Attempts) *passcodes {
	p := &passcodes{attempts: a, turn: make(chan struct{}, 1), good: make(map[[sha256.Size]byte]struct{})}
	_, _ = rand.Read(p.secret[:]) // never fails
	return p
}

var (
	errNeedsPasscode = &wire.Refusal{Code: wire.CodeUnauthorized, Text: "this room asks for a passcode", Needs: "passcode"}
	errWrongPasscode = &wire.Refusal{Code: wire.CodeUnauthorized, Text: "this is not the room's passcode", Needs: "passcode"}
	errManyWrong     = &wire.Refusal{Code: wire.CodeRateLimited, Text: "too many wrong passcodes from your address: try again in a while"}
	errBusy          = &wire.Refusal{Code: wire.CodeUnavailable, Text: "too many passcodes are being checked: try again"}
)

// check compares a passcode with the hash of the right one.
func (p *passcodes) check(ctx context.Context, hash, passcode string, remote netip.Addr) error {
	if passcode == "" {
		return errNeedsPasscode
	}
	if !p.attempts.Take(remote, time.Now()) {
		return errManyWrong
	}
	k := p.key(hash, passcode)
	if !p.known(k) {
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			p.attempts.Right(remote) // nobody has looked
			return errBusy
		}
		right := matches(hash, passcode)
		<-p.turn
		if !right {
			return errWrongPasscode
		}
		p.remember(k)
	}
	p.attempts.Right(remote)
	return nil
}

func (p *passcodes) key(hash, passcode string) (k [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.secret[:])
	fmt.Fprintf(mac, "%d %s%s", len(hash), hash, passcode)
	mac.Sum(k[:0])
	return k
}

func (p *passcodes) known(k [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.good[k]
	return known
}

func (p *passcodes) remember(k [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.good) >= maxGood {
		clear(p.good)
	}
	p.good[k] = struct{}{}
}
