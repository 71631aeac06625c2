package hub

import (
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// Grant is what a member's token, or the application, lets it do, and for how
// long. It is not changed once it was handed over.
type Grant struct {
	Rights   wire.Rights
	Subject  string    // whom the token is for; empty: anybody
	Named    bool      // the nickname comes with the grant: the member can't change it
	Profiled bool      // the same of the profile (meta)
	Expires  time.Time // when the membership is to end; zero: it may stay
}

var defaultGrant = &Grant{Rights: wire.DefaultRights}

func (g *Grant) may(r wire.Rights) bool { return g != nil && g.Rights&r == r }

func (g *Grant) expired(now time.Time) bool { return !g.Expires.IsZero() && !g.Expires.After(now) }

// Renew gives the client's membership another grant, and Name in place of its
// nickname if the grant has one. Frame, of which it takes over the caller's
// reference, answers it.
type Renew struct {
	Client  *Client
	Grant   *Grant
	Name    string
	Frame   *wire.Frame
	Refused wire.Refused
}

func (r *Renew) apply(l *loop) {
	defer r.Frame.Release()
	m := r.Client.member
	if m == nil {
		l.refuse(r.Client, ErrNotJoined, r.Refused)
		return
	}
	m.grant = r.Grant
	if r.Grant.Named {
		l.rename(m, r.Name)
	}
	l.deliver(r.Client, r.Frame)
}
