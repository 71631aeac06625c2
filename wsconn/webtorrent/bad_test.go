package webtorrent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/wsconn"
)

func TestWhatMeansNothingIsAnswered(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	a, b := enter(s, swarm, ann), enter(s, swarm, bob)
	c := s.Dial("")
	for text, why := range bad {
		c.Send(text)
		c.WantJSON(fmt.Sprintf(`{"failure reason":%q}`, why))
		say(b, swarm, bob, `,"to_peer_id":`+ann+`,"answer":1`)
		a.Want(`{"action":"announce","answer":1,"peer_id":` + bob + `,"info_hash":` + swarm + `}`)
	}
	for _, event := range []string{`"begun"`, `7`, `true`, `{}`, `["started"]`, `"\ud800"`} {
		say(c, swarm, cat, `,"event":`+event)
		c.WantJSON(`{"action":"announce","failure reason":"invalid event","info_hash":` + swarm + `}`)
	}
	say(a, swarm, ann, "")
	told(a, swarm, 0, 2)
}

// Offers and answers that mean nothing go nowhere, and the announce counts all the same.
func TestWhatCannotBePassedOn(t *testing.T) {
	s, _ := serve(t, Options{}, nil)
	a, b := enter(s, swarm, ann), enter(s, swarm, bob)
	for _, offers := range []string{`null`, `7`, `"x"`, `{}`, `[]`, `[null]`, `[7,"x",[]]`, `[{}]`, `[{"offer_id":"x"}]`} {
		say(b, swarm, bob, `,"offers":`+offers)
		told(b, swarm, 0, 2)
	}
	for _, answer := range []string{`"to_peer_id":` + cat + `,"answer":{}`, `"to_peer_id":` + bob + `,"answer":0`} {
		say(b, swarm, bob, ","+answer)
	}
	told(b, swarm, 0, 2) // an answer that is false is none
	deep := strings.Repeat("[", 1200) + strings.Repeat("]", 1200)
	say(b, swarm, bob, `,"offers":[{"offer":`+deep+`}]`)
	b.WantJSON(`{"failure reason":"the message is not one JSON object"}`)
	say(a, swarm, ann, "")
	told(a, swarm, 0, 2)
}

// A frame that is no text message of an accepted size ends the connection, and no other.
func TestWhatEndsAConnection(t *testing.T) {
	s, _ := serve(t, Options{}, func(o *wsconn.Options) { o.MaxMessageBytes = 4096 })
	a := enter(s, swarm, ann)
	for code, message := range map[int]struct {
		typ  websocket.MessageType
		text []byte
	}{
		1003: {websocket.MessageBinary, []byte(`{}`)},
		1007: {websocket.MessageText, []byte("\xff")},
		1009: {websocket.MessageText, make([]byte, 5000)},
	} {
		c := enter(s, swarm, bob)
		if err := c.Conn.Write(context.Background(), message.typ, message.text); err != nil {
			t.Fatal(err)
		}
		c.WantClose(code)
		for n := 2; n == 2; {
			say(a, swarm, ann, "")
			var got struct{ Incomplete int }
			if err := json.Unmarshal([]byte(a.Read()), &got); err != nil {
				t.Fatal(err)
			}
			n = got.Incomplete
		}
	}
}
