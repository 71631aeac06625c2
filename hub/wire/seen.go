package wire

import "bytes"

// The functions in this file read text that is known to be valid JSON: this package has checked
// it, or the server has made it. They look only for the ends of values, which is several times as
// fast as a check. In other text they find no end, or a wrong one, but never read past its end.

// seenString returns the end of the string that begins at b[i], a quote, or -1.
func seenString(b []byte, i int) int {
	for at := i + 1; ; {
		n := bytes.IndexByte(b[at:], '"')
		if n < 0 {
			return -1
		}
		quote := at + n
		slashes := quote
		for slashes > at && b[slashes-1] == '\\' {
			slashes--
		}
		if at = quote + 1; (quote-slashes)%2 == 0 {
			return at
		}
	}
}

// seenValue returns the end of the value that begins at b[i], or -1.
func seenValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = seenString(b, i) - 1; i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth == 0 {
				return seenScalar(b, i)
			}
			continue
		}
		if depth <= 0 {
			return i + 1
		}
	}
	return -1
}

// seenScalar returns the end of the number or literal that begins at b[start], or -1.
func seenScalar(b []byte, start int) int {
	for i := start; i < len(b); i++ {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			if i == start {
				return -1
			}
			return i
		}
	}
	return -1
}

// EachMemberSeen is [EachMember] for text that is known to be valid JSON.
func EachMemberSeen(text []byte, f func(name, value []byte)) bool {
	return eachMember(text, f, seenString, seenValue)
}
