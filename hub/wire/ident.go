package wire

import "fmt"

// Limits of the strings in an envelope, in bytes of UTF-8.
const (
	MaxRoom    = 128
	MaxID      = 64
	MaxName    = 64
	MaxRef     = 64
	MaxSession = 64
	MaxMeta    = 1024 // of JSON
)

// MaxDepth is how deep arrays and objects may nest in a message; the message
// itself is level 1.
const MaxDepth = 1000

// NormalRoom returns the normal form of a room's name, and whether it is one: 1 to
// [MaxRoom] bytes of visible text without a space at either end. Two spellings of
// one text have the same normal form. Upper and lower case differ.
func NormalRoom[T ~string | ~[]byte](s T) (room string, ok bool) { return normalText(s, MaxRoom) }

// NormalID returns the normal form of a member's id, and whether it is one: as a
// room's name, but at most [MaxID] bytes.
func NormalID[T ~string | ~[]byte](s T) (id string, ok bool) { return normalText(s, MaxID) }

// NormalName returns the normal form of a nickname, and whether it is one: as a
// room's name, but at most [MaxName] bytes.
func NormalName[T ~string | ~[]byte](s T) (name string, ok bool) { return normalText(s, MaxName) }

// ValidRoom reports whether s can be a room's name, in whatever form: see
// [NormalRoom].
func ValidRoom[T ~string | ~[]byte](s T) bool { return validText(s, MaxRoom) }

// ValidID reports whether s can be a member's id, in whatever form: see
// [NormalID].
func ValidID[T ~string | ~[]byte](s T) bool { return validText(s, MaxID) }

// ValidName reports whether s can be a nickname, in whatever form: see
// [NormalName].
func ValidName[T ~string | ~[]byte](s T) bool { return validText(s, MaxName) }

func normalText[T ~string | ~[]byte](s T, limit int) (string, bool) {
	text, f, _ := checkText([]byte(s), limit)
	return string(text), f == noFault
}

func validText[T ~string | ~[]byte](s T, limit int) bool {
	_, f, _ := checkText([]byte(s), limit)
	return f == noFault
}

// kind is one of the three things that have a name, for errors.
type kind struct {
	limit         int
	length, space *Refusal
	code          Code
	what          string
}

func newKind(code Code, what string, limit int) *kind {
	return &kind{
		limit: limit, code: code, what: what,
		length: &Refusal{Code: code, Text: fmt.Sprintf("%s has 1 to %d bytes", what, limit)},
		space:  &Refusal{Code: code, Text: what + " has no space at either end"},
	}
}

var (
	aRoom = newKind(CodeInvalidRoom, "a room name", MaxRoom)
	anID  = newKind(CodeInvalidID, "an id", MaxID)
	aName = newKind(CodeInvalidName, "a nickname", MaxName)
)

// normal puts the field into its normal form, or says what is wrong with it.
func (k *kind) normal(field *[]byte) *Refusal {
	text, f, bad := checkText(*field, k.limit)
	switch {
	case f == noFault:
		*field = text
		return nil
	case f == faultLength:
		return k.length
	case f == faultSpace:
		return k.space
	case bad < 0:
		return &Refusal{Code: k.code, Text: k.what + " is valid UTF-8"}
	}
	return &Refusal{Code: k.code, Text: fmt.Sprintf("%s cannot contain %U there: it is invisible, or cannot be shown", k.what, bad)}
}
