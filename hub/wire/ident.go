package wire

import (
	"unicode"
	"unicode/utf8"
)

// Limits of the strings in an envelope, in bytes of UTF-8.
const (
	MaxRoom = 128
	MaxID   = 64
	MaxName = 64
	MaxRef  = 64
	MaxMeta = 1024 // of JSON
)

// MaxDepth is how deep arrays and objects may nest in a message; the message
// itself is level 1.
const MaxDepth = 1000

// ValidRoom reports whether b can be a room's name: 1 to [MaxRoom] bytes,
// printable, no white space at either end.
func ValidRoom[T ~string | ~[]byte](b T) bool { return validText(string(b), MaxRoom) }

// ValidID reports whether b can be a member's id: 1 to [MaxID] bytes,
// printable, no white space at either end.
func ValidID[T ~string | ~[]byte](b T) bool { return validText(string(b), MaxID) }

// ValidName reports whether b can be a nickname: 1 to [MaxName] bytes,
// printable, no white space at either end.
func ValidName[T ~string | ~[]byte](b T) bool { return validText(string(b), MaxName) }

// validText accepts letters, marks, numbers, punctuation, symbols and the
// space. What is left out by that are controls, line breaks, and the invisible
// characters that turn or hide text.
func validText(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			return false
		}
		i += size
	}
	return true
}
