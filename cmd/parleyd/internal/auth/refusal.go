package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parley-rtc/parley/hub/wire"
)

// Texts about tokens for clients. The reason why a token is invalid is for the log: only its
// issuer can do something about it.
const (
	textMissing = "this server asks for a token"
	textInvalid = "the token is invalid or has expired"
	textNoKeys  = "the server has no keys to check tokens with at the moment: try again"
)

var (
	errTooLong     = fmt.Errorf("the token is longer than %d bytes", MaxTokenBytes)
	errCritical    = errors.New("the token's header has critical extensions")
	errUnavailable = errors.New("the key set has not been fetched yet")
)

// Missing refuses a join without a token.
func Missing() *wire.Refusal {
	return &wire.Refusal{Code: wire.CodeUnauthorized, Text: textMissing, Needs: "token", Reason: "the token is missing"}
}

// claimError is a claim whose value can't be used.
type claimError struct{ claim, fault string }

func (e *claimError) Error() string { return "the claim " + e.claim + " " + e.fault }

// noKeyError is a token for which there is no key.
type noKeyError struct{ alg, kid string }

func (e *noKeyError) Error() string {
	return fmt.Sprintf("no key for alg %q and kid %q", head(e.alg), head(e.kid))
}

// head bounds what of a client's text gets into a log line.
func head(s string) string { return s[:min(len(s), 64)] }

// refusalOf returns the refusal for an error of [Verifier.Check].
func refusalOf(err error) *wire.Refusal {
	if errors.Is(err, errUnavailable) {
		return &wire.Refusal{Code: wire.CodeUnavailable, Text: textNoKeys, Reason: errUnavailable.Error()}
	}
	return &wire.Refusal{Code: wire.CodeUnauthorized, Text: textInvalid, Needs: "token", Reason: reasonOf(err)}
}

// reasonOf says why a token is invalid, without anything of the token but the names
// of its key and algorithm.
func reasonOf(err error) string {
	var (
		claim *claimError
		noKey *noKeyError
	)
	switch {
	case errors.As(err, &claim):
		return claim.Error()
	case errors.As(err, &noKey):
		return noKey.Error()
	case errors.Is(err, errTooLong):
		return errTooLong.Error()
	case errors.Is(err, errCritical):
		return errCritical.Error()
	}
	if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
		for _, claim := range []string{"exp", "iss", "aud"} {
			if strings.Contains(err.Error(), claim+" claim is required") {
				return "the token lacks the claim " + claim
			}
		}
	}
	for _, known := range []struct {
		err    error
		reason string
	}{
		{jwt.ErrTokenExpired, "the token has expired"},
		{jwt.ErrTokenNotValidYet, "the token is not valid yet"},
		{jwt.ErrTokenInvalidIssuer, "the token has the wrong issuer"},
		{jwt.ErrTokenInvalidAudience, "the token has the wrong audience"},
		{jwt.ErrTokenSignatureInvalid, "the token's signature is invalid"},
		{jwt.ErrTokenMalformed, "the token is malformed"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return "the token is invalid"
}
