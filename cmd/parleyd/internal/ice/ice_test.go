package ice

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func secrets() [][]byte { return [][]byte{[]byte("secret"), []byte("older")} }

func TestServers(t *testing.T) {
	for _, c := range []struct {
		name      string
		urls, own []string
		want      string
	}{
		{"none", nil, nil, `[]`},
		{"stun", []string{"stun:a.org", "stuns:b.org:5349"}, nil, `[{"urls":["stun:a.org","stuns:b.org:5349"]}]`},
		// printf '1043200:ann' | openssl dgst -sha1 -hmac secret -binary | base64
		{"both", []string{"turn:[::1]:3478?transport=udp", "stun:a.org"}, nil,
			`[{"urls":["stun:a.org"]},{"urls":["turn:[::1]:3478?transport=udp"],"username":"1043200:ann","credential":"cOmb40bIaUrRRgvySp/PnQxVzwA="}]`},
		// printf '1043200.64GPJAXH:ann' | openssl dgst -sha1 -hmac secret -binary | base64
		{"own", nil, []string{"turn:a.org"}, `[{"urls":["turn:a.org"],"username":"1043200.64GPJAXH:ann","credential":"lmuJJVdfozSrNcMdL5jP/+RBz5I="}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := New(c.urls, c.own, secrets, DefaultTTL)
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
		s, err := New([]string{"turn:a.org"}, nil, secrets, time.Hour)
		if unset, err := New([]string{"turn:a.org"}, nil, secrets, 0); err != nil || unset.ttl != DefaultTTL {
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
		if _, err := New([]string{u}, nil, secrets, DefaultTTL); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
	if _, err := New([]string{"turn:a.org"}, nil, nil, DefaultTTL); err == nil {
		t.Error("TURN without a secret was taken")
	}
}

// A user name tells what it was made of, and nothing else is one.
func TestUser(t *testing.T) {
	for _, c := range []struct {
		name, key, id string
		expires       int64
		ok            bool
	}{
		{"1043200:ann", "", "ann", 1043200, true},
		{"1043200.ABC:ann", "ABC", "ann", 1043200, true},
		{"1043200:a:b.c", "", "a:b.c", 1043200, true},
		{"1043200:", "", "", 0, false},
		{"1043200", "", "", 0, false},
		{"ann", "", "", 0, false},
		{".ABC:ann", "", "", 0, false},
		{"", "", "", 0, false},
	} {
		expires, key, id, ok := User(c.name)
		if ok != c.ok || ok && (expires.Unix() != c.expires || key != c.key || id != c.id) {
			t.Errorf("%q: %v %q %q %v", c.name, expires, key, id, ok)
		}
	}
}
