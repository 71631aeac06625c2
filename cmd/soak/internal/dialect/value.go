package dialect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The skip functions return the offset behind what begins at i; -1: it is not JSON.

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue skips any value. Depth is how many objects and arrays are open around it.
func skipValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		if depth >= maxDepth {
			return -1
		}
		return skipMembers(b, i, depth+1)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

// skipMembers skips the object or array that begins at i.
func skipMembers(b []byte, i, depth int) int {
	object := b[i] == '{'
	closing := b[i] + 2 // in ASCII both closing brackets stand two behind theirs
	if i = space(b, i+1); i < len(b) && b[i] == closing {
		return i + 1
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return -1
			}
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if i = space(b, i); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = space(b, i+1)
		}
		if i = skipValue(b, i, depth); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case closing:
			return i + 1
		default:
			return -1
		}
	}
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits skips one digit at least.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// skipString skips the string whose quote is at i.
func skipString(b []byte, i int) int {
	for i = plain(b, i+1); i < len(b); i = plain(b, i) {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = skipEscape(b, i); i < 0 {
				return -1
			}
		case c < utf8.RuneSelf:
			return -1 // a control character
		default:
			_, size := utf8.DecodeRune(b[i:])
			if size == 1 {
				return -1
			}
			i += size
		}
	}
	return -1
}

// skipEscape skips the escape whose backslash is at i.
func skipEscape(b []byte, i int) int {
	if i+1 >= len(b) {
		return -1
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+6 > len(b) {
			return -1
		}
		for _, c := range b[i+2 : i+6] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return -1
			}
		}
		return i + 6
	}
	return -1
}

// A word with the lowest, and with the highest bit of each byte set.
const (
	lows  = 0x0101010101010101
	highs = 0x80 * lows
)

// plain returns the offset, from i on, of the first byte of a string that needs a
// look: a quote, a backslash, a control character, or one that is not ASCII.
func plain(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(lows*'"'), x^(lows*'\\')
		// The highest bit of a byte is set where the byte is not ASCII, less than a
		// space, or 0 in quote or slash. A borrow sets others only behind such a byte.
		if odd := (x | (x - lows*' ') | (quote - lows) | (slash - lows)) & highs; odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// passValue returns the offset behind the value that begins at i. It finds the end of
// what is JSON, and checks nothing.
func passValue(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' && b[i] != '{' && b[i] != '[' {
		return skipValue(b, i, 1)
	}
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i = passString(b, i); i < 0 || depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// passString does so with a string.
func passString(b []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		slashes := 0
		for b[i-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
}
