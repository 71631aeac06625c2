// Package redact takes out of URLs what may be secret, for logs and whatever else
// operators are shown.
package redact

import (
	"errors"
	"net/url"
	"strings"
)

// URL returns a URL without its user, query and fragment. Text that is no URL stays
// as it is, but for what stands before an "@"; of a URL that can't be parsed only the
// scheme is left. Lists with commas are taken apart. A query stays on the URL of a TURN server, which has no secrets.
func URL(text string) string {
	scheme, _, has := strings.Cut(text, "://")
	if !has {
		return text[strings.LastIndex(text, "@")+1:]
	}
	if parts := strings.Split(text, ","); len(parts) > 1 && strings.Count(text, "://") > 1 {
		return strings.Join(URLs(parts), ",")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil && !strings.ContainsAny(text, "@?#"):
		return text // a pattern
	case err != nil:
		return scheme + "://…"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// URLs returns a list with each element as URL has it.
func URLs(list []string) []string {
	redacted := make([]string, len(list))
	for i, text := range list {
		redacted[i] = URL(text)
	}
	return redacted
}

// Error returns what went wrong with a request, without its URL. A nil error has no
// text.
func Error(err error) string {
	if err == nil {
		return ""
	}
	for {
		var of *url.Error
		if !errors.As(err, &of) {
			return err.Error()
		}
		err = of.Err
	}
}
