package wsconn

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// A refusal of the gate reaches the client with the gate's code and words, also if its error
// wraps them.
func TestRefusalOfTheGate(t *testing.T) {
	refusal := &wire.Refusal{Code: wire.CodeForbidden, Text: "not you"}
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.Gate = gateOf{join: func(r *JoinRequest) (*Admission, error) {
			if r.Room == "wrapped" {
				return nil, fmt.Errorf("gate: %w", refusal)
			}
			return nil, refusal
		}}
	})
	for _, room := range []string{"plain", "wrapped"} {
		c := s.dial()
		c.send(`{"type":"join","room":%q}`, room)
		c.want(`{"type":"error","code":"forbidden","error":"not you","re":"join"}`)
	}
}

// A moderator locks its room and unlocks it.
func TestLock(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.Gate = gateOf{join: func(r *JoinRequest) (*Admission, error) {
			return &Admission{Grant: &hub.Grant{Rights: wire.MayModerate}}, nil
		}}
	})
	c := s.dial()
	c.join("r", "a")
	c.send(`{"type":"lock"}`)
	c.want(`{"type":"room_members","room":"r","members":["a"],"locked":true}`)
	c.send(`{"type":"unlock"}`)
	c.want(`{"type":"room_members","room":"r","members":["a"]}`)
}

// ICE servers that are no JSON are not sent, and the log says so; to have none is no
// fault.
func TestICEServersThatAreNoJSON(t *testing.T) {
	for servers, faults := range map[string]int{"": 0, "{": 2} {
		core, logged := observer.New(zap.WarnLevel)
		s := newServer(t, func(o *Options, _ *hub.Options) {
			o.Logger = zap.New(core)
			o.ICEServers = func(string, time.Time) json.RawMessage { return json.RawMessage(servers) }
		})
		c := s.dial()
		c.send(`{"type":"join","room":"r","from":"a"}`)
		if text := c.text(); !strings.Contains(text, `"joined"`) || strings.Contains(text, "ice_servers") {
			t.Errorf("with %q as servers: %s", servers, text)
		}
		c.sees("a")
		c.send(`{"type":"ice","ref":"1"}`)
		if text := c.text(); !strings.Contains(text, `"type":"ice"`) {
			t.Errorf("with %q as servers: %s", servers, text)
		}
		if n := logged.FilterMessage(event.GateFailed).Len(); n != faults {
			t.Errorf("with %q as servers: %d lines", servers, n)
		}
	}
}

// A gate may decide on a profile of MaxMeta bytes of JSON in UTF-8, and on none.
func TestProfileOfTheGate(t *testing.T) {
	quoted := func(bytes int) string { return `"` + strings.Repeat("x", bytes-2) + `"` }
	for meta, want := range map[string]bool{
		"": true, "null": true, "{}": true, "{": false, "\"\xff\"": false, quoted(wire.MaxMeta): true, quoted(wire.MaxMeta + 1): false,
	} {
		a := &Admission{Meta: json.RawMessage(meta)}
		if err := a.check(); (err == nil) != want {
			t.Errorf("%.10q, %d bytes: %v", meta, len(meta), err)
		}
	}
}

// A member is told of its rights if they are not the usual ones.
func TestRightsAreTold(t *testing.T) {
	rights := map[string]wire.Rights{"usual": wire.DefaultRights, "more": wire.DefaultRights | wire.MayModerate, "less": 0}
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.Gate = gateOf{join: func(r *JoinRequest) (*Admission, error) {
			return &Admission{Grant: &hub.Grant{Rights: rights[r.Room]}}, nil
		}}
	})
	for room := range rights {
		c := s.dial()
		c.send(`{"type":"join","room":%q,"from":"a"}`, room)
		if text := c.text(); strings.Contains(text, `"rights":`) != (room != "usual") {
			t.Errorf("with %s rights: %s", room, text)
		}
	}
}

// Ids of MaxID bytes are reached, and no longer ones are looked for.
func TestLongestTarget(t *testing.T) {
	s := newServer(t, nil)
	long := strings.Repeat("x", wire.MaxID)
	a, b := s.dial(), s.dial()
	a.join("r", long)
	b.join("r", "b")
	b.send(`{"type":"message","to":%q,"data":1}`, long+"x")
	b.wantError(wire.CodeTargetNotFound)
	b.send(`{"type":"message","to":%q,"data":1}`, long)
	a.sees("b")
	a.want(fmt.Sprintf(`{"type":"message","to":%q,"data":1,"room":"r","from":"b"}`, long))
}

// The log tells which room and id a refused join asked for. Rooms and ids in other
// messages are not logged.
func TestRefusedJoinInTheLog(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	s := newServer(t, func(o *Options, ho *hub.Options) {
		ho.Logger = zap.New(core)
		o.Gate = gateOf{join: func(*JoinRequest) (*Admission, error) {
			return nil, &wire.Refusal{Code: wire.CodeForbidden, Text: "not you"}
		}}
	})
	for typ, told := range map[string]bool{"join": true, "message": false} {
		c := s.dial()
		c.send(`{"type":%q,"room":"r","from":"a","data":1}`, typ)
		_ = c.text()
		lines := logged.FilterMessage(event.Refused).All()
		logged.TakeAll()
		if len(lines) != 1 {
			t.Fatalf("%s: %d lines", typ, len(lines))
		}
		f := lines[0].ContextMap()
		if room, id := f[event.FieldRoom], f[event.FieldID]; told && (room != "r" || id != "a") || !told && (room != nil || id != nil) {
			t.Errorf("%s: %v", typ, f)
		}
	}
}
