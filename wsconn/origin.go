package wsconn

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"
)

// anyOrigin is the pattern that allows every page; nullOrigin is the origin of pages
// that have none of their own, such as sandboxed frames, and the pattern that allows
// them.
const (
	anyOrigin  = "*"
	nullOrigin = "null"
)

// CheckOrigin says what is wrong with a pattern for [Options.AllowOrigins], or
// returns nil. A pattern is one of
//
//   - "app.example.org", "*.example.org", "localhost:*": a host, with a port where it
//     is not the default one of http or https;
//   - "https://app.example.org": scheme and host;
//   - "null": pages without an origin of their own, such as sandboxed frames;
//   - "*": every page.
//
// Hosts are matched as [path.Match] does, without regard to case. There is no path,
// and no slash at the end.
func CheckOrigin(pattern string) error {
	scheme, host, whole := strings.Cut(pattern, "://")
	if !whole {
		scheme, host = anyOrigin, pattern
	}
	switch _, err := path.Match(pattern, ""); {
	case strings.ContainsFunc(pattern, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fmt.Errorf("%q has white space in it", pattern)
	case strings.Contains(pattern, ","):
		return fmt.Errorf("%q: give each pattern by itself", pattern)
	case host == "":
		return fmt.Errorf("%q has no host", pattern)
	case scheme == "":
		return fmt.Errorf("%q has no scheme before \"://\"", pattern)
	case strings.HasSuffix(host, "/") && strings.Count(host, "/") == 1:
		return fmt.Errorf("%q has a slash at the end: leave it out", pattern)
	case strings.ContainsAny(host, "/#@"):
		return fmt.Errorf("%q is more than a host, or a scheme and a host: leave out the rest", pattern)
	case strings.EqualFold(scheme, "ws") || strings.EqualFold(scheme, "wss"):
		return fmt.Errorf("%q: pages have the scheme http or https", pattern)
	case err != nil:
		return fmt.Errorf("%q is not a pattern: %w", pattern, err)
	}
	return nil
}

// defaultPorts are those that an origin leaves out.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// site is an origin taken apart.
type site struct {
	scheme string // in lower case
	host   string // in lower case, without a default port
	port   string // a default one, or ""
}

var errNotAnOrigin = errors.New("not an origin")

// parseOrigin takes the value of an Origin header apart (RFC 6454, 7).
func parseOrigin(origin string) (site, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(origin, "?#") {
		return site{}, errNotAnOrigin
	}
	s := site{scheme: strings.ToLower(u.Scheme)}
	s.host, s.port = withoutPort(u.Host, defaultPorts[s.scheme])
	return s, nil
}

// withoutPort returns a host in lower case without the port standard, and that port,
// which is "" if the host has another.
func withoutPort(host, standard string) (string, string) {
	host = strings.ToLower(host)
	if standard == "" {
		return host, ""
	}
	name, port, err := net.SplitHostPort(host)
	switch {
	case err != nil: // there is no port
		return host, standard
	case port != standard && port != "":
		return host, ""
	case strings.Contains(name, ":"):
		name = "[" + name + "]"
	}
	return name, standard
}

// originAllowed reports whether a page may connect: one of the same host as the
// request's, or one that a pattern allows. A request without an Origin header does
// not come from a page.
func originAllowed(r *http.Request, patterns []string) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 || len(origins) == 1 && origins[0] == "" {
		return true
	}
	origin := origins[0]
	s, err := parseOrigin(origin)
	for _, pattern := range patterns {
		if pattern == anyOrigin || len(origins) == 1 && origin == nullOrigin && pattern == nullOrigin {
			return true
		}
	}
	if err != nil || len(origins) > 1 {
		return false
	}
	if standard := defaultPorts[s.scheme]; standard != "" {
		if host, _ := withoutPort(r.Host, standard); host == s.host {
			return true
		}
	}
	for _, pattern := range patterns {
		if s.matches(strings.ToLower(pattern)) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern, in lower case, allows the site.
func (s site) matches(pattern string) bool {
	hosts := []string{s.host}
	if s.port != "" {
		hosts = append(hosts, s.host+":"+s.port)
	}
	for _, host := range hosts {
		if strings.Contains(pattern, "://") {
			host = s.scheme + "://" + host
		}
		if pattern == host {
			return true
		}
		if matched, err := path.Match(pattern, host); err == nil && matched {
			return true
		}
	}
	return false
}
