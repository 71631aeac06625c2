package wsconn

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// A client that knows only the base protocol.
func TestBaseProtocol(t *testing.T) {
	s := newServer(t, nil)
	a, b := s.dial(), s.dial()
	a.join("r", "a")
	b.join("r", "b")
	a.want(`{"type":"room_members","room":"r","members":["a","b"]}`)
	a.send(`{"type":"offer","room":"r","from":"a","to":"b","sdp":"v=0"}`)
	b.want(`{"type":"offer","room":"r","from":"a","to":"b","sdp":"v=0"}`)
	b.send(`{"type":"answer","to":"a","sdp":{"type":"answer","sdp":"v=0"}}`)
	a.want(`{"type":"answer","to":"a","sdp":{"type":"answer","sdp":"v=0"},"room":"r","from":"b"}`)
	a.send(`{"type":"candidate","to":"b","candidate":null}`)
	b.want(`{"type":"candidate","to":"b","candidate":null,"room":"r","from":"a"}`)
	a.send(`{"type":"ping"}`)
	a.want(`{"type":"pong"}`)
	b.send(`{"type":"leave","room":"r","from":"b"}`)
	a.want(`{"type":"room_members","room":"r","members":["a"]}`)
	b.send(`{"type":"leave"}`)
	b.join("r", "b2")
}

func TestMessages(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.ICEServers = func(id string, _ time.Time) json.RawMessage { return json.RawMessage(`["for ` + id + `"]`) }
	})
	a, b, c := s.dial(), s.dial(), s.dial()
	a.send(`{"type":"join","room":"r","from":"a","name":"Ann","ref":"1"}`)
	a.want(`{"type":"joined","room":"r","from":"a","name":"Ann","ice_servers":["for a"],"limits":{"message_bytes":65536},"ref":"1"}`)
	a.want(`{"type":"room_members","room":"r","members":["a"],"names":{"a":"Ann"}}`)
	for id, c := range map[string]*client{"b": b, "c": c} {
		c.send(`{"type":"join","room":"r","from":%q}`, id)
		c.sees(id)
		a.sees(id)
	}
	b.send(`{"type":"ice","ref":"2"}`)
	for b.text() != `{"type":"ice","ice_servers":["for b"],"ref":"2"}` {
	}
	a.send(`{"type":"message","data":{"x":[1, 2]},"extra":true}`)
	for _, c := range []*client{b, c} {
		for c.text() != `{"type":"message","data":{"x":[1, 2]},"extra":true,"room":"r","from":"a"}` {
		}
	}
	a.send(`{"type":"hangup","to":"b","reason":"busy"}`)
	b.want(`{"type":"hangup","to":"b","reason":"busy","room":"r","from":"a"}`)
	a.send(`{"type":"rename","name":"Anna"}`)
	b.want(`{"type":"room_members","room":"r","members":["a","b","c"],"names":{"a":"Anna"}}`)
	a.send(`{"type":"token","token":"x"}`) // ignored where no tokens are asked for
	a.send(`{"type":"ping","ref":"3"}`)
	for a.text() != `{"type":"pong","ref":"3"}` {
	}
}

// Without an id of its own a member gets one that can't be guessed.
func TestMadeID(t *testing.T) {
	s := newServer(t, nil)
	seen := map[string]bool{}
	for range 3 {
		c := s.dial()
		c.send(`{"type":"join","room":"r"}`)
		var m struct{ Type, From string }
		if err := json.Unmarshal([]byte(c.text()), &m); err != nil || m.Type != "joined" || len(m.From) < 22 || seen[m.From] {
			t.Errorf("got %+v, %v", m, err)
		}
		seen[m.From] = true
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name   string
		before string // sent and answered first
		text   string
		want   wire.Code
		re, to string
	}{
		{"not JSON", "", `{`, wire.CodeBadMessage, "", ""},
		{"field missing", "", `{"type":"join"}`, wire.CodeBadMessage, "join", ""},
		{"field of the wrong type", "", `{"type":"ping","ref":7}`, wire.CodeBadMessage, "ping", ""},
		{"unknown type", "", `{"type":"dance"}`, wire.CodeUnknownType, "dance", ""},
		{"invalid room", "", `{"type":"join","room":"` + long + `"}`, wire.CodeInvalidRoom, "join", ""},
		{"invalid id", "", `{"type":"join","room":"r","from":" "}`, wire.CodeInvalidID, "join", ""},
		{"invalid name", "", `{"type":"join","room":"r","name":"a\u200bb"}`, wire.CodeInvalidName, "join", ""},
		{"forward before a join", "", `{"type":"offer","to":"b","sdp":1}`, wire.CodeNotJoined, "offer", "b"},
		{"update before a join", "", `{"type":"update","meta":1}`, wire.CodeNotJoined, "update", ""},
		{"profile too large", "", `{"type":"join","room":"r","meta":"` + strings.Repeat("x", 1023) + `"}`, wire.CodeBadMessage, "join", ""},
		{"profile too large later", "r", `{"type":"update","meta":"` + strings.Repeat("x", 1023) + `"}`, wire.CodeBadMessage, "update", ""},
		{"rename before a join", "", `{"type":"rename","name":"A"}`, wire.CodeNotJoined, "rename", ""},
		{"join twice", "r", `{"type":"join","room":"r2"}`, wire.CodeAlreadyJoined, "join", ""},
		{"duplicate id", "", `{"type":"join","room":"full","from":"host"}`, wire.CodeDuplicateID, "join", ""},
		{"room full", "", `{"type":"join","room":"full"}`, wire.CodeRoomFull, "join", ""},
		{"server full", "", `{"type":"join","room":"one more"}`, wire.CodeServerFull, "join", ""},
		{"no such member", "r", `{"type":"offer","to":"nobody","sdp":1}`, wire.CodeTargetNotFound, "offer", "nobody"},
		{"no such member, empty", "r", `{"type":"message","to":"","data":1}`, wire.CodeTargetNotFound, "message", ""},
		{"an id longer than ids are", "r", `{"type":"offer","to":"` + long + `","sdp":1}`, wire.CodeTargetNotFound, "offer", long[:64]},
		{"another's id", "r", `{"type":"offer","to":"a","from":"host","sdp":1}`, wire.CodeForbidden, "offer", "a"},
		{"another room", "r", `{"type":"offer","to":"a","room":"full","sdp":1}`, wire.CodeForbidden, "offer", "a"},
		{"resume", "", `{"type":"resume","session":"s","received":1}`, wire.CodeSessionExpired, "resume", ""},
		{"kick", "r", `{"type":"kick","to":"a"}`, wire.CodeForbidden, "kick", "a"},
		{"lock", "r", `{"type":"lock"}`, wire.CodeForbidden, "lock", ""},
		{"unlock", "r", `{"type":"unlock"}`, wire.CodeForbidden, "unlock", ""},
		{"ice before a join", "", `{"type":"ice"}`, wire.CodeNotJoined, "ice", ""},
		{"ice where there is none", "r", `{"type":"ice"}`, wire.CodeUnavailable, "ice", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, func(_ *Options, o *hub.Options) { o.MaxRooms, o.MaxRoomMembers = 2, 2 })
			host := s.dial()
			host.join("full", "host")
			second := s.dial()
			second.join("full", "second")
			host.sees("second")
			other := s.dial()
			other.join("r", "other")

			a := s.dial()
			if c.before != "" {
				a.join(c.before, "a")
				other.sees("a")
			}
			a.send("%s", c.text)
			m := a.wantError(c.want)
			if re, _ := m["re"].(string); re != c.re {
				t.Errorf("re is %q, want %q", re, c.re)
			}
			if to, _ := m["to"].(string); to != c.to {
				t.Errorf("to is %q, want %q", to, c.to)
			}
			// It had no effect, and the connection goes on.
			a.send(`{"type":"ping","ref":"after"}`)
			a.want(`{"type":"pong","ref":"after"}`)
			for _, bystander := range []*client{host, other} {
				bystander.send(`{"type":"ping","ref":"nothing"}`)
				bystander.want(`{"type":"pong","ref":"nothing"}`)
			}
		})
	}
}

// The answer to a refused message carries the client's tag.
func TestRef(t *testing.T) {
	a := newServer(t, nil).dial()
	a.send(`{"type":"offer","to":"b","sdp":1,"ref":"r1"}`)
	if m := a.wantError(wire.CodeNotJoined); m["ref"] != "r1" {
		t.Errorf("ref is %v", m["ref"])
	}
}

// The messages of one hurried sender come whole and in order, also when they are far
// more than a socket holds.
func TestBurst(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { o.Rate, o.RateBytes, o.QueueBytes = -1, -1, 64<<20 })
	a, b := s.dial(), s.dial()
	a.join("r", "a")
	b.join("r", "b")
	a.sees("b")
	const n = 3000
	padding := strings.Repeat("é", 2000)
	go func() {
		for i := range n {
			a.send(`{"type":"message","to":"b","data":[%d,"%s"]}`, i, padding)
		}
	}()
	for i := range n {
		var m struct{ Data []any }
		if err := json.Unmarshal([]byte(b.text()), &m); err != nil || m.Data[0] != float64(i) || m.Data[1] != padding {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}
