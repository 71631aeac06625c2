package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// is reports whether a message has a type.
func is(text []byte, typ string) bool { return bytes.Contains(text, []byte(`"type":"`+typ+`"`)) }

// cutting is a run in which connections are cut and resumed.
var cutting = []string{"--rooms", "3", "--peers", "3", "--rate", "400", "--duration", "2s", "--ramp", "10ms", "--late", "30s",
	"--profile", "reconnect", "--cuts", "8"}

// add adds to a number in a message.
func add(text []byte, field string, n int) []byte {
	number := regexp.MustCompile(`"` + field + `":(\d+)`)
	return number.ReplaceAllFunc(text, func(b []byte) []byte {
		v, _ := strconv.Atoi(string(number.FindSubmatch(b)[1]))
		return fmt.Appendf(nil, `"%s":%d`, field, max(v+n, 0))
	})
}

// soak finds and names a server's mistakes when members leave, resume and ask.
func TestFaultyAnswers(t *testing.T) {
	without := func(text []byte, id string) []byte {
		return bytes.Replace(text, []byte(`,"`+id+`"`), nil, 1)
	}
	for _, c := range []struct {
		name   string
		args   []string
		change func(f *faulty, to *client, text []byte)
		want   string
	}{
		{"closes with 1001", small, func(f *faulty, c *client, text []byte) {
			if f.every(60, text) {
				_ = c.down.Close(1001, "going away")
				return
			}
			c.pass(text)
		}, crowd.Broken},
		{"has a member leave and return in a list", small, func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if is(text, "room_members") && bytes.Count(text, []byte(c.room+"-")) == 3 && strings.HasSuffix(c.id, "-0") {
				c.pass(without(text, c.room+"-2"))
				c.pass(text)
			}
		}, crowd.Flap},
		{"leaves a member out of all lists", small, func(f *faulty, c *client, text []byte) {
			if is(text, "room_members") && strings.HasSuffix(c.id, "-0") {
				text = without(text, c.room+"-2")
			}
			c.pass(text)
		}, crowd.Membership},
		{"sends an old list again", small, func(f *faulty, c *client, text []byte) {
			if is(text, "room_members") && c.held == nil {
				c.held = bytes.Clone(text)
			}
			c.pass(text)
			if c.held != nil && f.every(50, text) {
				c.pass(c.held)
			}
		}, crowd.Flap},
		{"answers no pings", with(small, "--duration", "8s", "--rate", "100"), func(_ *faulty, c *client, text []byte) {
			if !is(text, "pong") {
				c.pass(text)
			}
		}, crowd.Unanswered},
		{"refuses without a word", with(small, "--duration", "8s", "--rate", "100"), func(_ *faulty, c *client, text []byte) {
			if !is(text, "error") {
				c.pass(text)
			}
		}, crowd.Unanswered},
		{"lets a forged sender pass", with(small, "--duration", "8s", "--rate", "100"), func(_ *faulty, c *client, text []byte) {
			c.pass(bytes.Replace(text, []byte(`"code":"forbidden"`), []byte(`"code":"bad_message"`), 1))
		}, crowd.Refused},
		{"counts one missed message too many", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = add(text, "missed", 1)
			}
			c.pass(text)
		}, crowd.Miscounted},
		{"drops what was missed", cutting, func(f *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				c.held = bytes.Clone(text)
			}
			if c.held != nil && isForwarded(text) {
				c.held = nil
				return
			}
			c.pass(text)
		}, crowd.Lost},
		{"claims to have handled what it has not", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = add(text, "handled", 1000)
			}
			c.pass(text)
		}, crowd.Miscounted},
		{"forgets what it has handled", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = add(text, "handled", -3)
			}
			c.pass(text)
		}, crowd.Repeated},
		{"forwards before resumed", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				c.pass([]byte(`{"type":"room_members","room":"` + c.room + `","members":["` + c.id + `"]}`))
			}
			c.pass(text)
		}, crowd.Untimely},
		{"ends sessions", cutting, func(f *faulty, c *client, text []byte) {
			if is(text, "resumed") {
				text = []byte(`{"type":"error","code":"session_expired","error":"too late","re":"resume"}`)
			}
			c.pass(text)
		}, crowd.SessionLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: c.change}
			f.isCaught(t, c.want, c.args...)
		})
	}
}

// A server that comes close to a fault and makes none is not accused.
func TestNearMisses(t *testing.T) {
	tries := new(atomic.Int64)
	for _, c := range []struct {
		name   string
		args   []string
		change func(f *faulty, to *client, text []byte)
	}{
		{"lists that come late", with(small, "--churn", "3", "--duration", "3s"), func(_ *faulty, c *client, text []byte) {
			if is(text, "room_members") {
				time.Sleep(30 * time.Millisecond)
			}
			c.pass(text)
		}},
		{"answers that come late", with(small, "--duration", "4s"), func(_ *faulty, c *client, text []byte) {
			if is(text, "pong") || is(text, "error") {
				time.Sleep(200 * time.Millisecond)
			}
			c.pass(text)
		}},
		{"a resume that is refused for now", cutting, func(_ *faulty, c *client, text []byte) {
			if is(text, "resumed") && tries.Add(1)%2 == 0 {
				// The true answer is lost with the connection, as when a node is cut off.
				c.pass([]byte(`{"type":"error","code":"unavailable","error":"try again","re":"resume"}`))
				_ = c.down.CloseNow()
				_ = c.up.CloseNow()
				return
			}
			c.pass(text)
		}},
		{"closed by the server while it leaves", with(small, "--churn", "3", "--duration", "3s"), func(_ *faulty, c *client, text []byte) {
			c.pass(text)
		}},
		{"cut again while it resumes", with(cutting, "--bad-share", "100"), func(_ *faulty, c *client, text []byte) { c.pass(text) }},
		{"no count of what was handled", cutting, func(_ *faulty, c *client, text []byte) {
			c.pass(regexp.MustCompile(`"handled":\d+,?`).ReplaceAll(text, nil))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: c.change}
			code, out, _ := soak(t, f.start(t), with(c.args, "--expect-breaks", "1000")...)
			if code != report.ExitOK {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}
