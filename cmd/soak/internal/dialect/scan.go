package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ErrNotJSON says that a message of the server is not a JSON object, or one with a
// field that appears twice.
var ErrNotJSON = errors.New("it is not a JSON object")

// maxDepth is how deep the protocol lets a message nest, the message itself included.
const maxDepth = 1000

// rules are what an object must keep to, besides RFC 8259.
type rules struct {
	unique bool                   // no field appears twice at the top level
	body   func(name []byte) bool // fields whose values may be payloads
}

// fields calls f with each name, escapes resolved, and raw value of the object in
// text, which must be JSON as in RFC 8259 to its last byte, and UTF-8. The values of
// rules.body are left to [Valid]: of those it finds the end alone. The error is
// ErrNotJSON with what is wrong; f may have been called by then.
func fields(text []byte, r *rules, f func(name, value []byte)) error {
	var seen names
	i := space(text, 0)
	if i >= len(text) || text[i] != '{' {
		return explain(text)
	}
	if i = space(text, i+1); i < len(text) && text[i] == '}' {
		return ending(text, i)
	}
	for {
		if i >= len(text) || text[i] != '"' {
			return explain(text)
		}
		end := skipString(text, i)
		if end < 0 {
			return explain(text)
		}
		name := inside(text[i:end])
		if r.unique && !seen.add(name) {
			return fmt.Errorf("%w: the field %q appears twice", ErrNotJSON, name)
		}
		if i = space(text, end); i >= len(text) || text[i] != ':' {
			return explain(text)
		}
		start := space(text, i+1)
		if r.body(name) {
			i = passValue(text, start)
		} else {
			i = skipValue(text, start, 1)
		}
		if i < 0 {
			return explain(text)
		}
		f(name, text[start:i])
		if i = space(text, i); i >= len(text) || text[i] != ',' {
			return ending(text, i)
		}
		i = space(text, i+1)
	}
}

// ending checks that an object ends at i, and that nothing follows it.
func ending(text []byte, i int) error {
	if i >= len(text) || text[i] != '}' || space(text, i+1) != len(text) {
		return explain(text)
	}
	return nil
}

// explain says why a text is no JSON object.
func explain(text []byte) error {
	var v any
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(text, &v); {
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: %v at byte %d", ErrNotJSON, err, syntax.Offset)
	case !utf8.Valid(text):
		return fmt.Errorf("%w: it is not UTF-8", ErrNotJSON)
	}
	if _, ok := v.(map[string]any); ok {
		return fmt.Errorf("%w: it nests deeper than %d levels", ErrNotJSON, maxDepth)
	}
	return ErrNotJSON
}

// names are the names of an object's fields.
type names struct {
	filter uint64 // a bit for each name: one whose bit is not set is new
	n      int    // so many are in first
	first  [8][]byte
	more   [][]byte
}

// add adds a name, and reports false where it was there.
func (s *names) add(name []byte) bool {
	hash := uint(len(name))
	if len(name) > 0 {
		hash += 7*uint(name[0]) + 31*uint(name[len(name)-1])
	}
	bit := uint64(1) << (hash % 64)
	if s.filter&bit != 0 {
		same := func(o []byte) bool { return bytes.Equal(o, name) }
		if slices.ContainsFunc(s.first[:s.n], same) || slices.ContainsFunc(s.more, same) {
			return false
		}
	}
	s.filter |= bit
	if s.n == len(s.first) {
		s.more = append(s.more, name)
		return true
	}
	s.first[s.n] = name
	s.n++
	return true
}

// text returns the string in a raw value; none where it is no string.
func text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return inside(value)
}

// inside returns what a raw string holds.
func inside(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	var s string
	_ = json.Unmarshal(raw, &s) // it has been checked
	return []byte(s)
}

// Valid reports whether a payload, an Event's Body, is JSON. A payload that is byte for byte as
// it was sent need not be asked about.
func Valid(body []byte) bool { return skipValue(body, 0, 1) == len(body) }

// Strings calls f with each string in a raw value that Read has found, and reports
// false where that is no array of strings.
func Strings(array []byte, f func([]byte)) bool {
	if len(array) < 2 || array[0] != '[' {
		return false
	}
	for i := space(array, 1); array[i] != ']'; {
		if array[i] != '"' {
			return false
		}
		end := skipString(array, i)
		f(text(array[i:end]))
		if i = space(array, end); array[i] == ',' {
			i = space(array, i+1)
		}
	}
	return true
}
