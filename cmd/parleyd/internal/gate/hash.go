package gate

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// maxPasscode is the longest passcode in bytes: bcrypt looks at no more.
const maxPasscode = 72

// maxCost bounds what one comparison with a bcrypt hash takes: about a second.
const maxCost = 14

// HashPasscode returns the bcrypt hash of a passcode, of 1 to 72 bytes, for a [Rule].
func HashPasscode(passcode string) (string, error) {
	if passcode == "" {
		return "", errors.New("the passcode is empty")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(passcode), bcrypt.DefaultCost)
	return string(hash), err
}

// checkHash reports why text is no hash that can be compared with.
func checkHash(text string) error {
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil:
		return errors.New("passcode: this is no bcrypt hash; parleyd passcode makes one")
	case cost > maxCost:
		return fmt.Errorf("passcode: the hash's cost is %d, more than %d", cost, maxCost)
	}
	return nil
}

// matches reports whether a passcode is the one that was hashed. It takes tens of
// milliseconds of a core, as it should.
func matches(hash, passcode string) bool {
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(passcode)) == nil
}
