package ywebrtc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
	"github.com/parley-rtc/parley/wsconn"
	"github.com/parley-rtc/parley/wsconn/internal/dialecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subscribed dials a client that is subscribed to topics, and has had an answer since.
func subscribed(s *dialecttest.Server, topics ...string) *dialecttest.Client {
	s.T.Helper()
	c := s.Dial("")
	list, _ := json.Marshal(topics)
	c.Send(`{"type":"subscribe","topics":` + string(list) + `}`)
	settle(c)
	return c
}

// settle waits until what a client has sent is done: the next message is the pong.
func settle(c *dialecttest.Client) {
	c.T.Helper()
	c.Send(`{"type":"ping"}`)
	c.Want(`{"type":"pong"}`)
}

func TestEverySubscriberHearsWhatIsPublishedAndHowManyThereAre(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := subscribed(s, "doc"), subscribed(s, "doc", "other")
	c := subscribed(s, "other")
	a.Send(`{"type":"publish","topic":"doc","data":{"type":"announce","from":"x"}}`)
	for _, hears := range []*dialecttest.Client{a, b} {
		hears.Want(`{"type":"publish","topic":"doc","data":{"type":"announce","from":"x"},"clients":2}`)
	}
	b.Send(`{"type":"publish","topic":"other","data":"AAECAw=="}`)
	for _, hears := range []*dialecttest.Client{b, c} {
		hears.Want(`{"type":"publish","topic":"other","data":"AAECAw==","clients":2}`)
	}
	settle(a) // it has heard nothing of the other topic
}

func TestPublishedBytesStayAsTheyAre(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := subscribed(s, "t"), subscribed(s, "t")
	for sent, want := range map[string]string{
		`{"data":{"n": 1.50, "x":[ null,"\u00e9"]},"type":"publish","topic":"t"}`: `{"data":{"n": 1.50, "x":[ null,"\u00e9"]},"type":"publish","topic":"t","clients":2}`,
		` { "type":"publish", "topic":"t" } `:                                     `{ "type":"publish", "topic":"t" ,"clients":2}`,
		`{"type":"publish","clients":99,"topic":"t","e\u0078tra":1}`:              `{"type":"publish","topic":"t","extra":1,"clients":2}`,
		`{"clients":1,"type":"publish","topic":"t","clients":2}`:                  `{"type":"publish","topic":"t","clients":2}`,
		`{"type":"subscribe","type":"publish","topic":"u","topic":"t"}`:           `{"type":"subscribe","type":"publish","topic":"u","topic":"t","clients":2}`,
	} {
		a.Send(sent)
		a.Want(want)
		b.Want(want)
	}
}

// As deep as a message may be, it arrives.
func TestDeepDataArrives(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := subscribed(s, "t"), subscribed(s, "t")
	deep := `{"type":"publish","topic":"t","data":` + strings.Repeat(`{"a":`, wire.MaxDepth-1) + "1" + strings.Repeat("}", wire.MaxDepth-1)
	for _, clients := range []string{"", `,"clients":5`} {
		a.Send(deep + clients + "}")
		b.Want(deep + `,"clients":2}`)
	}
}

// A client that makes the server send too much is read more slowly.
func TestWhatGoesToTooManyIsLate(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(_ *wsconn.Options, o *hub.Options) { o.RateFanOut, o.BurstFanOut = 16<<10, 16<<10 })
	a, b, c := subscribed(s, "t"), subscribed(s, "t"), subscribed(s, "t")
	text := `{"type":"publish","topic":"t","data":"` + strings.Repeat("x", 5<<10) + `"`
	const n = 6 // of which the allowance is enough for one or two at once
	for range n {
		a.Send(text + "}")
	}
	for _, one := range []*dialecttest.Client{a, b, c} {
		for range n {
			one.Want(text + `,"clients":3}`)
		}
	}
	if s.Hub.Stats().Refusals[wire.CodeCongested].Load() == 0 {
		t.Error("nothing was congested: the test shows nothing")
	}
}

func TestUnsubscribedClientsHearNothing(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := subscribed(s, "t", "u"), subscribed(s, "t", "u")
	b.Send(`{"type":"unsubscribe","topics":["t","never",7]}`)
	settle(b)
	a.Send(`{"type":"publish","topic":"t"}`)
	a.Want(`{"type":"publish","topic":"t","clients":1}`)
	b.Send(`{"type":"publish","topic":"t"}`) // it is not subscribed
	b.Send(`{"type":"publish","topic":"u"}`)
	b.Want(`{"type":"publish","topic":"u","clients":2}`)
	a.Want(`{"type":"publish","topic":"u","clients":2}`)
	b.Send(`{"type":"subscribe","topics":["t","t"]}`)
	settle(b)
	a.Send(`{"type":"publish","topic":"t"}`)
	b.Want(`{"type":"publish","topic":"t","clients":2}`)
}

func TestTopicsEndWithTheConnection(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := subscribed(s, "t"), subscribed(s, "t")
	b.Close()
	for n := 2; n == 2; {
		a.Send(`{"type":"publish","topic":"t"}`)
		var got struct{ Clients int }
		if err := json.Unmarshal([]byte(a.Read()), &got); err != nil {
			t.Fatal(err)
		}
		n = got.Clients
	}
}

// Topics are any text, also what could not be the name of a room; different topics stay apart.
func TestTopicsAreAnyText(t *testing.T) {
	d := New(Options{})
	topics := []string{
		"a", " a", "a ", "A", "a\n", "", "é", "e\u0301", strings.Repeat("x", 5000), strings.Repeat("x", 5001),
		"sha256:a", strings.TrimPrefix(d.room("a "), defaultPrefix), "\u0000", "😀", "\\", "\"",
	}
	rooms := map[string]string{}
	for _, topic := range topics {
		room := d.room(topic)
		if normal, ok := wire.NormalRoom(room); !ok || normal != room {
			t.Errorf("topic %q has the room %q, which is no name", topic, room)
		}
		if other, taken := rooms[room]; taken {
			t.Errorf("topics %q and %q have the same room", topic, other)
		}
		rooms[room] = topic
	}
	s := dialecttest.Serve(t, d, nil)
	a, b := subscribed(s, topics...), subscribed(s, topics...)
	for _, topic := range topics {
		if topic == "" {
			continue // y-webrtc's server ignores it, too
		}
		quoted, _ := json.Marshal(topic)
		text := `{"type":"publish","topic":` + string(quoted)
		a.Send(text + `}`)
		a.Want(text + `,"clients":2}`)
		b.Want(text + `,"clients":2}`)
	}
}

// noted notes the clients of a dialect.
type noted struct {
	*Dialect
	made chan *client
}

func (n noted) Speaker(c *wsconn.Conn, r *http.Request) wsconn.Speaker {
	s := n.Dialect.Speaker(c, r).(*client)
	n.made <- s
	return s
}

func TestOfALongTopicLittleIsKept(t *testing.T) {
	d := noted{New(Options{}), make(chan *client, 1)}
	s := dialecttest.Serve(t, d, nil)
	long := strings.Repeat("x", 60_000)
	c := subscribed(s, long+"1")
	for name := range (<-d.made).topics {
		if len(name) > wire.MaxRoom {
			t.Errorf("a name of %d bytes is kept", len(name))
		}
	}
	c.Send(`{"type":"publish","topic":"` + long + `1"}`)
	c.Want(`{"type":"publish","topic":"` + long + `1","clients":1}`)
	c.Send(`{"type":"unsubscribe","topics":["` + long + `1"]}`)
	c.Send(`{"type":"publish","topic":"` + long + `1"}`)
	settle(c)
}

// bad are messages that mean nothing: none is answered, and none ends a connection. Of those
// marked, y-webrtc's server dies.
var bad = []string{
	`subscribe`, // dies
	`{`,         // dies
	`{}`,
	``,     // dies
	`null`, // dies
	`[]`,
	`7`,
	`"ping"`,
	`[{"type":"ping"}]`,
	`{"type":"ping"`,   // dies
	`{"type":"ping"}}`, // dies
	`{"type":"PING"}`,
	`{"Type":"ping"}`,
	`{"type":null}`,
	`{"type":["ping"]}`,
	`{"type":{"ping":1}}`,
	`{"type":"pong"}`,
	`{"type":"subscribe"}`,
	`{"type":"subscribe","topics":null}`,
	`{"type":"subscribe","topics":"t"}`,     // dies
	`{"type":"subscribe","topics":{"a":1}}`, // dies
	`{"type":"subscribe","topics":7}`,       // dies
	`{"type":"subscribe","topics":[null,7,{},[],true,""]}`,
	`{"type":"subscribe","topics":["\ud800"]}`,
	`{"type":"unsubscribe","topics":"t"}`, // dies
	`{"type":"unsubscribe","topics":[{}]}`,
	`{"type":"unsubscribe","topics":["nobody"]}`,
	`{"type":"publish"}`,
	`{"type":"publish","topic":""}`,
	`{"type":"publish","topic":7}`,
	`{"type":"publish","topic":["t"]}`,
	`{"type":"publish","topic":"nobody"}`,
	`{"type":"publish","topic":"\ud800"}`,
	`{"type":"publish","topic":"t","data":01}`,                 // dies
	`{"type":"publish","topic":"t",}`,                          // dies
	"{\"type\":\"publish\",\"topic\":\"t\",\"data\":\"\x01\"}", // dies
}

func TestWhatMeansNothingChangesNothing(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a, b := subscribed(s, "t"), subscribed(s, "t")
	c := s.Dial("")
	for i, text := range append(bad, strings.Repeat("[", 2000), `{"type":"publish","topic":"t","data":`+strings.Repeat("[", 1200)+strings.Repeat("]", 1200)+`}`) {
		c.Send(text)
		settle(c)
		a.Send(fmt.Sprintf(`{"type":"publish","topic":"t","data":%d}`, i))
		want := fmt.Sprintf(`{"type":"publish","topic":"t","data":%d,"clients":2}`, i)
		a.Want(want)
		b.Want(want)
	}
}

// A frame that is no text message of an accepted size ends the connection, and no other.
func TestWhatEndsAConnection(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.MaxMessageBytes = 4096 })
	a := subscribed(s, "t")
	for code, write := range map[int]func(c *dialecttest.Client) error{
		1003: func(c *dialecttest.Client) error {
			return c.Conn.Write(context.Background(), websocket.MessageBinary, []byte(`{"type":"ping"}`))
		},
		1007: func(c *dialecttest.Client) error {
			return c.Conn.Write(context.Background(), websocket.MessageText, []byte("\xff"))
		},
		1009: func(c *dialecttest.Client) error {
			return c.Conn.Write(context.Background(), websocket.MessageText, make([]byte, 5000))
		},
	} {
		c := subscribed(s, "t")
		if err := write(c); err != nil {
			t.Fatal(err)
		}
		c.WantClose(code)
	}
	a.Send(`{"type":"publish","topic":"t"}`)
	a.Read()
}

func TestTopicsOfAConnectionAreLimited(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{MaxTopics: 2}), nil)
	a := subscribed(s, "t", "u", "v")
	a.Send(`{"type":"publish","topic":"v"}`)
	a.Send(`{"type":"publish","topic":"u"}`)
	a.Want(`{"type":"publish","topic":"u","clients":1}`)
	a.Send(`{"type":"unsubscribe","topics":["t"]}`)
	a.Send(`{"type":"subscribe","topics":["v"]}`)
	settle(a)
	a.Send(`{"type":"publish","topic":"v"}`)
	a.Want(`{"type":"publish","topic":"v","clients":1}`)
}

// A message with very many topics keeps the server no longer than one with as many as there may
// be.
func TestTopicsOfAMessageAreLimited(t *testing.T) {
	topics := make([]string, 2000)
	for i := range topics {
		topics[i] = fmt.Sprint(i)
	}
	s := dialecttest.Serve(t, New(Options{MaxTopics: 2}), nil)
	subscribed(s, topics...)
	if n := s.Hub.Stats().Refusals[wire.CodeRateLimited].Load(); n != 1 {
		t.Errorf("%d refusals are counted", n)
	}
	s = dialecttest.Serve(t, New(Options{MaxTopics: 2}), func(o *wsconn.Options, _ *hub.Options) { o.Gate = doors{} })
	subscribed(s, topics...)
	if n := s.Hub.Stats().Refusals[wire.CodeUnauthorized].Load(); n != 3 {
		t.Errorf("%d refusals are counted without a token", n)
	}
}

// A client waits for what it has asked for no longer than it waits for a pong.
func TestAClientComesIntoAllItsTopicsAtOnce(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.RateChanges, o.BurstChanges = 1, 1 })
	topics := make([]string, defaultTopics)
	for i := range topics {
		topics[i] = fmt.Sprint(i)
	}
	subscribed(s, topics...)
	if rooms, err := s.Hub.Rooms(t.Context()); err != nil || len(rooms) != len(topics) {
		t.Errorf("it is in %d topics (%v)", len(rooms), err)
	}
}

func TestClientsOfATopicAreLimited(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{MaxClients: 2}), func(_ *wsconn.Options, o *hub.Options) { o.MaxRoomMembers = 1 })
	a, b, c := subscribed(s, "t"), subscribed(s, "t"), subscribed(s, "t", "u")
	a.Send(`{"type":"publish","topic":"t"}`)
	b.Want(`{"type":"publish","topic":"t","clients":2}`)
	c.Send(`{"type":"publish","topic":"u"}`)
	c.Want(`{"type":"publish","topic":"u","clients":1}`)
}

// doors is a gate that lets those in who have the token "key", and these only to hear.
type doors struct{ wsconn.Gate }

func (doors) Join(_ context.Context, r *wsconn.JoinRequest) (*wsconn.Admission, error) {
	switch r.Token {
	case "key":
		return &wsconn.Admission{}, nil
	case "ears":
		return &wsconn.Admission{Grant: &hub.Grant{Rights: wire.MaySend}}, nil
	}
	return nil, &wire.Refusal{Code: wire.CodeUnauthorized, Text: "no"}
}

func TestTokensOfTheURLAreForTheGate(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), func(o *wsconn.Options, _ *hub.Options) { o.Gate = doors{} })
	in, ears, out := s.Dial("?token=key"), s.Dial("/?token=ears"), s.Dial("")
	for _, c := range []*dialecttest.Client{in, ears, out} {
		c.Send(`{"type":"subscribe","topics":["t"]}`)
		settle(c)
	}
	out.Send(`{"type":"publish","topic":"t"}`)
	settle(out)
	ears.Send(`{"type":"publish","topic":"t"}`)
	settle(ears)
	in.Send(`{"type":"publish","topic":"t","data":1}`)
	in.Want(`{"type":"publish","topic":"t","data":1,"clients":2}`)
	ears.Want(`{"type":"publish","topic":"t","data":1,"clients":2}`)
	settle(out)
}

func TestAKickedClientIsClosed(t *testing.T) {
	s := dialecttest.Serve(t, New(Options{}), nil)
	a := subscribed(s, "t", "u")
	room, err := s.Hub.Room(t.Context(), New(Options{}).room("t"))
	if err != nil || room == nil || len(room.MemberList) != 1 {
		t.Fatal(room, err)
	}
	if err := s.Hub.Kick(t.Context(), room.Name, room.MemberList[0].ID); err != nil {
		t.Fatal(err)
	}
	a.WantClose(int(wire.CloseKicked))
}

// FuzzRead looks at what any text is read as: a publish goes on as one, with one topic and no
// clients.
func FuzzRead(f *testing.F) {
	for _, text := range bad {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"type":"publish","topic":"t","clients":7,"data":{"clients":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var in, out incoming
		if !in.read(text) || in.typ != publish {
			return
		}
		data := in.appendData(nil, text)
		if !out.read(data) || out.typ != publish || out.counts || string(out.topic) != string(in.topic) {
			t.Fatalf("%q becomes %q", text, data)
		}
	})
}
