package wsconn

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// gateFunc decides by a function.
type gateFunc func(r *JoinRequest) (*Admission, error)

func (g gateFunc) Join(_ context.Context, r *JoinRequest) (*Admission, error) { return g(r) }

func (gateFunc) Renew(context.Context, *RenewRequest) (*Admission, error) { return nil, ErrNoTokens }

// Whoever refuses a client of a dialect, the gate, the limits or the hub: it is counted, once.
func TestRefusedJoinsOfDialectsAreCounted(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.Gate = gateFunc(func(r *JoinRequest) (*Admission, error) {
			switch r.Room {
			case "shut":
				return nil, &wire.Refusal{Code: wire.CodeUnauthorized, Text: "no"}
			case "broken":
				return nil, errors.New("broken")
			case "other":
				return &Admission{ID: "another"}, nil
			}
			return &Admission{Capacity: 1}, nil
		})
	})
	s.dial().enter("full", "a")
	for _, c := range []struct {
		room, id string
		code     wire.Code
	}{
		{"shut", "a", wire.CodeUnauthorized},
		{"broken", "a", wire.CodeUnavailable},
		{"other", "a", wire.CodeForbidden},
		{"full", "b", wire.CodeRoomFull},
		{"full", "a", wire.CodeDuplicateID},
		{strings.Repeat("x", 200), "a", wire.CodeInvalidRoom},
		{"r", strings.Repeat("x", 200), wire.CodeInvalidID},
	} {
		n := &s.hub.Stats().Refusals[c.code]
		before := n.Load()
		a := s.dial()
		a.send("join %s %s", c.room, c.id)
		a.want("refused " + c.code.String())
		if got := n.Load() - before; got != 1 {
			t.Errorf("%s: %d refusals are counted", c.code, got)
		}
	}
	for end := time.Now().Add(patience); s.hub.Stats().OutboxBytes.Load() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes of refusals wait for nobody", s.hub.Stats().OutboxBytes.Load())
		}
	}
}

// Many connections of one user may be in one room, where a protocol has no ids of its own.
func TestAChosenIDBeginsWithTheGates(t *testing.T) {
	long := strings.Repeat("é", wire.MaxID/2)
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) {
		o.Gate = gateFunc(func(r *JoinRequest) (*Admission, error) {
			if r.ID != "" {
				return nil, errors.New("it has an id")
			}
			return &Admission{ID: map[string]string{"r": "ann", "long": long}[r.Room]}, nil
		})
	})
	for room, begin := range map[string]string{"r": "ann/", "long": "éééééééééééééééééé/", "free": ""} {
		for range 2 {
			s.dial().enter(room, "")
		}
		d, err := s.hub.Room(t.Context(), room)
		if err != nil || d == nil || len(d.MemberList) != 2 {
			t.Fatal(d, err)
		}
		for _, m := range d.MemberList {
			if !strings.HasPrefix(m.ID, begin) || len(m.ID) != len(begin)+26 {
				t.Errorf("room %s has the id %q", room, m.ID)
			}
		}
	}
}
