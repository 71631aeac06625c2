package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/gate"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

const secretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

func secret() []byte {
	s, err := ParseSecret(secretText)
	if err != nil {
		panic(err)
	}
	return s
}

// receiver is an application that takes webhooks, and checks that they are signed.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	bodies []string
	ids    []string
	come   chan struct{}
}

// receive starts a receiver that answers with answer; n counts from 1.
func receive(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secretText)
	if err != nil {
		t.Fatal(err)
	}
	rc := &receiver{t: t, come: make(chan struct{}, 1000)}
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("signature: %v", err)
		}
		rc.mu.Lock()
		rc.bodies = append(rc.bodies, string(body))
		rc.ids = append(rc.ids, r.Header.Get("webhook-id"))
		n := len(rc.bodies)
		rc.mu.Unlock()
		answer(w, r, n)
		rc.come <- struct{}{}
	}))
	t.Cleanup(rc.Close)
	return rc
}

func (r *receiver) wait(n int) {
	r.t.Helper()
	for range n {
		select {
		case <-r.come:
		case <-time.After(patience):
			r.t.Fatal("a webhook did not come")
		}
	}
}

func TestParseSecret(t *testing.T) {
	for text, want := range map[string]bool{
		secretText: true, strings.TrimPrefix(secretText, "whsec_"): true,
		"": false, "whsec_": false, "whsec_AAAA": false, "not base64": false, "whsec_" + strings.Repeat("A", 100): false,
	} {
		if _, err := ParseSecret(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// hang keeps a request until the server is closed or the client gives up.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.ReadAll(r.Body)
	<-r.Context().Done()
}

// reset breaks the connection in the midst of an answer.
func reset(w http.ResponseWriter, half string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(half))
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// Whatever the application does, a join has an answer in time: its own words where
// it has any, and else that it can't be asked, or yes if it is to fail open.
func TestJoin(t *testing.T) {
	text := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const down = wire.CodeUnavailable
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   wire.Code // 0: let in
		words  string
	}{
		{"yes", text(200, `{"allow":true}`), 0, ""},
		{"yes, with more", text(200, `{"allow":true,"id":"bob","name":"Bob","rights":["moderate"],"future":1}`), 0, ""},
		{"no", text(200, `{"allow":false}`), wire.CodeForbidden, ""},
		{"no, with words", text(200, `{"allow":false,"reason":"the lesson is over"}`), wire.CodeForbidden, "the lesson is over"},
		{"no, with too many words", text(200, `{"allow":false,"reason":"`+strings.Repeat("x", 300)+`"}`), wire.CodeForbidden, "may not join"},
		{"401", text(401, ``), wire.CodeUnauthorized, ""},
		{"403 with words", text(403, `{"reason":"go away"}`), wire.CodeForbidden, "go away"},
		{"403 with a page", text(403, `<h1>no</h1>`), wire.CodeForbidden, ""},
		{"no word", text(200, `{}`), down, ""},
		{"empty", text(200, ``), down, ""},
		{"null", text(200, `null`), down, ""},
		{"no JSON", text(200, `<html>`), down, ""},
		{"allow as text", text(200, `{"allow":"yes"}`), down, ""},
		{"an id that can't be", text(200, `{"allow":true,"id":" "}`), down, ""},
		{"a name that can't be", text(200, `{"allow":true,"name":"\u0007"}`), down, ""},
		{"rights that are none", text(200, `{"allow":true,"rights":"moderate"}`), down, ""},
		{"204", text(204, ``), down, ""},
		{"404", text(404, `{"allow":true}`), down, ""},
		{"500", text(500, `{"allow":true}`), down, ""},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, down, ""},
		{"hangs", hang, down, ""},
		{"resets", func(w http.ResponseWriter, _ *http.Request) { reset(w, "") }, down, ""},
		{"resets in the midst", func(w http.ResponseWriter, _ *http.Request) {
			reset(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"allow\":true}")
		}, down, ""},
		{"no HTTP", func(w http.ResponseWriter, _ *http.Request) { reset(w, "SSH-2.0-x\r\n") }, down, ""},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		}, down, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rc := receive(t, func(w http.ResponseWriter, r *http.Request, _ int) { c.answer(w, r) })
			for _, open := range []bool{false, true} {
				j := newJoin(t, JoinOptions{URL: rc.URL, Secret: secret, Timeout: time.Second, FailOpen: open})
				a, refusal := j.Join(t.Context(), &gate.Question{Room: "r", ID: "b", Remote: netip.MustParseAddr("192.0.2.1")})
				j.poster.client.CloseIdleConnections()
				want := c.want
				if want == down && open {
					want = 0
				}
				switch {
				case want == 0 && (refusal != nil || a == nil):
					t.Errorf("fail open %v: refused: %v", open, refusal)
				case want != 0 && (refusal == nil || wire.CodeOf(refusal) != want || !strings.Contains(refusal.Error(), c.words)):
					t.Errorf("fail open %v: got %v, want %s", open, refusal, want)
				}
				if c.name == "yes, with more" && (a.ID != "bob" || a.Name != "Bob" || *a.Rights != wire.MayModerate) {
					t.Errorf("%+v", a)
				}
			}
		})
	}
}

func TestJoinDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	core, logged := observer.New(zap.DebugLevel)
	j := newJoin(t, JoinOptions{
		URL: "http://user:hidden@" + l.Addr().String() + "/x?key=hidden", Secret: secret, Timeout: time.Second, Logger: zap.New(core),
	})
	if _, refusal := j.Join(t.Context(), &gate.Question{Room: "r", Token: "hidden"}); wire.CodeOf(refusal) != wire.CodeUnavailable {
		t.Errorf("got %v", refusal)
	}
	if n := logged.Len(); n != 1 {
		t.Errorf("%d lines were logged", n)
	}
	for _, line := range logged.All() {
		if text := fmt.Sprint(line.ContextMap()); strings.Contains(text, "hidden") {
			t.Errorf("the log gives a secret away: %s", text)
		}
	}
}

// An answer about a token holds for a while, for the same member of the same room.
func TestJoinCache(t *testing.T) {
	rc := receive(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		fmt.Fprintf(w, `{"allow":%v}`, n != 2)
	})
	j := newJoin(t, JoinOptions{URL: rc.URL, Secret: secret, Timeout: patience, Cache: time.Hour})
	defer j.poster.client.CloseIdleConnections()
	ask := func(room, token string) bool {
		_, refusal := j.Join(t.Context(), &gate.Question{Room: room, Token: token, ID: "a"})
		return refusal == nil
	}
	for i, c := range []struct {
		room, token string
		want        bool
		asked       int
	}{
		{"r", "1", true, 1}, {"r", "1", true, 1}, {"s", "1", false, 2}, {"s", "1", false, 2}, {"r", "2", true, 3},
		{"r", "", true, 4}, {"r", "", true, 5},
	} {
		if got := ask(c.room, c.token); got != c.want || len(rc.bodies) != c.asked {
			t.Errorf("%d: %v, and %d questions", i, got, len(rc.bodies))
		}
	}
	var q question
	if err := json.Unmarshal([]byte(rc.bodies[0]), &q); err != nil || q.Data.Token != "1" || q.Data.Room != "r" || q.Type != "member.joining" {
		t.Errorf("%s %v", rc.bodies[0], err)
	}
}

func newJoin(t *testing.T, o JoinOptions) *Join {
	t.Helper()
	j, err := NewJoin(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// An answer holds for no other question: not for another address, profile or rights,
// and not for a renewal.
func TestJoinCacheKey(t *testing.T) {
	whole := gate.Question{
		Room: "r", ID: "a", Name: "A", Meta: json.RawMessage("1"), Token: "t",
		Remote: netip.MustParseAddr("192.0.2.1"), Rights: wire.DefaultRights,
	}
	k := keyOf(&whole)
	for name, change := range map[string]func(*gate.Question){
		"renewing": func(q *gate.Question) { q.Renewing = true },
		"room":     func(q *gate.Question) { q.Room = "s" },
		"id":       func(q *gate.Question) { q.ID = "b" },
		"name":     func(q *gate.Question) { q.Name = "B" },
		"meta":     func(q *gate.Question) { q.Meta = json.RawMessage("2") },
		"token":    func(q *gate.Question) { q.Token = "u" },
		"remote":   func(q *gate.Question) { q.Remote = netip.MustParseAddr("192.0.2.2") },
		"rights":   func(q *gate.Question) { q.Rights = wire.MaySend },
	} {
		q := whole
		if keyOf(&q) != k {
			t.Fatal("the same question has another key")
		}
		if change(&q); keyOf(&q) == k {
			t.Errorf("the answer holds for another %s", name)
		}
	}
}

// The application is told what it decides on, and of a renewal that it is one.
func TestQuestions(t *testing.T) {
	rc := receive(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		_, _ = io.WriteString(w, []string{`{"allow":true,"meta":{ "a": 1 }}`, `{"allow":true,"meta":null}`, `{"allow":true,"meta":"` + strings.Repeat("x", 2000) + `"}`}[n-1])
	})
	j := newJoin(t, JoinOptions{URL: rc.URL, Secret: secret})
	defer j.poster.client.CloseIdleConnections()
	a, err := j.Join(t.Context(), &gate.Question{
		Room: "r", ID: "a", Name: "A", Meta: json.RawMessage(`{"b":1}`), Token: "t", Remote: netip.MustParseAddr("192.0.2.1"), Rights: wire.MaySend,
	})
	if err != nil || string(a.Meta) != `{"a":1}` {
		t.Errorf("%+v %v", a, err)
	}
	if want := `"type":"member.joining",`; !strings.Contains(rc.bodies[0], want) {
		t.Errorf("%s has no %s", rc.bodies[0], want)
	}
	if want := `"data":{"room":"r","id":"a","name":"A","meta":{"b":1},"token":"t","remote":"192.0.2.1","rights":["send"]}`; !strings.Contains(rc.bodies[0], want) {
		t.Errorf("%s has no %s", rc.bodies[0], want)
	}
	if a, err = j.Join(t.Context(), &gate.Question{Room: "r", Renewing: true}); err != nil || a.Meta != nil {
		t.Errorf("%+v %v", a, err)
	}
	if want := `"type":"member.renewing",`; !strings.Contains(rc.bodies[1], want) || !strings.Contains(rc.bodies[1], `"data":{"room":"r","rights":[]}`) {
		t.Errorf("%s has no %s", rc.bodies[1], want)
	}
	if _, err = j.Join(t.Context(), &gate.Question{Room: "r"}); wire.CodeOf(err) != wire.CodeUnavailable {
		t.Errorf("a profile that is too large: %v", err)
	}
}

// Why a join was refused is for the log.
func TestReasons(t *testing.T) {
	for reason, want := range map[string]string{
		"": "the application refused", "the lesson is over": "the application refused: the lesson is over",
	} {
		if r := refused(&answer{Reason: reason}, http.StatusForbidden); r.Reason != want {
			t.Errorf("%q", r.Reason)
		}
	}
	if errDown.Reason == "" {
		t.Error("no reason")
	}
}

// Options that can't work are refused with an error; those that are not set have a default, and no
// Logger is no panic.
func TestOptions(t *testing.T) {
	for name, o := range map[string]JoinOptions{
		"nothing": {}, "no secret": {URL: "http://127.0.0.1:1"}, "no host": {URL: "http://", Secret: secret},
		"no URL": {URL: "example.org", Secret: secret},
	} {
		if _, err := NewJoin(o); err == nil {
			t.Errorf("join, %s: taken", name)
		}
		if _, err := NewEvents(EventOptions{URL: o.URL, Secret: o.Secret}); err == nil {
			t.Errorf("events, %s: taken", name)
		}
	}
	j := newJoin(t, JoinOptions{URL: "http://127.0.0.1:1", Secret: secret})
	if _, err := j.Join(t.Context(), &gate.Question{Room: "r"}); wire.CodeOf(err) != wire.CodeUnavailable || j.options.Timeout != defaultTimeout {
		t.Errorf("%v", err)
	}
	e, err := NewEvents(EventOptions{URL: "http://127.0.0.1:1", Secret: secret, MaxWaiting: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		e.Notify(event.Event{Kind: event.MemberJoined, Room: "r"})
	}
	e.Close(ctx)
	e.Close(ctx)
}
