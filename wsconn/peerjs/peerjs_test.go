package peerjs

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const opened = `{"type":"OPEN"}`

func query(id, token string) string {
	return fmt.Sprintf("?key=k&id=%s&token=%s&version=1.5.5", id, token)
}

// open dials a peer that is let in.
func open(s *dialecttest.Server, id string) *dialecttest.Client {
	s.T.Helper()
	c := s.Dial(query(id, "t"+id))
	c.Want(opened)
	return c
}

// reaches has one peer send to another, which must get that and nothing before.
func reaches(from, to *dialecttest.Client, src, dst string) {
	from.T.Helper()
	from.Send(`{"type":"OFFER","dst":"` + dst + `","payload":1}`)
	to.Want(`{"type":"OFFER","src":"` + src + `","dst":"` + dst + `","payload":1}`)
}

func TestPayloadsKeepTheirBytesAndSendersCannotBeForged(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := open(s, "a"), open(s, "b")
	for _, typ := range []string{"OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE"} {
		a.Send(`{"src":"b","payload":{"n": 1.50, "x":[ null,"\u00e9"]},"dst":"b","type":"` + typ + `"}`)
		b.Want(`{"type":"` + typ + `","src":"a","dst":"b","payload":{"n": 1.50, "x":[ null,"\u00e9"]}}`)
		a.Send(`{"type":"` + typ + `","dst":"b"}`)
		b.Want(`{"type":"` + typ + `","src":"a","dst":"b"}`)
	}
	reaches(a, a, "a", "a")
}

func TestMessagesForAnAbsentPeerWaitAndKeepTheirOrder(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: dialecttest.Patience}), nil)
	a := open(s, "a")
	for i := range 20 {
		a.Send(fmt.Sprintf(`{"type":"CANDIDATE","dst":"b","payload":%d}`, i))
	}
	a.Send(`{"type":"LEAVE","dst":"b"}`)
	reaches(a, a, "a", "a") // the server has seen all of them
	b := open(s, "b")
	for i := range 20 {
		b.Want(fmt.Sprintf(`{"type":"CANDIDATE","src":"a","dst":"b","payload":%d}`, i))
	}
	b.Want(`{"type":"LEAVE","src":"a","dst":"b"}`)
	reaches(a, b, "a", "b")
}

func TestMessagesExpireToTheSenderOnceForEachReceiver(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: time.Millisecond}), nil)
	a := open(s, "a")
	a.Send(`{"type":"LEAVE","dst":"b"}`) // waits for nobody
	a.Send(`{"type":"EXPIRE","dst":"b"}`)
	for range 3 {
		a.Send(`{"type":"OFFER","dst":"b","payload":1}`)
	}
	a.Want(`{"type":"EXPIRE","src":"b","dst":"a"}`)
	reaches(a, a, "a", "a")
	a.Send(`{"type":"OFFER","dst":"` + strings.Repeat("x", 65) + `","payload":1}`) // nobody can have this id
	a.Want(`{"type":"EXPIRE","src":"` + strings.Repeat("x", 65) + `","dst":"a"}`)
}

func TestTooMuchForAbsentPeersExpiresAtOnce(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: dialecttest.Patience}), func(o *wsconn.Options, _ *hub.Options) { o.Rate = -1 })
	a := open(s, "a")
	for range maxWaiting + 1 {
		a.Send(`{"type":"OFFER","dst":"b","payload":1}`)
	}
	a.Want(`{"type":"EXPIRE","src":"b","dst":"a"}`)
}

// Ids that nobody can have are as long as messages may be.
func TestTooLongIDsOfAbsentPeersExpireAtOnce(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: dialecttest.Patience}), func(o *wsconn.Options, _ *hub.Options) { o.Rate, o.RateBytes = -1, -1 })
	a := open(s, "a")
	id := strings.Repeat("x", 60<<10)
	for range maxWaitingBytes/len(id) + 1 {
		a.Send(`{"type":"OFFER","dst":"` + id + `","payload":1}`)
	}
	a.Want(`{"type":"EXPIRE","src":"` + id + `","dst":"a"}`)
}

func TestAnIDBelongsToItsToken(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := open(s, "a"), open(s, "b")
	thief := s.Dial(query("a", "other"))
	thief.Want(`{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}`)
	thief.WantClose(1000)
	reaches(b, a, "b", "a")

	again := s.Dial(query("a", "ta"))
	again.Want(opened)
	a.WantClose(int(wire.CloseReplaced))
	reaches(b, again, "b", "a")

	again.Close()
	for { // the server may not have seen the close frame yet
		next := s.Dial(query("a", "new"))
		if got := next.Read(); got == opened {
			reaches(b, next, "b", "a")
			return
		}
	}
}

func TestWhoIsNotLetInIsToldSo(t *testing.T) {
	full := func(o *wsconn.Options, _ *hub.Options) { o.Gate = gate(&wsconn.Admission{Capacity: 1}, nil) }
	bad := func(o *wsconn.Options, _ *hub.Options) {
		o.Gate = gate(nil, &wire.Refusal{Code: wire.CodeUnauthorized, Text: "no"})
	}
	for _, test := range []struct {
		name, query, want string
		change            func(*wsconn.Options, *hub.Options)
	}{
		{"no query", "", `"ERROR","payload":{"msg":"No id, token, or key supplied to websocket server"}`, nil},
		{"no id", "?key=k&token=t", `"ERROR","payload":{"msg":"No id, token, or key supplied to websocket server"}`, nil},
		{"empty id", "?key=k&id=&token=t", `"ERROR","payload":{"msg":"No id, token, or key supplied to websocket server"}`, nil},
		{"no token", "?key=k&id=a", `"ERROR","payload":{"msg":"No id, token, or key supplied to websocket server"}`, nil},
		{"no key", "?id=a&token=t", `"ERROR","payload":{"msg":"No id, token, or key supplied to websocket server"}`, nil},
		{"another key", "?key=x&id=a&token=t", `"ERROR","payload":{"msg":"Invalid key provided"}`, nil},
		{"long id", "?key=k&id=" + strings.Repeat("x", 65) + "&token=t", `"ERROR","payload":{"msg":"this cannot be an id"}`, nil},
		{"id with a control character", "?key=k&id=a%00b&token=t", `"ERROR","payload":{"msg":"this cannot be an id"}`, nil},
		{"id that is no UTF-8", "?key=k&id=%ff&token=t", `"ERROR","payload":{"msg":"this cannot be an id"}`, nil},
		{"full", query("b", "t"), `"ERROR","payload":{"msg":"Server has reached its concurrent user limit"}`, full},
		{"token that the gate does not take", query("b", "a.b.c"), `"ERROR","payload":{"msg":"Invalid token provided"}`, bad},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := dialecttest.Serve(t, New(Options{Keys: []string{"k"}}), test.change)
			if test.name == "full" {
				open(s, "a")
			}
			c := s.Dial(test.query)
			c.Want(`{"type":` + test.want + `}`)
			c.WantClose(1000)
		})
	}
}

// gate decides the same for all.
func gate(a *wsconn.Admission, err error) wsconn.Gate { return &sameGate{a: a, err: err} }

type sameGate struct {
	a     *wsconn.Admission
	err   error
	asked chan wsconn.JoinRequest // nil: it is not told
}

func (g *sameGate) Join(_ context.Context, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	if g.asked != nil {
		g.asked <- *r
	}
	return g.a, g.err
}

func (g *sameGate) Renew(context.Context, *wsconn.RenewRequest) (*wsconn.Admission, error) {
	return nil, wsconn.ErrNoTokens
}

func TestTheGateGetsTokensThatPagesGiveAndNoneThatPeerJSMakesUp(t *testing.T) {
	g := &sameGate{a: &wsconn.Admission{}, asked: make(chan wsconn.JoinRequest, 1)}
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.Gate = g })
	for token, want := range map[string]string{"m0xa1b2c": "", "a.b.c": "a.b.c"} {
		s.Dial(query("a"+want, token)).Want(opened)
		if r := <-g.asked; r.Token != want || r.Room != "peerjs:k" || r.ID != "a"+want {
			t.Errorf("the gate was asked about %+v", r)
		}
	}
}

func TestWithoutTheRightToSendMessagesExpire(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) {
		o.Gate = gate(&wsconn.Admission{Grant: &hub.Grant{}}, nil)
	})
	a := open(s, "a")
	open(s, "b")
	a.Send(`{"type":"OFFER","dst":"b","payload":1}`)
	a.Want(`{"type":"EXPIRE","src":"b","dst":"a"}`)
}

// Pages may share a JWT: an id belongs to one only if it names the id.
func TestAJWTGivesAnIDOnlyIfItNamesIt(t *testing.T) {
	grants := map[string]*hub.Grant{
		"for.any.id": {Rights: wire.DefaultRights},
		"for.a.only": {Rights: wire.DefaultRights, Subject: "a"},
	}
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.Gate = grantGate(grants) })
	b := s.Dial(query("b", "for.any.id"))
	b.Want(opened)
	thief := s.Dial(query("b", "for.any.id"))
	thief.Want(`{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}`)
	a := s.Dial(query("a", "for.a.only"))
	a.Want(opened)
	again := s.Dial(query("a", "for.a.only"))
	again.Want(opened)
	a.WantClose(int(wire.CloseReplaced))
	reaches(again, b, "a", "b")
}

func TestWhereTokensAreNotReadAnyTokenGivesAnID(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{NoTokens: true}), nil)
	a := s.Dial(query("a", "looks.like.one"))
	a.Want(opened)
	again := s.Dial(query("a", "looks.like.one"))
	again.Want(opened)
	a.WantClose(int(wire.CloseReplaced))
}

// grantGate lets in who has one of its tokens.
type grantGate map[string]*hub.Grant

func (g grantGate) Join(_ context.Context, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	return &wsconn.Admission{Grant: g[r.Token]}, nil
}

func (g grantGate) Renew(context.Context, *wsconn.RenewRequest) (*wsconn.Admission, error) {
	return nil, wsconn.ErrNoTokens
}

func TestEachKeyHasItsOwnIDs(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: time.Millisecond}), nil)
	a, b := open(s, "a"), open(s, "b")
	other := s.Dial("?key=other&id=a&token=x")
	other.Want(opened)
	other.Send(`{"type":"OFFER","dst":"b","payload":2}`)
	other.Want(`{"type":"EXPIRE","src":"b","dst":"a"}`)
	reaches(b, a, "b", "a")
}

func TestAPeerThatLeavesTheServerIsGone(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Expire: time.Millisecond}), nil)
	a, b := open(s, "a"), open(s, "b")
	a.Send(`{"type":"LEAVE"}`)
	a.Send(`{"type":"OFFER","dst":"b","payload":1}`) // of nobody: ignored
	again := s.Dial(query("a", "other"))
	for again.Read() != opened {
		again = s.Dial(query("a", "other"))
	}
	reaches(b, again, "b", "a")
}

func TestAKickClosesTheConnection(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a := open(s, "a")
	if err := s.Hub.Kick(t.Context(), "peerjs:k", "a"); err != nil {
		t.Fatal(err)
	}
	a.WantClose(int(wire.CloseKicked))
}

func TestAnIdleConnectionIsPinged(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) {
		o.PingInterval, o.PingTimeout, o.JoinTimeout = 10*time.Millisecond, dialecttest.Patience, 20*time.Millisecond
	})
	a, b := open(s, "a"), open(s, "b")
	a.Send(`{"type":"HEARTBEAT"}`)
	for range 5 {
		reaches(a, b, "a", "b")
	}
}

func get(t *testing.T, h http.Handler, key, origin string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetPathValue("key", key)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestIDsAreNewAndPagesMayReadThem(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.AllowOrigins = []string{"app.example.org"} })
	id, _ := New(Options{}).API(s.Hub, s.Speaks.AllowsOrigin)
	seen := map[string]bool{}
	for range 100 {
		w := get(t, id, "k", "https://app.example.org")
		if w.Code != 200 || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(w.Body.String()) || seen[w.Body.String()] {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
		seen[w.Body.String()] = true
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "https://app.example.org" {
			t.Errorf("the page may not read it: %q", got)
		}
	}
	if got := get(t, id, "k", "https://evil.example.org").Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("another page may read it: %q", got)
	}
}

func TestPeersAreListedOnlyWithDiscovery(t *testing.T) {
	for _, discovery := range []bool{false, true} {
		d := New(Options{Discovery: discovery, Keys: []string{"k", "empty"}})
		s := dialecttest.Serve(t, d, nil)
		open(s, "b")
		open(s, "a")
		_, peers := d.API(s.Hub, s.Speaks.AllowsOrigin)
		for key, want := range map[string]string{"k": `["a","b"]`, "empty": "[]", "other": ""} {
			w := get(t, peers, key, "")
			switch got := strings.TrimSpace(w.Body.String()); {
			case discovery && want != "" && (w.Code != 200 || got != want):
				t.Errorf("key %s: %d %s", key, w.Code, got)
			case (!discovery || want == "") && w.Code != 401:
				t.Errorf("discovery %v, key %s: %d %s", discovery, key, w.Code, got)
			}
		}
	}
}
