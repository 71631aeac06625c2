package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Positions returned by the scan functions are offsets just past what was read;
// -1 says that the text is not JSON there.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a word that is not zero if one of eight bytes is a quote, a backslash or
// a control character: its lowest set bit is the high bit of the first such byte.
func special(x uint64) uint64 {
	quote, slash := x^(ones*'"'), x^(ones*'\\')
	// A byte's high bit comes out set where it is zero in quote or slash,
	// or below 0x20 in x. A borrow can set wrong bits only above a right one.
	return (((quote - ones) & ^quote) | ((slash - ones) & ^slash) | ((x - ones*0x20) & ^x)) & highs
}

// isEscape marks the bytes that may follow a backslash, except u.
var isEscape = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// skipString reads the string that begins at b[i], a quote. escaped says that
// it contains a backslash. It looks at eight bytes at a time.
func skipString(b []byte, i int) (end int, escaped bool) {
	for i++; i < len(b); {
		if len(b)-i >= 8 {
			m := special(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		// b[i] ends the plain part, or is near the end of all.
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c < 0x20:
			return -1, escaped
		case c != '\\':
			i++
		default:
			escaped = true
			if i = skipEscapes(b, i); i < 0 {
				return -1, true
			}
		}
	}
	return -1, escaped
}

// stringEnd is skipString where it does not matter whether there are escapes.
func stringEnd(b []byte, i int) int {
	end, _ := skipString(b, i)
	return end
}

// skipEscapes reads the escapes that begin at b[i], a backslash. They often come together:
// lines of SDP end in two.
func skipEscapes(b []byte, i int) int {
	for i < len(b) && b[i] == '\\' {
		switch {
		case i+1 < len(b) && isEscape[b[i+1]]:
			i += 2
		case i+1 < len(b) && b[i+1] == 'u' && hex4(b, i+2) >= 0:
			i += 6
		default:
			return -1
		}
	}
	return i
}

// hex4 reads four hexadecimal digits at i, or returns -1.
func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

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

// skipNumber reads the number at b[i], which must be there.
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
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

func skipLiteral(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// skipScalar reads the string, number or literal at i.
func skipScalar(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case 't':
		return skipLiteral(b, i, "true")
	case 'f':
		return skipLiteral(b, i, "false")
	case 'n':
		return skipLiteral(b, i, "null")
	}
	return skipNumber(b, i)
}

// nesting is the stack of open arrays and objects, a bit for each level.
type nesting struct {
	objects [MaxDepth/64 + 1]uint64
	depth   int
}

func (n *nesting) push(object bool) bool {
	if n.depth >= MaxDepth {
		return false
	}
	word, bit := n.depth/64, uint64(1)<<(n.depth%64)
	if n.objects[word] &^= bit; object {
		n.objects[word] |= bit
	}
	n.depth++
	return true
}

func (n *nesting) pop() { n.depth-- }

func (n *nesting) inObject() bool {
	d := n.depth - 1
	return n.objects[d/64]>>(d%64)&1 == 1
}

// skipValue reads any JSON value at i, which may open MaxDepth-1 further levels
// inside the message.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	if b[i] != '{' && b[i] != '[' {
		return skipScalar(b, i)
	}
	n := nesting{depth: 1}
	for {
		// At the start of a value.
		if i >= len(b) {
			return -1
		}
		if c := b[i]; c == '{' || c == '[' {
			if !n.push(c == '{') {
				return -1
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == c+2 { // ']' and '}' stand two after their openers
				n.pop()
				i++
			} else if c == '[' {
				continue
			} else if i = skipName(b, i); i < 0 {
				return -1
			} else {
				continue
			}
		} else if i = skipScalar(b, i); i < 0 {
			return -1
		}
		// After a value: close what ends here, or go on to the next value.
		for n.depth > 1 {
			i = skipSpace(b, i)
			if i >= len(b) {
				return -1
			}
			object := n.inObject()
			if b[i] == ',' {
				i = skipSpace(b, i+1)
				if object {
					if i = skipName(b, i); i < 0 {
						return -1
					}
				}
				break
			}
			if b[i] != ']' && b[i] != '}' || (b[i] == '}') != object {
				return -1
			}
			n.pop()
			i++
		}
		if n.depth == 1 {
			return i
		}
	}
}

// skipName reads a member's name and the colon, and returns where its value
// starts.
func skipName(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i = stringEnd(b, i); i < 0 {
		return -1
	}
	i = skipSpace(b, i)
	if i >= len(b) || b[i] != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

// unescape returns the text of a string's inside, whose escapes have been
// checked; for others it returns some text. Half a surrogate pair has no UTF-8: it becomes the
// byte 0xFF, which no valid text contains.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		if i++; i >= len(b) {
			break
		}
		switch b[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(b, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+2 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
					low = hex4(b, i+3)
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					out = append(out, 0xFF)
					continue
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, b[i])
		}
	}
	return out
}
