package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
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

// faulty is a server that does wrong: a good one behind a proxy that changes what
// goes to the members.
type faulty struct {
	upstream string
	change   func(f *faulty, to *client, text []byte) // passes on what a member is to get

	mu      sync.Mutex // guards what follows
	clients []*client
	n       int // messages forwarded so far
}

// client is a member's connection through the proxy.
type client struct {
	id, room string
	down, up *websocket.Conn
	ctx      context.Context
	held     []byte // owned by who reads from upstream
}

var joinFields = regexp.MustCompile(`"room":"([^"]*)","from":"([^"]*)"`)

func (f *faulty) start(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func (f *faulty) serve(w http.ResponseWriter, r *http.Request) {
	down, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	up, _, err := websocket.Dial(ctx, f.upstream, &websocket.DialOptions{
		// The proxy must not say for the client that it has had everything.
		OnPingReceived: func(context.Context, []byte) bool { return false },
	})
	if err != nil {
		return
	}
	defer up.CloseNow()
	defer down.CloseNow()
	c := &client{down: down, up: up, ctx: ctx}
	var end sync.WaitGroup
	end.Go(func() {
		defer cancel()
		for {
			typ, text, err := down.Read(ctx)
			if err != nil {
				if code := websocket.CloseStatus(err); code == websocket.StatusNormalClosure {
					_ = up.Close(code, "") // so that the server reads what came before
				}
				return
			}
			if m := joinFields.FindSubmatch(text); m != nil && bytes.Contains(text, []byte(`"join"`)) {
				f.mu.Lock()
				c.room, c.id = string(m[1]), string(m[2])
				f.clients = append(f.clients, c)
				f.mu.Unlock()
			}
			if up.Write(ctx, typ, text) != nil {
				return
			}
		}
	})
	for {
		_, text, err := up.Read(ctx)
		if err != nil {
			break
		}
		f.change(f, c, text)
	}
	cancel()
	end.Wait()
}

// isCaught runs soak against the server, which must find a fault of a kind, and returns
// what soak printed.
func (f *faulty) isCaught(t *testing.T, want string, args ...string) string {
	t.Helper()
	code, out, r := soak(t, f.start(t), args...)
	named := false
	for _, k := range r.Faults {
		named = named || k.Kind == want && k.Count > 0 && len(k.Examples) > 0
	}
	if code != report.ExitFailed || !named {
		t.Errorf("exit code %d, want a fault %q:\n%s", code, want, out)
	}
	return out
}

func (c *client) pass(text []byte) { _ = c.down.Write(c.ctx, websocket.MessageText, text) }

// isForwarded reports whether a message came from another member.
func isForwarded(text []byte) bool { return bytes.Contains(text, []byte(`"sdp`)) }

// every returns true for one forwarded message in n.
func (f *faulty) every(n int, text []byte) bool {
	return isForwarded(text) && f.turn(n)
}

// everyOf is every for the messages of a type.
func (f *faulty) everyOf(n int, text []byte, typ string) bool { return is(text, typ) && f.turn(n) }

func (f *faulty) turn(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return f.n%n == 0
}

// other returns another client, of the same room or of another.
func (f *faulty) other(c *client, sameRoom bool) *client {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.clients {
		if o != c && (o.room == c.room) == sameRoom {
			return o
		}
	}
	return nil
}

var (
	fromField = regexp.MustCompile(`"from":"([^"]*)"`)
	hexDue    = regexp.MustCompile(`IN IP4|network-cost|typ host`)
)

// Each way of doing wrong is found, and named.
func TestFaultyServers(t *testing.T) {
	rename := func(text []byte, id string) []byte { return fromField.ReplaceAll(text, []byte(`"from":"`+id+`"`)) }
	for _, c := range []struct {
		name   string
		change func(f *faulty, c *client, text []byte)
		want   string
	}{
		{"drops", func(f *faulty, c *client, text []byte) {
			if !f.every(50, text) {
				c.pass(text)
			}
		}, "lost"},
		{"drops the last", func(f *faulty, c *client, text []byte) {
			// All that comes to one member from some time on.
			f.mu.Lock()
			if isForwarded(text) {
				f.n++
			}
			drop := f.n > 200 && isForwarded(text)
			f.mu.Unlock()
			if !drop {
				c.pass(text)
			}
		}, "lost"},
		{"repeats", func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if f.every(50, text) {
				c.pass(text)
			}
		}, "repeated"},
		{"swaps", func(f *faulty, c *client, text []byte) {
			if c.held != nil && isForwarded(text) && bytes.Equal(fromField.Find(c.held), fromField.Find(text)) {
				c.pass(text)
				c.pass(c.held)
				c.held = nil
				return
			}
			if c.held == nil && f.every(50, text) {
				c.held = bytes.Clone(text)
				return
			}
			c.pass(text)
		}, "out of order"},
		{"delays", func(f *faulty, c *client, text []byte) {
			if f.every(100, text) {
				time.Sleep(1500 * time.Millisecond)
			}
			c.pass(text)
		}, "delayed"},
		{"alters", func(f *faulty, c *client, text []byte) {
			if f.every(50, text) {
				text = hexDue.ReplaceAll(text, []byte("something else"))
			}
			c.pass(text)
		}, "altered"},
		{"encodes anew", func(f *faulty, c *client, text []byte) {
			if f.every(50, text) {
				text = bytes.Replace(text, []byte(`"sdpMid":"0"`), []byte(`"sdpMid" : "0"`), 1)
				text = bytes.Replace(text, []byte(`v=0`), []byte(`v=\u0030`), 1)
			}
			c.pass(text)
		}, "reencoded"},
		{"delivers to another member", func(f *faulty, c *client, text []byte) {
			if o := f.other(c, true); o != nil && f.every(50, text) {
				o.pass(text)
				return
			}
			c.pass(text)
		}, "misdelivered"},
		{"delivers to another room", func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if o := f.other(c, false); o != nil && f.every(50, text) {
				o.pass(text)
			}
		}, "misdelivered"},
		{"forges the sender", func(f *faulty, c *client, text []byte) {
			if f.every(50, text) {
				text = rename(text, "mallory")
			}
			c.pass(text)
		}, "forged sender"},
		{"invents", func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if f.every(50, text) {
				c.pass([]byte(`{"type":"candidate","room":"` + c.room + `","from":"` + c.id + `","candidate":{"sdpMid":"0"}}`))
			}
		}, "invented"},
		{"hides a member", func(_ *faulty, c *client, text []byte) {
			if bytes.Contains(text, []byte(`"room_members"`)) && strings.HasSuffix(c.id, "-0") {
				text = bytes.Replace(text, []byte(`,"`+strings.TrimSuffix(c.id, "0")+`1"`), nil, 1)
			}
			c.pass(text)
		}, "stranger"},
		{"forgets a member", func(_ *faulty, c *client, text []byte) {
			if bytes.Contains(text, []byte(`"room_members"`)) && strings.HasSuffix(c.id, "-0") {
				text = bytes.Replace(text, []byte(`,"`+strings.TrimSuffix(c.id, "0")+`1"`), nil, 1)
			}
			c.pass(text)
		}, "membership"},
		{"tells of one who is not there", func(_ *faulty, c *client, text []byte) {
			c.pass(bytes.Replace(text, []byte(`"members":[`), []byte(`"members":["ghost",`), 1))
		}, "membership"},
		{"forwards before joined", func(_ *faulty, c *client, text []byte) {
			if bytes.Contains(text, []byte(`"joined"`)) {
				c.pass([]byte(`{"type":"room_members","room":"` + c.room + `","members":["` + c.id + `"]}`))
			}
			c.pass(text)
		}, "too early"},
		{"refuses", func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if f.every(50, text) {
				c.pass([]byte(`{"type":"error","code":"internal","error":"something is wrong"}`))
			}
		}, "refused"},
		{"closes", func(f *faulty, c *client, text []byte) {
			if f.every(50, text) {
				_ = c.down.Close(websocket.StatusInternalError, "oops")
				return
			}
			c.pass(text)
		}, "connection lost"},
		{"is no JSON", func(f *faulty, c *client, text []byte) {
			c.pass(text)
			if f.every(50, text) {
				c.pass(text[:len(text)-1])
			}
		}, "not JSON"},
		{"never lets in", func(_ *faulty, c *client, text []byte) {
			if !bytes.Contains(text, []byte(c.id+`"]`)) && !bytes.Contains(text, []byte(`"joined"`)) {
				c.pass(text)
			}
		}, "not joined"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: c.change}
			args := small
			switch c.want {
			case crowd.Delayed:
				args = with(small, "--late", "1s")
			case crowd.Stranger:
				args = with(small, "--duration", "4s") // for enough calls of the one who is hidden
			}
			if out := f.isCaught(t, c.want, args...); !strings.Contains(out, "FAULT     "+c.want+": ") || !strings.Contains(out, "FAIL") {
				t.Errorf("the summary does not name %q:\n%s", c.want, out)
			}
		})
	}
}

// A fault names the message, the pair and the time.
func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	f := &faulty{upstream: server(t), change: func(f *faulty, c *client, text []byte) {
		c.pass(text)
		if f.every(100, text) {
			c.pass(text)
		}
	}}
	_, out, r := soak(t, f.start(t), small...)
	for _, k := range r.Faults {
		for _, e := range k.Examples {
			if k.Kind == "repeated" && (e.At <= 0 || !strings.HasPrefix(e.From, "soak-") || !strings.HasPrefix(e.To, "soak-") || e.From == e.To || !regexp.MustCompile(`^(offer|answer|candidate) \d+$`).MatchString(e.Message)) {
				t.Errorf("%+v:\n%s", e, out)
			}
		}
	}
	if len(r.Faults) != 1 || r.Faults[0].Kind != "repeated" {
		t.Errorf("other faults than the one:\n%s", out)
	}
}

// breaking breaks a connection at one in so many messages.
func breaking(n int) func(f *faulty, c *client, text []byte) {
	return func(f *faulty, c *client, text []byte) {
		if f.every(n, text) {
			_ = c.down.CloseNow()
			_ = c.up.CloseNow()
			return
		}
		c.pass(text)
	}
}

// Connections that break now and then are faults, each with its time and what was in
// flight, unless the run expects them or has an objective for them. They are resumed, and
// nothing is lost.
func TestBreakingConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"unexpected": {nil, report.ExitFailed},
		"too many":   {[]string{"--expect-breaks", "1"}, report.ExitFailed},
		"expected":   {[]string{"--expect-breaks", "1000"}, report.ExitOK},
		"allowed":    {[]string{"--objective", "breaks<1000"}, report.ExitOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: breaking(40)}
			code, out, r := soak(t, f.start(t), with(small, c.args...)...)
			p := &r.Phases[0]
			if code != c.code || p.Counts.Resumes == 0 || p.Closes["broken"] == 0 || p.Counts.Lost > 0 || p.Counts.Received != p.Counts.Sent {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			for _, k := range r.Faults {
				if k.Kind != crowd.Broken || !strings.Contains(k.Examples[0].Text, "in flight: ") || k.Examples[0].At <= 0 {
					t.Errorf("another fault than the breaks:\n%s", out)
				}
			}
		})
	}
}

// A session that is over is a fault, and its member joins again.
func TestLostSessions(t *testing.T) {
	t.Parallel()
	url := server(t, func(o *hub.Options, _ *wsconn.Options) { o.ResumeWindow = time.Millisecond })
	code, out, _ := soak(t, url, with(small, "--profile", "reconnect", "--cuts", "5")...)
	if code != report.ExitFailed || !strings.Contains(out, "FAULT     session lost: ") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
