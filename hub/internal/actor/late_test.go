package actor

import (
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Of two joins that claim one place, by a key or by tokens, the one that was asked for later
// has it, whichever comes first.
func TestPlaceIsOfTheLastWhoAsked(t *testing.T) {
	grant := &Grant{Rights: wire.DefaultRights, Subject: "a"}
	for _, test := range []struct {
		name  string
		claim func(j *Join)
	}{
		{"key", func(j *Join) { j.Key = "k" }},
		{"token", func(j *Join) { j.Takeover, j.Grant = true, grant }},
	} {
		for _, later := range []bool{false, true} {
			name := test.name + ", asked earlier"
			if later {
				name = test.name + ", asked later"
			}
			t.Run(name, func(t *testing.T) {
				l := still(Options{})
				asked := time.Now()
				join := func(at time.Time) (c *Client, in bool) {
					c, _ = l.connect(1 << 20)
					done := make(chan bool, 1)
					j := &Join{Client: c, Room: "r", ID: "a", Asked: Asked{At: at}, Welcome: frame.Text([]byte(`{}`)), Done: done}
					test.claim(j)
					l.apply(j)
					return c, <-done
				}
				member, _ := join(asked)
				at := asked.Add(-time.Nanosecond)
				if later {
					at = asked.Add(time.Nanosecond)
				}
				if _, in := join(at); in != later || member.closed != later {
					t.Errorf("let in: %v; the member was closed: %v", in, member.closed)
				}
			})
		}
	}
}

// A resume that waits for the connection before it is not pushed aside by one that was asked
// for earlier.
func TestLateResumeWhileAnotherWaits(t *testing.T) {
	l, arrive := waitingHub()
	var told []Turn
	l.options.Taken = func(_ Receiver, turn Turn, ago time.Duration) bool {
		told = append(told, turn)
		return true
	}
	session, had := l.memberAt("a")
	resume := func(node string, after Turn) (c *Client, done chan Resumed) {
		c, _ = l.connectOf(node)
		done = make(chan Resumed, 1)
		l.apply(&Resume{Client: c, Session: session, Received: had, Asked: Asked{time.Now(), after}, Done: done})
		return c, done
	}
	m := l.sessionOf(session)
	m.asked = time.Now()
	turn := m.turn
	first, out := resume("b", turn)
	late, lateOut := resume("c", turn)
	if len(told) != 1 || told[0] != m.turn {
		t.Errorf("the node of the late one was told of %v", told)
	}
	select {
	case r := <-lateOut:
		if r.ID != "" {
			t.Errorf("the late one got %+v", r)
		}
	default:
		t.Error("the late one waits for the membership")
	}
	arrive()
	if r := <-out; r.ID != "a" || m.client != first || late.closed {
		t.Errorf("resumed %+v", r)
	}
}
