package redact

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.org/hook":                      "https://example.org/hook",
		"https://user:hidden@example.org/x?key=hidden":  "https://example.org/x",
		"https://example.org/x?hidden#hidden":           "https://example.org/x",
		"https://example.org/x?":                        "https://example.org/x",
		"nats://parley:hidden@nats.example.org:4222":    "nats://nats.example.org:4222",
		"tls://hidden@nats.example.org:4222":            "tls://nats.example.org:4222",
		"nats://a.org:4222,nats://user:hidden@b.org":    "nats://a.org:4222,nats://b.org",
		"https://example.org/?to=https://hidden":        "https://example.org/",
		"https://example.org/a,b@c":                     "https://example.org/a,b@c",
		"http://localhost:*":                            "http://localhost:*",
		"nats://user:hid/den@example.org":               "nats://…",
		"nats://user:hidden%zz@example.org":             "nats://…",
		"user:hidden@nats.example.org:4222":             "nats.example.org:4222",
		"user:hid@den@nats.example.org:4222":            "nats.example.org:4222",
		"turn:turn.example.org:3478?transport=tcp":      "turn:turn.example.org:3478?transport=tcp",
		"stun:[::1]:3478":                               "stun:[::1]:3478",
		":8080":                                         ":8080",
		"10.0.0.0/8":                                    "10.0.0.0/8",
		"*.example.org":                                 "*.example.org",
		"":                                              "",
		"/etc/parley/jwks.json":                         "/etc/parley/jwks.json",
		"https://example.org/?" + "a=%zz&hidden=hidden": "https://example.org/",
	} {
		if got := URL(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if got := URLs([]string{"nats://u:hidden@a", "b"}); fmt.Sprint(got) != "[nats://a b]" {
		t.Errorf("%q", got)
	}
}

func TestError(t *testing.T) {
	if got := Error(nil); got != "" {
		t.Errorf("got %q", got)
	}
	if got := Error(errors.New(`answered with "404": gone`)); got != `answered with "404": gone` {
		t.Errorf("got %q", got)
	}
	_, err := http.Get("http://user:hidden@127.0.0.1:1/x?key=hidden")
	if err == nil {
		t.Fatal("there is a server on port 1")
	}
	for _, err := range []error{err, fmt.Errorf("fetching: %w", err), &url.Error{Op: "Get", URL: "http://hidden", Err: err}} {
		if got := Error(err); strings.Contains(got, "hidden") || !strings.Contains(got, "127.0.0.1:1") {
			t.Errorf("got %q", got)
		}
	}
}
