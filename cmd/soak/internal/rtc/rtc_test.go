package rtc

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// A call that fails says at which stage, and what it has gone through is measured.
func TestStages(t *testing.T) {
	start := time.Now()
	m := &marks{at: map[string]time.Time{}}
	failed := errors.New("oops")
	for i, c := range []struct{ moment, next string }{
		{began, "join"}, {joined, "offer"}, {offered, "answer"}, {answered, "ICE"}, {iceUp, "DTLS"}, {connected, "data channel"}, {opened, "echo"},
	} {
		m.at[c.moment] = start.Add(time.Duration(i) * time.Second)
		if err := m.failure(failed); !errors.Is(err, failed) || !strings.HasPrefix(err.Error(), c.next+": ") {
			t.Errorf("after %s: %v", c.moment, err)
		}
	}
	for stage, want := range map[string]time.Duration{"join": 1, "answer": 1, "ice": 1, "dtls": 1, "channel": 1, "setup": 4} {
		if got := m.stages()[stage]; got != want*time.Second {
			t.Errorf("%s took %s", stage, got)
		}
	}
	delete(m.at, connected)
	if _, ok := m.stages()["dtls"]; ok {
		t.Error("a stage that was not gone through was measured")
	}
}

// ICE servers come from the flags, or else from the server; to relay there must be
// a TURN server.
func TestConfiguration(t *testing.T) {
	handed := []webrtc.ICEServer{{URLs: []string{"stun:a"}}}
	for name, c := range map[string]struct {
		options Options
		urls    string
		ok      bool
	}{
		"handed out":                  {Options{}, "stun:a", true},
		"flags":                       {Options{ICEServers: []string{"turn:b"}, User: "u", Password: "p"}, "turn:b", true},
		"relay":                       {Options{ICEServers: []string{"turn:b"}, RelayOnly: true}, "turn:b", true},
		"relay without a TURN server": {Options{RelayOnly: true}, "stun:a", false},
	} {
		got, err := c.options.configuration(handed)
		if (err == nil) != c.ok || got.ICEServers[0].URLs[0] != c.urls || got.ICEServers[0].Username != c.options.User {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A call of a kind is as it should be if it ends in that way, and no other; the report says
// what came of it.
func TestKinds(t *testing.T) {
	words := map[Kind]string{
		Connected: "connected", Resumed: "connected", Declined: "declined", Unanswered: "unanswered", NoCandidate: "failed", NoRelay: "failed",
	}
	if len(words) != len(plan.WebRTCKinds) {
		t.Errorf("there are %q", plan.WebRTCKinds)
	}
	for _, name := range plan.WebRTCKinds {
		k := Kind(name)
		for _, err := range []error{nil, errDeclined, errUnanswered, errNoCandidate, errEcho} {
			if right := k.became(err) == nil; right != (err == k.wanted()) {
				t.Errorf("%s ends with %v: right is %v", k, err, right)
			}
		}
		if got := outcomeOf(k.wanted()); got != words[k] {
			t.Errorf("%s is reported as %s, want %s", k, got, words[k])
		}
	}
	o := Options{Kinds: []Kind{Declined, NoRelay}}
	if o.kind(0) != Declined || o.kind(3) != NoRelay || new(Options).kind(7) != Connected {
		t.Error("kinds are not taken in turn")
	}
}

func TestICEServer(t *testing.T) {
	for text, want := range map[string]string{`{"urls":"stun:a"}`: "stun:a", `{"urls":["turn:b","turn:c"],"username":"u","credential":"p"}`: "turn:b turn:c"} {
		var s iceServer
		if err := json.Unmarshal([]byte(text), &s); err != nil || strings.Join(s.URLs, " ") != want {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
}
