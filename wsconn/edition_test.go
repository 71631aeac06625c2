package wsconn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// gateOf decides with functions.
type gateOf struct {
	join  func(*JoinRequest) (*Admission, error)
	renew func(*RenewRequest) (*Admission, error)
}

func (g gateOf) Join(_ context.Context, r *JoinRequest) (*Admission, error) { return g.join(r) }

func (g gateOf) Renew(_ context.Context, r *RenewRequest) (*Admission, error) { return g.renew(r) }

// byToken grants what a token says, which here is the sub alone.
func byToken(r *JoinRequest) (*Admission, error) {
	if r.Token == "" {
		return &Admission{}, nil
	}
	return &Admission{ID: r.Token, Grant: &hub.Grant{Rights: wire.DefaultRights, Subject: r.Token}}, nil
}

// Somebody with the same token takes the place of a connection that does not answer.
func TestTakeover(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { o.Gate = gateOf{join: byToken} })
	other := s.dial()
	other.join("r", "other")
	old := s.dialRaw("")
	old.write(masked(0x81, `{"type":"join","room":"r","token":"ann"}`))
	other.sees("ann")
	guest := s.dial()
	guest.send(`{"type":"join","room":"r","from":"ann","takeover":true}`)
	guest.wantError(wire.CodeDuplicateID)
	fresh := s.dial()
	fresh.send(`{"type":"join","room":"r","token":"ann"}`)
	fresh.wantError(wire.CodeDuplicateID)
	fresh.send(`{"type":"join","room":"r","token":"ann","takeover":true}`)
	fresh.sees("ann")
	other.want(`{"type":"room_members","room":"r","members":["ann","other"]}`)
	old.wantClose(wire.CloseReplaced)
}

// A holder of a taken id that is silent is dropped within seconds.
func TestTakenIDOfASilentHolder(t *testing.T) {
	o := Options{PingInterval: time.Hour, JoinTimeout: -1}
	synctestPair(t, o, func(t *testing.T, silent, other *raw) {
		silent.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		silent.want(0x81, `{"type":"joined","room":"r","from":"a","limits":{"message_bytes":65536}}`)
		silent.want(0x81, `{"type":"room_members","room":"r","members":["a"]}`)
		start := time.Now()
		other.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		if _, text, err := other.frame(); err != nil || !strings.Contains(text, "duplicate_id") {
			t.Errorf("got %s %v", text, err)
		}
		go func() { // the ping comes, and is not answered
			for {
				if _, _, err := silent.frame(); err != nil {
					return
				}
			}
		}()
		time.Sleep(3 * time.Second)
		other.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		other.want(0x81, `{"type":"joined","room":"r","from":"a","limits":{"message_bytes":65536}}`)
		if d := time.Since(start); d > 4*time.Second {
			t.Errorf("let in after %s", d)
		}
	})
}

// Profiles come with a join, change with update, and stand in lists.
func TestProfiles(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.dial(), s.dial()
	a.send(`{"type":"join","room":"r","from":"a","meta":{"color":"red"}}`)
	a.sees("a")
	b.send(`{"type":"join","room":"r","from":"b"}`)
	b.text()
	b.want(`{"type":"room_members","room":"r","members":["a","b"],"meta":{"a":{"color":"red"}}}`)
	a.sees("b")
	a.send(`{"type":"update","meta":[1]}`)
	b.want(`{"type":"room_members","room":"r","members":["a","b"],"meta":{"a":[1]}}`)
	a.send(`{"type":"update","meta":null}`)
	b.want(`{"type":"room_members","room":"r","members":["a","b"]}`)
}

// A gate that panics, hangs up on its own rules or says nothing costs its own client
// the connection or the join, and nobody else anything.
func TestGateThatFails(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.Gate = gateOf{
			join: func(r *JoinRequest) (*Admission, error) {
				switch r.Room {
				case "panic":
					panic("boom")
				case "exit":
					runtime.Goexit()
				case "error":
					return nil, errors.New("the database is away")
				case "nothing":
					return nil, nil
				case "no code":
					return nil, &wire.Refusal{Text: "no"}
				case "another code":
					return nil, &wire.Refusal{Code: 200, Text: "no"}
				case "bad id":
					return &Admission{ID: " x"}, nil
				case "bad name":
					return &Admission{Name: strings.Repeat("x", 65)}, nil
				case "bad profile":
					return &Admission{Meta: json.RawMessage("{{{"), Grant: &hub.Grant{Profiled: true}}, nil
				case "typed nil":
					var none *wire.Refusal
					return nil, none
				}
				return &Admission{}, nil
			},
			renew: func(*RenewRequest) (*Admission, error) { return &Admission{}, nil },
		}
		o.ICEServers = func(id string, _ time.Time) json.RawMessage {
			if id == "no ice" {
				panic("boom")
			}
			return json.RawMessage(`[]`)
		}
	})
	other := s.dial()
	other.join("r", "other")
	for _, room := range []string{"error", "nothing", "typed nil", "no code", "another code", "bad id", "bad name", "bad profile"} {
		c := s.dial()
		c.send(`{"type":"join","room":%q}`, room)
		c.wantError(wire.CodeUnavailable)
		c.join("r", "after "+room)
		c.send(`{"type":"token","token":"t"}`)
		if text := c.text(); !strings.HasPrefix(text, `{"type":"token"`) {
			t.Errorf("a renewal without a grant: %s", text)
		}
	}
	for _, text := range []string{`{"type":"join","room":"panic"}`, `{"type":"join","room":"exit"}`, `{"type":"join","room":"r","from":"no ice"}`} {
		c := s.dial()
		c.send("%s", text)
		c.wantClose(wire.CloseInternalError)
	}
	other.send(`{"type":"ping"}`)
	for {
		if text := other.text(); text == `{"type":"pong"}` {
			break
		}
	}
}

// ICE servers are for members, for as long as their grants hold.
func TestICEIsForMembers(t *testing.T) {
	until := time.Now().Add(time.Hour)
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.Gate = gateOf{
			join: func(*JoinRequest) (*Admission, error) {
				return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: until}}, nil
			},
		}
		o.ICEServers = func(id string, t time.Time) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(`["%s %v"]`, id, t.Equal(until)))
		}
	})
	c := s.dial()
	c.send(`{"type":"ice"}`)
	c.wantError(wire.CodeNotJoined)
	c.send(`{"type":"join","room":"r","from":"a"}`)
	if text := c.text(); !strings.Contains(text, `"ice_servers":["a true"]`) {
		t.Errorf("got %s", text)
	}
	c.sees("a")
	c.send(`{"type":"ice"}`)
	c.want(`{"type":"ice","ice_servers":["a true"]}`)
	c.send(`{"type":"leave"}`)
	c.send(`{"type":"ice"}`)
	c.wantError(wire.CodeNotJoined)
}

// 1001 may be a proxy's: the membership can be resumed, and nothing is missing.
func TestGoingAwayIsResumed(t *testing.T) {
	for code, resumes := range map[websocket.StatusCode]bool{
		websocket.StatusGoingAway: true, websocket.StatusNormalClosure: false, websocket.StatusNoStatusRcvd: false,
	} {
		s := newServer(t, func(_ *Options, o *hub.Options) { o.ResumeWindow = time.Minute })
		other := s.dial()
		other.join("r", "other")
		c := s.dialRaw("")
		session := c.joinResumable("r", "a")
		other.sees("a")
		payload := string([]byte{byte(code >> 8), byte(code)})
		if code == websocket.StatusNoStatusRcvd {
			payload = ""
		}
		c.write(masked(0x88, payload))
		if _, err := c.r.ReadByte(); err == nil && resumes {
			t.Error("something was written to a connection that goes away")
		}
		if !resumes {
			other.want(`{"type":"room_members","room":"r","members":["other"]}`)
			continue
		}
		other.send(`{"type":"message","to":"a","data":1}`)
		other.send(`{"type":"ping"}`)
		other.want(`{"type":"pong"}`) // the hub has had the message
		second := s.dialRaw("")
		second.resume(session, 2)
		second.want(0x81, `{"type":"resumed","room":"r","from":"a","missed":1,"handled":1,"limits":{"message_bytes":65536},"ref":"again"}`)
		second.want(0x81, `{"type":"message","to":"a","data":1,"room":"r","from":"other"}`)
	}
}

// The zero value of Options is a server that works.
func TestZeroOptionsWork(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { *o = Options{} })
	a, b := s.dial(), s.dial()
	a.join("r", "a")
	b.join("r", "b")
	a.send(`{"type":"message","data":1}`)
	b.want(`{"type":"message","data":1,"room":"r","from":"a"}`)
}

// Shutdown and Close work as in net/http: in any order, and more than once. A
// connection that is open when the handler is closed ends.
func TestHandlerEnds(t *testing.T) {
	for _, first := range []string{"shutdown", "close"} {
		s := newServer(t, nil)
		c := s.dial()
		c.join("r", "a")
		ended := make(chan struct{})
		go func() { // a client that answers the close frame need not be waited for
			defer close(ended)
			for err := error(nil); err == nil; {
				_, _, err = c.conn.Read(c.ctx)
			}
		}()
		ends := map[string]func() error{
			"shutdown": func() error { return s.handler.Shutdown(t.Context()) },
			"close":    s.handler.Close,
		}
		if err := ends[first](); err != nil {
			t.Error(err)
		}
		for range 2 {
			for name, end := range ends {
				if err := end(); err != nil {
					t.Errorf("%s after %s: %v", name, first, err)
				}
			}
		}
		if <-ended; c.ctx.Err() != nil {
			t.Errorf("after %s the connection goes on", first)
		}
		if _, _, err := websocket.Dial(t.Context(), s.url, nil); err == nil {
			t.Errorf("after %s a connection was let in", first)
		}
	}
}

// Both spellings of a name are one room and one member, and receivers see one.
func TestOneSpelling(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.dial(), s.dial()
	a.send(`{"type":"join","room":"Café","from":"Zoë"}`)
	a.sees("Zoë")
	b.send("{\"type\":\"join\",\"room\":\"Cafe\u0301\",\"from\":\"Zoe\u0308\"}")
	b.wantError(wire.CodeDuplicateID)
	b.send("{\"type\":\"join\",\"room\":\"Cafe\u0301\",\"from\":\"b\"}")
	b.sees("b")
	b.send("{\"type\":\"message\",\"to\":\"Zoe\u0308\",\"room\":\"Cafe\u0301\",\"data\":1}")
	a.sees("b")
	if text := a.text(); !strings.Contains(text, `"room":"Café"`) || strings.Contains(text, "Cafe\u0301") {
		t.Errorf("got %s", text)
	}
}

// A gate that takes its time is told when the connection is over, and keeps Close
// from nothing.
func TestCloseEndsDecisions(t *testing.T) {
	asked, told := make(chan struct{}), make(chan error, 1)
	s := newServer(t, func(o *Options, _ *hub.Options) { o.Gate = waitingGate{asked, told} })
	c := s.dial()
	c.send(`{"type":"join","room":"r"}`)
	<-asked
	if err := s.handler.Close(); err != nil {
		t.Error(err)
	}
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("the gate was told %v", err)
	}
}

type waitingGate struct {
	asked chan struct{}
	told  chan error
}

func (g waitingGate) Join(ctx context.Context, _ *JoinRequest) (*Admission, error) {
	close(g.asked)
	<-ctx.Done()
	g.told <- ctx.Err()
	return nil, ctx.Err()
}

func (waitingGate) Renew(context.Context, *RenewRequest) (*Admission, error) {
	return nil, ErrNoTokens
}

func TestHandlerNeedsAHub(t *testing.T) {
	if _, err := NewHandler(nil, Options{}); err == nil {
		t.Error("taken")
	}
}

// A client that asks for changes gets one list, and then what has changed; the others get
// lists.
func TestChanges(t *testing.T) {
	s := newServer(t, nil)
	ann := s.dial()
	ann.send(`{"type":"join","room":"r","from":"ann","changes":true}`)
	ann.want(`{"type":"joined","room":"r","from":"ann","limits":{"message_bytes":65536}}`)
	ann.want(`{"type":"room_members","room":"r","members":["ann"]}`)
	bob := s.dial()
	bob.send(`{"type":"join","room":"r","from":"bob","name":"Bob","changes":false}`)
	ann.want(`{"type":"room_changes","room":"r","joined":["bob"],"names":{"bob":"Bob"},"count":2}`)
	bob.sees("bob")
	cat := s.dial()
	cat.join("r", "cat")
	ann.want(`{"type":"room_changes","room":"r","joined":["cat"],"count":3}`)
	bob.sees("cat")
	bad := s.dial()
	bad.send(`{"type":"join","room":"r","from":"dan","changes":"yes"}`)
	bad.wantError(wire.CodeBadMessage)
}
