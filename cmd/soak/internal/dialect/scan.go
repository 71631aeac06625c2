package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
)

// ErrNotJSON says that a message of the server is not a JSON object.
var ErrNotJSON = errors.New("it is not a JSON object")

// fields calls f with each name and raw value of the object in text. It finds where
// values end and checks no more of them: payloads are compared with what was sent.
func fields(text []byte, f func(name, value []byte)) error {
	i := space(text, 0)
	if i >= len(text) || text[i] != '{' {
		return ErrNotJSON
	}
	for i = space(text, i+1); i < len(text) && text[i] != '}'; {
		if text[i] != '"' {
			return ErrNotJSON
		}
		end := skipString(text, i)
		if end < 0 {
			return ErrNotJSON
		}
		name := text[i+1 : end-1]
		if i = space(text, end); i >= len(text) || text[i] != ':' {
			return ErrNotJSON
		}
		start := space(text, i+1)
		if i = skipValue(text, start); i < 0 {
			return ErrNotJSON
		}
		f(name, text[start:i])
		if i = space(text, i); i < len(text) && text[i] == ',' {
			i = space(text, i+1)
		}
	}
	if i >= len(text) || space(text, i+1) != len(text) {
		return ErrNotJSON
	}
	return nil
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the offset behind the string that begins at i; -1: it does not
// end.
func skipString(b []byte, i int) int {
	i++
	for {
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

// skipValue returns the offset behind the value that begins at i; -1: it does not
// end.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = skipString(b, i); i < 0 {
					return -1
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
	start := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// text returns the string in a raw value; none where it is no string.
func text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return nil
	}
	return []byte(s)
}

// Strings calls f with each string in a raw array, and reports false where that is
// no array of strings.
func Strings(array []byte, f func([]byte)) bool {
	if len(array) < 2 || array[0] != '[' {
		return false
	}
	for i := space(array, 1); array[i] != ']'; {
		if array[i] != '"' {
			return false
		}
		end := skipString(array, i)
		if end < 0 {
			return false
		}
		f(text(array[i:end]))
		if i = space(array, end); array[i] == ',' {
			i = space(array, i+1)
		}
	}
	return true
}
