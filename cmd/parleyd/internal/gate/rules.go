package gate

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub/wire"
)

// Rule is what holds for a room, or for those whose names begin alike.
type Rule struct {
	MaxMembers int    // 0: as many as any room
	Token      Need   // whether a join needs a token
	Passcode   string // hash of what a join without a good token needs; empty: nothing
}

// Need says whether something is needed.
type Need string

// Needs are how a rule may treat tokens.
const (
	AsElsewhere Need = ""
	Required    Need = "required"
	Optional    Need = "optional"
)

// Rules are by the room's name, or a prefix of it that ends in "*".
type Rules map[string]Rule

// For returns the rule for a room: that of its name, else that of the longest
// prefix.
func (r Rules) For(room string) Rule {
	if rule, exact := r[room]; exact {
		return rule
	}
	if len(r) == 0 {
		return Rule{}
	}
	for n := len(room); n >= 0; n-- {
		if rule, found := r[room[:n]+"*"]; found {
			return rule
		}
	}
	return Rule{}
}

// NormalPattern returns a room's name, or a prefix that ends in *, in the normal form
// that rooms have, see [wire.NormalRoom].
func NormalPattern(pattern string) string {
	prefix, open := strings.CutSuffix(pattern, "*")
	prefix = string(wire.Normal([]byte(prefix)))
	if open {
		return prefix + "*"
	}
	return prefix
}

// tokenOptional reports whether a join can do without a token.
func (r Rule) tokenOptional(elsewhere bool) bool {
	if r.Token == AsElsewhere {
		return elsewhere
	}
	return r.Token == Optional
}

// Check finds what is wrong with the rules; tokens says whether they can be checked
// at all.
func (r Rules) Check(tokens bool) error {
	for name, rule := range r {
		if err := rule.check(name, tokens); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

func (r Rule) check(name string, tokens bool) error {
	prefix, open := strings.CutSuffix(name, "*")
	switch {
	case !wire.ValidRoom(name) && !(open && len(prefix) <= wire.MaxRoom && utf8.ValidString(prefix)):
		return fmt.Errorf("is neither a room's name nor a prefix that ends in *")
	case r.MaxMembers < 0:
		return fmt.Errorf("max-members: %d is less than 0", r.MaxMembers)
	case r.Token != AsElsewhere && r.Token != Required && r.Token != Optional:
		return fmt.Errorf("token: %q is not required or optional", string(r.Token))
	case r.Token == Required && !tokens:
		return fmt.Errorf("token: set auth-secret-file or auth-jwks, to check tokens with")
	case r.Token == Required && r.Passcode != "":
		return fmt.Errorf("a passcode is for joins without a token, and here all need one")
	case r.Passcode == "":
		return nil
	}
	return checkHash(r.Passcode)
}
