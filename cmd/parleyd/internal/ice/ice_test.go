package ice

import (
	"testing"
	"time"
)

func TestServers(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		name string
		urls []string
		want string
	}{
		{"none", nil, `[]`},
		{"stun", []string{"stun:a.org", "stuns:b.org:5349"}, `[{"urls":["stun:a.org","stuns:b.org:5349"]}]`},
		// printf '1043200:ann' | openssl dgst -sha1 -hmac secret -binary | base64
		{"both", []string{"turn:[::1]:3478?transport=udp", "stun:a.org"},
			`[{"urls":["stun:a.org"]},{"urls":["turn:[::1]:3478?transport=udp"],"username":"1043200:ann","credential":"cOmb40bIaUrRRgvySp/PnQxVzwA="}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := New(c.urls, func() []byte { return []byte("secret") }, DefaultTTL)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(s.For("ann", now)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestBadURLs(t *testing.T) {
	for _, u := range []string{
		"", "example.org", "http://example.org", "stun:", "stun://example.org", "stun:a.org?transport=udp",
		"turn:a.org?transport=sctp", "turn:a.org:0", "turn:a.org:x", "turn:u@a.org", "turn:a org",
	} {
		if _, err := New([]string{u}, func() []byte { return []byte("secret") }, DefaultTTL); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
	if _, err := New([]string{"turn:a.org"}, nil, DefaultTTL); err == nil {
		t.Error("TURN without a secret was taken")
	}
}
