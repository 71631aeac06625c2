package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// A token of MaxTokenBytes is looked at, a longer one is not.
func TestLongestToken(t *testing.T) {
	v := withSecret(t, nil)
	for n := MaxTokenBytes / 2; ; n++ {
		text := hs256(t, good(jwt.MapClaims{"x": strings.Repeat("x", n)}))
		_, err := v.Check(t.Context(), text)
		if len(text) > MaxTokenBytes {
			if !errors.Is(err, errTooLong) {
				t.Errorf("%d bytes: %v", len(text), err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", len(text), err)
		}
		if len(text) < MaxTokenBytes-8 {
			n += (MaxTokenBytes - 8 - len(text)) / 2
		}
	}
}
