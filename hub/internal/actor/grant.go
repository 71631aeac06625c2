package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Grant is what a member's token, or the application, lets it do, and for how
// long. It must not be changed once it was handed over.
type Grant struct {
	Rights   wire.Rights
	Subject  string    // the token's sub; empty: the member has no token, or one for anybody
	Named    bool      // the nickname comes with the grant: the member can't change it
	Profiled bool      // the profile comes with the grant: the member can't change it
	Expires  time.Time // when the membership ends; zero: never
	Bound    time.Time // when the application ends it, whatever the token says; zero: never
}

var defaultGrant = &Grant{Rights: wire.DefaultRights}

func (g *Grant) may(r wire.Rights) bool { return g != nil && g.Rights&r == r }

// Expired reports whether the grant has expired at a time.
func (g *Grant) Expired(now time.Time) bool { return !g.Expires.IsZero() && !g.Expires.After(now) }

// is reports whether the grant is for the member with this id: its token names the
// id.
func (g *Grant) is(id string) bool { return g != nil && g.Subject != "" && g.Subject == id }

// Renew gives the client's membership another grant, with Name in place of its
// nickname and Meta in place of its profile unless they are empty. Frame, of which it
// takes over the caller's reference, answers it.
type Renew struct {
	Client  *Client
	Grant   *Grant // nil: the default rights
	Name    string
	Meta    []byte
	Frame   *frame.Frame
	Refused frame.Refused
}

func (r *Renew) apply(l *loop) {
	c := r.Client
	m := c.member
	if c.closed || m == nil {
		r.Frame.Release()
		l.refuse(c, ErrNotJoined, r.Refused)
		return
	}
	c.handled()
	if m.grant = r.Grant; m.grant == nil {
		m.grant = defaultGrant
	}
	if r.Name != "" {
		l.describe(m, r.Name, m.meta)
	}
	if len(r.Meta) > 0 {
		l.describe(m, m.name, profile(r.Meta))
	}
	l.answer(c, r.Frame)
}
