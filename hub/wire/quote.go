package wire

import "unicode/utf8"

// AppendQuoted appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendQuoted[T ~string | ~[]byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		plain := i
		for i < len(s) && isPlain(s[i]) {
			i++
		}
		if b = append(b, s[plain:i]...); i == len(s) {
			break
		}
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			b = utf8.AppendRune(b, r)
			i += size
			continue
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, '\\', c)
		}
		i++
	}
	return append(b, '"')
}

// isPlain reports whether a byte stands for itself in a JSON string, and is a character.
func isPlain(c byte) bool { return c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' }
