package wsconn

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// Gate decides who may join which room and with what rights. Its methods are called
// by the goroutine of the connection that asks, and may take their time until ctx
// is done: meanwhile nothing else is read from that connection. A [*wire.Refusal] is
// answered to the client; any other error is logged and answered with unavailable.
type Gate interface {
	// Join decides on a join.
	Join(ctx context.Context, r *JoinRequest) (*Admission, error)
	// Renew decides on a fresh token for a membership.
	Renew(ctx context.Context, r *RenewRequest) (*Admission, error)
}

// JoinRequest is what a client has asked for.
type JoinRequest struct {
	Remote          netip.Addr
	Room            string
	ID, Name        string          // as the client would like them; may be empty
	Meta            json.RawMessage // the client's profile, at most [wire.MaxMeta] bytes; nil: none
	Token, Passcode string          // may be empty
}

// RenewRequest is a token for a membership that there is.
type RenewRequest struct {
	Remote         netip.Addr
	Room, ID, Name string
	Grant          *hub.Grant // in force; nil: the default rights
	Token          string
}

// Admission is what a Gate has decided.
type Admission struct {
	ID, Name string          // in place of those that the client asked for; empty: it has the say
	Meta     json.RawMessage // in place of the client's profile, when Grant.Profiled; nil: none
	Grant    *hub.Grant      // nil: the default rights
	Capacity int             // members that the room may have; 0: as many as any
	Expires  time.Time       // of the token, for the answer to one that renews a membership
}

// gateTimeout bounds what a Gate may take: less than a ping may go unanswered.
const gateTimeout = 8 * time.Second

// openGate lets everybody in.
type openGate struct{}

func (openGate) Join(context.Context, *JoinRequest) (*Admission, error) {
	return &Admission{}, nil
}

// ErrNoTokens refuses a token where none is looked at.
var ErrNoTokens = &wire.Refusal{Code: wire.CodeUnavailable, Text: "this server does not take tokens"}

func (openGate) Renew(context.Context, *RenewRequest) (*Admission, error) {
	return nil, ErrNoTokens
}
