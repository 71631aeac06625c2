package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
)

// isTold reports whether a message is one that another has sent to everybody.
func isTold(text []byte) bool { return is(text, "message") }

var breaks = []string{"--expect-breaks", "1000"}

// Faults that are easily overlooked are found and named.
func TestFaultsInHiding(t *testing.T) {
	big := with(small, "--profile", "bigroom", "--rooms", "1", "--peers", "6")
	idle := with(small, "--profile", "idle")
	var mu sync.Mutex
	seen := map[string]bool{}
	for _, c := range []struct {
		name   string
		args   []string
		change func(f *faulty, to *client, text []byte)
		want   string
	}{
		{"counts far too many missed messages", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = add(text, "missed", 1_000_000)
			}
			c.pass(text)
		}, crowd.Miscounted},
		{"counts missed messages below none", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = regexp.MustCompile(`"missed":\d+`).ReplaceAll(text, []byte(`"missed":-1`))
			}
			c.pass(text)
		}, crowd.Miscounted},
		{"counts handled messages below none", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = regexp.MustCompile(`"handled":\d+`).ReplaceAll(text, []byte(`"handled":-7`))
			}
			c.pass(text)
		}, crowd.Miscounted},
		{"does not answer a resume", with(cutting, "--cuts", "1"), func(_ *faulty, c *client, text []byte) {
			mu.Lock()
			resumed := is(text, "resumed") || seen[fmt.Sprintf("%p", c)]
			seen[fmt.Sprintf("%p", c)] = resumed
			mu.Unlock()
			if !resumed {
				c.pass(text)
			}
		}, crowd.SessionLost},
		{"breaks the connection at each resume", with(cutting, with(breaks, "--cuts", "1")...), func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				_ = c.down.CloseNow()
				_ = c.up.CloseNow()
				return
			}
			c.pass(text)
		}, crowd.SessionLost},
		{"miscounts members", with(small, "--changes", "--churn", "5"), func(_ *faulty, c *client, text []byte) {
			if is(text, "room_changes") {
				text = regexp.MustCompile(`"count":\d+`).ReplaceAll(text, []byte(`"count":1`))
			}
			c.pass(text)
		}, crowd.Membership},
		{"tells some of changes and not others", with(small, "--changes", "--churn", "5"), func(f *faulty, c *client, text []byte) {
			if !f.everyOf(5, text, "room_changes") {
				c.pass(text)
			}
		}, crowd.Membership},
		{"tells of changes twice", with(small, "--changes", "--churn", "5"), func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if f.everyOf(5, text, "room_changes") {
				c.pass(text)
			}
		}, crowd.Membership},
		{"tells of changes those who want lists", small, func(_ *faulty, c *client, text []byte) {
			if is(text, "room_members") {
				text = []byte(`{"type":"room_changes","count":1}`)
			}
			c.pass(text)
		}, crowd.Membership},
		{"resumes as another", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = fromField.ReplaceAll(text, []byte(`"from":"somebody"`))
			}
			c.pass(text)
		}, crowd.Membership},
		{"lets in as another", small, func(_ *faulty, c *client, text []byte) {
			if is(text, "joined") {
				text = fromField.ReplaceAll(text, []byte(`"from":"somebody"`))
			}
			c.pass(text)
		}, crowd.Membership},
		{"sends a message to everybody back to its sender", big, func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if m := fromField.FindSubmatch(text); isTold(text) && m != nil {
				f.mu.Lock()
				var sender *client
				for _, o := range f.clients {
					if o.id == string(m[1]) {
						sender = o
					}
				}
				f.n++
				now := f.n%5 == 0
				f.mu.Unlock()
				if sender != nil && now {
					sender.pass(text)
				}
			}
		}, crowd.Misdelivered},
		{"ends memberships where breaks are expected", with(small, breaks...), func(f *faulty, c *client, text []byte) {
			if f.every(50, text) {
				_ = c.up.Write(c.ctx, websocket.MessageText, []byte(`{"type":"leave"}`))
				_ = c.down.Close(1011, "oops")
				return
			}
			c.pass(text)
		}, crowd.SessionLost},
		{"answers pings twice", with(small, "--duration", "3s"), func(_ *faulty, c *client, text []byte) {
			c.pass(text)
			if is(text, "pong") {
				c.pass(text)
			}
		}, crowd.Repeated},
		{"refuses twice", with(small, "--duration", "3s"), func(_ *faulty, c *client, text []byte) {
			c.pass(text)
			if is(text, "error") {
				c.pass(text)
			}
		}, crowd.Repeated},
		{"says nothing to those who say nothing", idle, func(_ *faulty, c *client, text []byte) {
			if !is(text, "pong") {
				c.pass(text)
			}
		}, crowd.Unanswered},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: c.change}
			f.isCaught(t, c.want, c.args...)
		})
	}
}

// queued passes on what goes to a member in its order, but lists only after a time:
// messages of those whom the member knows overtake them.
type queued struct {
	mu    sync.Mutex // guards what follows
	lists map[*client][][]byte
	known map[*client][]byte // the last list that was passed on
	held  map[*client][][]byte
}

func (q *queued) change(_ *faulty, c *client, text []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	text = bytes.Clone(text)
	switch {
	case is(text, "room_members"):
		q.lists[c] = append(q.lists[c], text)
		time.AfterFunc(150*time.Millisecond, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.known[c] = q.lists[c][0]
			q.lists[c] = q.lists[c][1:]
			c.pass(q.known[c])
			held := q.held[c]
			q.held[c] = nil
			for _, text := range held {
				q.pass(c, text)
			}
		})
	default:
		q.pass(c, text)
	}
}

func (q *queued) pass(c *client, text []byte) {
	if m := fromField.FindSubmatch(text); isForwarded(text) && m != nil && (len(q.held[c]) > 0 || !bytes.Contains(q.known[c], []byte(`"`+string(m[1])+`"`))) {
		q.held[c] = append(q.held[c], text)
		return
	}
	c.pass(text)
}

// Correct servers on bad networks are not accused.
func TestRightOnBadNetworks(t *testing.T) {
	var mu sync.Mutex
	tries := 0
	q := &queued{lists: map[*client][][]byte{}, known: map[*client][]byte{}, held: map[*client][][]byte{}}
	pass := func(_ *faulty, c *client, text []byte) { c.pass(text) }
	for _, c := range []struct {
		name   string
		args   []string
		change func(f *faulty, to *client, text []byte)
	}{
		{"lists that messages overtake", with(small, "--peers", "12", "--rooms", "1", "--churn", "4", "--rate", "1000", "--duration", "6s"), q.change},
		{"cuts in the base protocol", with(cutting, "--dialect", "base", "--cuts", "4", "--duration", "4s"), pass},
		{"a break while joining", with(small, "--churn", "6", "--duration", "6s", "--rate", "100"), func(_ *faulty, c *client, text []byte) {
			if is(text, "joined") {
				mu.Lock()
				tries++
				now := tries > 9 && tries%3 == 0
				mu.Unlock()
				if now {
					_ = c.down.CloseNow()
					_ = c.up.CloseNow()
					return
				}
			}
			c.pass(text)
		}},
		{"changes", with(cutting, "--changes", "--churn", "5", "--bad-share", "100"), pass},
		{"changes in a large room", with(small, "--changes", "--churn", "10", "--cuts", "5", "--rooms", "1", "--peers", "100", "--bad-share", "50"), pass},
		{"rolling", with(small, "--profile", "rolling", "--bad-share", "100", "--cuts", "10", "--churn", "6", "--duration", "4s"), breaking(60)},
		{"base, churn", with(small, "--dialect", "base", "--churn", "10"), pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t, func(o *hub.Options, _ *wsconn.Options) { o.ResumeWindow = 5 * time.Second }), change: c.change}
			code, out, r := soak(t, f.start(t), with(c.args, breaks...)...)
			if code != report.ExitOK || strings.Contains(c.name, "base") && r.Phases[0].Counts.Sent == 0 {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}

// A member whose resume was refused for now asks again on the same connection, and has had
// no message of its membership meanwhile.
func TestResumeUnavailable(t *testing.T) {
	t.Parallel()
	code, out, r := soak(t, unavailable(t, server(t), "resume", 0, 2), with(cutting, "--cuts", "3")...)
	if code != report.ExitOK || r.Phases[0].Counts.Resumes == 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// A server that can't let anybody in for a while does what it may where servers restart or
// fail, and else it does not.
func TestUnavailableJoin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		free   int
		args   []string
		blamed bool
	}{
		{3, []string{"--profile", "rolling", "--churn", "2"}, false},
		{0, []string{"--profile", "call"}, true},
	} {
		args := append(test.args, "--rooms", "1", "--peers", "3", "--rate", "20", "--duration", "4s", "--ramp", "0s")
		_, out, r := soak(t, unavailable(t, server(t), "join", test.free, 1), args...)
		blamed := slices.ContainsFunc(r.Faults, func(k report.FaultKind) bool { return k.Kind == crowd.Refused })
		if blamed != test.blamed || r.Phases[0].Errors["unavailable"] == 0 {
			t.Errorf("%v: blamed for it: %v\n%s", test.args, blamed, out)
		}
	}
}
