package ayame

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// accepted is the answer to a client that is let in.
type accepted struct {
	Type          string
	ConnectionID  string `json:"connectionId"`
	IsExistClient bool   `json:"isExistClient"`
	IsExistUser   bool   `json:"isExistUser"`
	ICEServers    json.RawMessage
	AuthzMetadata json.RawMessage
}

// enter dials a client that registers in room r and is let in.
func enter(s *dialecttest.Server, more string) (*dialecttest.Client, accepted) {
	s.T.Helper()
	c := s.Dial("")
	c.Send(`{"type":"register","roomId":"r"` + more + `}`)
	var a accepted
	text := c.Read()
	for text == `{"type":"ping"}` {
		text = c.Read()
	}
	if json.Unmarshal([]byte(text), &a) != nil || a.Type != "accept" || len(a.ConnectionID) != 26 || a.IsExistClient != a.IsExistUser {
		s.T.Fatalf("got %s", text)
	}
	return c, a
}

// pair dials two clients in one room.
func pair(s *dialecttest.Server) (one, two *dialecttest.Client) {
	s.T.Helper()
	one, a := enter(s, "")
	two, b := enter(s, "")
	if a.IsExistClient || !b.IsExistClient {
		s.T.Fatalf("the first is told %v, the second %v", a.IsExistClient, b.IsExistClient)
	}
	meet(one, two)
	return one, two
}

// meet has the first see that the second is there.
func meet(one, two *dialecttest.Client) {
	one.T.Helper()
	two.Send(`{"type":"candidate"}`)
	for {
		switch text := one.Read(); text {
		case `{"type":"candidate"}`:
			return
		case `{"type":"ping"}`:
		default:
			one.T.Fatal(text)
		}
	}
}

func TestTheSecondOffersAndMessagesKeepTheirBytes(t *testing.T) {
	one, two := pair(dialecttest.Serve(t, New(Options{}), nil))
	offer := `{ "sdp":"v=0\r\n", "type":"offer", "n": 1.50 }`
	two.Send(offer)
	one.Want(offer)
	for _, text := range []string{`{"type":"answer","sdp":"x"}`, `{"type":"candidate","ice":{"candidate":"c"}}`, `{"ice":null,"type":"candidate"}`} {
		one.Send(text)
		two.Want(text)
		two.Send(text)
		one.Want(text)
	}
}

func TestWhoStaysGetsByeAndIsClosed(t *testing.T) {
	for name, end := range map[string]func(c *dialecttest.Client){
		"a close frame":     func(c *dialecttest.Client) { c.Close() },
		"a lost connection": func(c *dialecttest.Client) { _ = c.Conn.CloseNow() },
		"a wrong message":   func(c *dialecttest.Client) { c.Send("x") },
	} {
		t.Run(name, func(t *testing.T) {
			one, two := pair(dialecttest.Serve(t, New(Options{}), nil))
			end(two)
			one.Want(`{"type":"bye"}`)
			one.WantClose(1000)
		})
	}
}

// A client whose messages do not reach the other does not wait for their answers in vain.
func TestTooMuchForTheOtherEndsTheConnection(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) {
		o.QueueBytes, o.Rate, o.RateBytes = 128<<10, -1, -1
	})
	_, two := pair(s)
	go func() {
		text := []byte(`{"type":"candidate","ice":"` + strings.Repeat("x", 32<<10) + `"}`)
		for two.Conn.Write(t.Context(), websocket.MessageText, text) == nil {
		}
	}()
	two.WantClose(1000)
	if s.Hub.Stats().Refusals[wire.CodeCongested].Load() == 0 {
		t.Error("nothing was congested: the test shows nothing")
	}
}

func TestARoomHasTwo(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	one, two := pair(s)
	if n := s.Hub.Stats().Refusals[wire.CodeRoomFull].Load(); n != 0 {
		t.Errorf("%d refusals are counted for two clients that are in", n)
	}
	third := s.Dial("")
	third.Send(`{"type":"register","roomId":"r"}`)
	third.Want(`{"type":"reject","reason":"full"}`)
	third.WantClose(1000)
	if n := s.Hub.Stats().Refusals[wire.CodeRoomFull].Load(); n != 1 {
		t.Errorf("%d refusals are counted for one", n)
	}
	two.Send(`{"type":"offer","sdp":"x"}`)
	one.Want(`{"type":"offer","sdp":"x"}`)
	two.Close()
	one.WantClose(1000)
	for { // the room is free again once both are gone
		c := s.Dial("")
		c.Send(`{"type":"register","roomId":"r"}`)
		if text := c.Read(); strings.Contains(text, `"isExistClient":false`) {
			return
		}
	}
}

// Of two that join at the same time, exactly one is told to wait, whichever it is.
func TestOneOfTwoWaits(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.RateChanges = -1 })
	for i := range 50 {
		exist := make(chan bool)
		for range 2 {
			c := s.Dial("")
			go func() {
				c.Send(fmt.Sprintf(`{"type":"register","roomId":"room %d"}`, i))
				var a accepted
				_ = json.Unmarshal([]byte(c.Read()), &a)
				exist <- a.IsExistClient
			}()
		}
		if a, b := <-exist, <-exist; a == b {
			t.Fatalf("both are told %v", a)
		}
	}
}

func TestPingsAreSentAndMustBeAnswered(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{Ping: 20 * time.Millisecond, PongTimeout: time.Second}), nil)
	one, _ := enter(s, "")
	two, _ := enter(s, "")
	meet(one, two)
	go func() { // one answers
		for one.Conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"pong"}`)) == nil {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	two.Want(`{"type":"ping"}`)
	two.WantClose(1000)
	for {
		switch text := one.Read(); text {
		case `{"type":"ping"}`:
		case `{"type":"bye"}`:
			one.WantClose(1000)
			return
		default:
			t.Fatal(text)
		}
	}
}

func TestStandaloneClientsGoOnceTheyAreConnected(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	one, _ := enter(s, `,"standalone":true`)
	two, _ := enter(s, `,"standalone":true`)
	meet(one, two)
	two.Send(`{"type":"connected"}`)
	two.WantClose(1000)
	if _, text, err := one.Conn.Read(t.Context()); err == nil {
		t.Errorf("the other gets %s, not just the end", text)
	}
}

// hook is a webhook that answers the same to all.
type hook struct {
	answer string // JSON; empty: an error
	asked  chan *Question
	gone   chan Gone
}

func (h *hook) Authn(_ context.Context, q *Question) (*Answer, error) {
	h.asked <- q
	if h.answer == "" {
		return nil, errors.New("broken")
	}
	a := new(Answer)
	return a, json.Unmarshal([]byte(h.answer), a)
}

func (h *hook) Gone(g Gone) { h.gone <- g }

func TestTheWebhookDecides(t *testing.T) {
	for name, test := range map[string]struct{ answer, want string }{
		"allowed":                   {`{"allowed":true}`, ""},
		"with metadata and servers": {`{"allowed":true,"iceServers":[{"urls":["stun:a"]}],"authzMetadata":{"n":1}}`, `"authzMetadata":{"n":1},"iceServers":[{"urls":["stun:a"]}]`},
		"with nulls":                {`{"allowed":true,"iceServers":null,"authzMetadata":null,"reason":null}`, ""},
		"refused":                   {`{"allowed":false,"reason":"no \"way\""}`, `{"type":"reject","reason":"no \"way\""}`},
		"refused without a reason":  {`{"allowed":false}`, `{"type":"reject","reason":"InternalServerError"}`},
		"undecided":                 {`{}`, `{"type":"reject","reason":"InternalServerError"}`},
		"broken":                    {``, `{"type":"reject","reason":"InternalServerError"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hook{answer: test.answer, asked: make(chan *Question, 1), gone: make(chan Gone, 1)}
			s := dialecttest.Serve(t, New(Options{Webhook: h}), nil)
			c := s.Dial("")
			c.Send(`{"type":"register","roomId":"r","clientId":"cl","key":"k","authnMetadata":{"a":[1]},"ayameClient":"x","libwebrtc":"y","environment":"z"}`)
			q := <-h.asked
			if q.RoomID != "r" || q.ClientID != "cl" || *q.SignalingKey != "k" || string(q.AuthnMetadata) != `{"a":[1]}` ||
				*q.AyameClient != "x" || *q.Libwebrtc != "y" || *q.Environment != "z" || len(q.ConnectionID) != 26 {
				t.Errorf("the webhook was asked %+v", q)
			}
			text := c.Read()
			if strings.HasPrefix(test.want, `{"type":"reject"`) {
				if text != test.want {
					t.Errorf("got %s", text)
				}
				c.WantClose(1000)
				return
			}
			if want := `{"type":"accept","connectionId":"` + q.ConnectionID + `",`; !strings.HasPrefix(text, want) || !strings.Contains(text, test.want) {
				t.Errorf("got %s", text)
			}
			c.Close()
			if g := <-h.gone; g != (Gone{"r", "cl", q.ConnectionID}) {
				t.Errorf("the webhook was told %+v", g)
			}
		})
	}
}

type gate struct {
	asked chan wsconn.JoinRequest
	err   error
}

func (g *gate) Join(_ context.Context, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	g.asked <- *r
	return &wsconn.Admission{}, g.err
}

func (*gate) Renew(context.Context, *wsconn.RenewRequest) (*wsconn.Admission, error) {
	return nil, wsconn.ErrNoTokens
}

func TestTheGateDecidesFirst(t *testing.T) {
	g := &gate{asked: make(chan wsconn.JoinRequest, 3)}
	ice := json.RawMessage(`[{"urls":["stun:b"]}]`)
	h := &hook{answer: `{"allowed":true}`, asked: make(chan *Question, 2), gone: make(chan Gone, 2)}
	s := dialecttest.Serve(t, New(Options{Webhook: h}), func(o *wsconn.Options, _ *hub.Options) {
		o.Gate, o.ICEServers = g, func(string, time.Time) json.RawMessage { return ice }
	})
	_, a := enter(s, `,"clientId":"cl","signalingKey":"a.b.c","authnMetadata":{"passcode":"p"}`)
	if string(a.ICEServers) != string(ice) {
		t.Errorf("the client gets the ICE servers %s", a.ICEServers)
	}
	if r := <-g.asked; r.Room != "ayame:r" || r.Name != "cl" || r.Token != "a.b.c" || r.Passcode != "p" || r.ID != "" {
		t.Errorf("the gate was asked about %+v", r)
	}
	enter(s, `,"signalingKey":"secret","authnMetadata":{"token":"d"}`)
	if r := <-g.asked; r.Token != "d" {
		t.Errorf("the gate was asked about %+v", r)
	}
	<-h.asked
	<-h.asked
	g.err = &wire.Refusal{Code: wire.CodeUnauthorized, Text: "no"}
	c := s.Dial("")
	c.Send(`{"type":"register","roomId":"r"}`)
	c.Want(`{"type":"reject","reason":"unauthorized"}`)
	select {
	case <-h.asked:
		t.Error("the webhook was asked about a client that the gate has refused")
	default:
	}
}

// A message that Ayame does not understand ends the connection without a word. Its neighbours go on.
func TestWrongMessagesEndTheConnection(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.RateChanges = -1 })
	one, two := pair(s)
	in := func(text string) []string { return []string{`{"type":"register","roomId":"x"}`, text} }
	for name, texts := range map[string][]string{
		"nothing":                       {""},
		"no JSON":                       {"x"},
		"an open object":                {`{"type":"register","roomId":"x"`},
		"null":                          {"null"},
		"an array":                      {`[]`},
		"a number":                      {"1"},
		"a string":                      {`"register"`},
		"text behind the object":        {`{"type":"register","roomId":"x"}1`},
		"no type":                       {`{}`},
		"a type that is a number":       {`{"type":1}`},
		"a type that is null":           {`{"type":null}`},
		"an unknown type":               {`{"type":"hello"}`},
		"a type in capitals":            {`{"type":"REGISTER","roomId":"x"}`},
		"the server's accept":           {`{"type":"accept"}`},
		"the server's bye":              {`{"type":"bye"}`},
		"a ping":                        {`{"type":"ping"}`},
		"no room":                       {`{"type":"register"}`},
		"an empty room":                 {`{"type":"register","roomId":""}`},
		"a room that is a number":       {`{"type":"register","roomId":1}`},
		"a client id that is no string": {`{"type":"register","roomId":"x","clientId":{}}`},
		"a key that is no string":       {`{"type":"register","roomId":"x","key":1}`},
		"standalone that is no switch":  {`{"type":"register","roomId":"x","standalone":"yes"}`},
		"an offer before register":      {`{"type":"offer","sdp":"x"}`},
		"an answer before register":     {`{"type":"answer","sdp":"x"}`},
		"a candidate before register":   {`{"type":"candidate","ice":{}}`},
		"connected before register":     {`{"type":"connected"}`},
		"a second register":             in(`{"type":"register","roomId":"x"}`),
		"another room":                  in(`{"type":"register","roomId":"y"}`),
		"garbage after register":        in(`{`),
		"nested too deeply":             in(`{"type":"offer","sdp":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`),
	} {
		t.Run(name, func(t *testing.T) {
			one.T, two.T = t, t
			c := s.Dial("")
			c.T = t
			for _, text := range texts {
				c.Send(text)
			}
			c.WantClose(1000)
			two.Send(`{"type":"offer","sdp":"x"}`)
			one.Want(`{"type":"offer","sdp":"x"}`)
			one.Send(`{"type":"answer","sdp":"y"}`)
			two.Want(`{"type":"answer","sdp":"y"}`)
		})
	}
	for name, room := range map[string]string{"a long room": strings.Repeat("x", 130), "a room with a control character": `a\u0000`} {
		t.Run(name, func(t *testing.T) {
			c := s.Dial("")
			c.T = t
			c.Send(`{"type":"register","roomId":"` + room + `"}`)
			c.Want(`{"type":"reject","reason":"invalid_room"}`)
			c.WantClose(1000)
		})
	}
}

// Messages that Ayame ignores change nothing.
func TestMessagesForNobodyAreIgnored(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	c, _ := enter(s, `,"standalone":false`)
	for _, text := range []string{`{"type":"pong"}`, `{"type":"connected"}`, `{"type":"offer","sdp":"x"}`, `{"type":"candidate"}`} {
		c.Send(text)
	}
	other, a := enter(s, "")
	if !a.IsExistClient {
		t.Error("the first has gone")
	}
	other.Send(`{"type":"offer","sdp":"z"}`)
	c.Want(`{"type":"offer","sdp":"z"}`)
}

// Whoever else is in the room, the other stays the other until it goes.
func TestTheOtherStaysTheOther(t *testing.T) {
	c := &client{accepted: true, conn: new(wsconn.Conn)}
	m := &wsconn.Membership{ID: "b"}
	for _, list := range []string{`["b"]`, `["b","c"]`, `["a","b","c","d"]`, `["c","b","d"]`} {
		var out wsconn.Messages
		c.listed(m, &wire.Delivered{Members: []byte(list)}, &out)
		if want := map[bool]string{true: "c"}[list != `["b"]`]; c.other != want || out.Len() > 0 {
			t.Errorf("of %s, %q is the other; %d bytes are sent", list, c.other, out.Len())
		}
	}
}
