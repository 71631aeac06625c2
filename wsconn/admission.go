package wsconn

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// Gate decides who may join which room, and with what rights. Its methods run on a
// goroutine of the connection that asks, several at a time for several connections. They
// may take until ctx is done, which is after 8 s or when the server ends the connection:
// meanwhile nothing else is read from that connection, its join and ping timeouts stand
// still, and it is not noticed that the client has gone. An error that is or wraps a
// [*wire.Refusal] is sent to the client; any other, and an admission that is not valid, is
// logged and answered with unavailable. A panic ends the connection.
type Gate interface {
	// Join decides on a join.
	Join(ctx context.Context, r *JoinRequest) (*Admission, error)
	// Renew decides on a fresh token for a membership. The grant that it returns replaces
	// the one in force.
	Renew(ctx context.Context, r *RenewRequest) (*Admission, error)
}

// JoinRequest is what a client asks for.
type JoinRequest struct {
	Remote          netip.Addr
	Room            string
	ID, Name        string          // as the client would like them; may be empty
	Meta            json.RawMessage // the client's profile, at most [wire.MaxMeta] bytes; nil: none
	Token, Passcode string          // may be empty
}

// RenewRequest is a fresh token for a membership.
type RenewRequest struct {
	Remote         netip.Addr
	Room, ID, Name string
	Grant          *hub.Grant // in force; nil: the default rights
	Token          string
}

// Admission is a Gate's decision. The zero value lets the client in as it asked.
type Admission struct {
	ID, Name string          // replace those that the client asked for; empty: the client's own
	Meta     json.RawMessage // replaces the client's profile, if Grant.Profiled is set; nil: none
	Grant    *hub.Grant      // nil: the default rights, without an end
	Capacity int             // members that the room may have; 0: [hub.Options.MaxRoomMembers]
	Expires  time.Time       // in the answer to a renewal: when the new token expires
}

// check makes the id and the nickname normal, and returns what a gate must not decide.
func (a *Admission) check() error {
	var ok bool
	if a.ID != "" {
		if a.ID, ok = wire.NormalID(a.ID); !ok {
			return errors.New("the gate has decided on an invalid id")
		}
	}
	if a.Name != "" {
		if a.Name, ok = wire.NormalName(a.Name); !ok {
			return errors.New("the gate has decided on an invalid nickname")
		}
	}
	if len(a.Meta) > wire.MaxMeta || len(a.Meta) > 0 && !(json.Valid(a.Meta) && utf8.Valid(a.Meta)) {
		return errors.New("the gate has decided on an invalid profile")
	}
	return nil
}

// gateTimeout bounds what a Gate may take, since its client waits for the answer.
const gateTimeout = 8 * time.Second

// openGate lets everybody in.
type openGate struct{}

func (openGate) Join(context.Context, *JoinRequest) (*Admission, error) {
	return &Admission{}, nil
}

// ErrNoTokens is for gates that take no tokens: [Gate.Renew] returns it.
var ErrNoTokens = &wire.Refusal{Code: wire.CodeUnavailable, Text: "this server does not take tokens"}

func (openGate) Renew(context.Context, *RenewRequest) (*Admission, error) {
	return nil, ErrNoTokens
}
