package clientip

import "strings"

// forwardedFor returns the parameter "for" of each element of Forwarded headers (RFC
// 7239, 4), "" for an element without one. ok is false if any of them is malformed.
func forwardedFor(headers []string) (list []string, ok bool) {
	for _, h := range headers {
		s := scanner{h}
		for {
			address, ok := s.element()
			if !ok {
				return nil, false
			}
			list = append(list, address)
			if s.rest == "" {
				break
			}
			if !s.skip(',') {
				return nil, false
			}
		}
	}
	return list, true
}

// scanner reads a header from the front.
type scanner struct{ rest string }

// element reads parameters up to a comma or the end.
func (s *scanner) element() (address string, ok bool) {
	seen := false
	for {
		s.space()
		name := s.token()
		if name == "" || !s.skip('=') {
			return "", false
		}
		value, ok := s.value()
		if !ok {
			return "", false
		}
		if strings.EqualFold(name, "for") {
			if seen {
				return "", false
			}
			address, seen = value, true
		}
		s.space()
		if !s.skip(';') {
			return address, true
		}
	}
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }

func (s *scanner) skip(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// token reads the characters of a token (RFC 9110, 5.6.2), and ":" with brackets,
// which some proxies leave unquoted.
func (s *scanner) token() string {
	n := strings.IndexFunc(s.rest, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(),/;<=>?@{}"\`, r)
	})
	if n < 0 {
		n = len(s.rest)
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

// value reads a token or a quoted string.
func (s *scanner) value() (string, bool) {
	if !s.skip('"') {
		token := s.token()
		return token, token != ""
	}
	var value strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return value.String(), true
		case '\\':
			if i++; i == len(s.rest) {
				return "", false
			}
			value.WriteByte(s.rest[i])
		default:
			value.WriteByte(c)
		}
	}
	return "", false
}
