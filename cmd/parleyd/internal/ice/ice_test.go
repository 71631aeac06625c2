package ice

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestServers(t *testing.T) {
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
			// The end of the grant comes first.
			if got := string(s.For("ann", time.Unix(1_043_200, 0))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Credentials are good for the time that was set, and never past the grant.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New([]string{"turn:a.org"}, func() []byte { return []byte("secret") }, time.Hour)
		if unset, err := New([]string{"turn:a.org"}, func() []byte { return []byte("secret") }, 0); err != nil || unset.ttl != DefaultTTL {
			t.Errorf("no time: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for _, c := range []struct {
			name        string
			until, want time.Time
		}{
			{"no grant", time.Time{}, now.Add(time.Hour)},
			{"a long grant", now.Add(2 * time.Hour), now.Add(time.Hour)},
			{"a short grant", now.Add(time.Minute), now.Add(time.Minute)},
			{"a grant that is over", now.Add(-time.Minute), now.Add(-time.Minute)},
		} {
			var list []server
			if err := json.Unmarshal(s.For("ann", c.until), &list); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%d:ann", c.want.Unix()); list[0].Username != want || list[0].Credential != Password([]byte("secret"), want) {
				t.Errorf("%s: %+v, want %s", c.name, list[0], want)
			}
		}
	})
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
