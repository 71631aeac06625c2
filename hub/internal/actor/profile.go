package actor

import (
	"bytes"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Rename changes the nickname of a member; an empty Name removes it.
type Rename struct {
	Client  *Client
	Name    string
	Refused frame.Refused
}

// Update changes the profile of a member; a nil Meta removes it.
type Update struct {
	Client  *Client
	Meta    []byte // JSON of at most [wire.MaxMeta] bytes, which must not change any more
	Refused frame.Refused
}

var (
	errNamed    = &wire.Refusal{Code: wire.CodeForbidden, Text: "your nickname comes with your token: you can't change it"}
	errProfiled = &wire.Refusal{Code: wire.CodeForbidden, Text: "your profile comes with your token: you can't change it"}
)

// ErrNotJoined refuses what only a member can do.
var ErrNotJoined = &wire.Refusal{Code: wire.CodeNotJoined, Text: "you are in no room: join one first"}

func (n *Rename) apply(l *loop) {
	m := n.Client.member
	switch {
	case n.Client.closed:
	case m == nil:
		l.refuse(n.Client, ErrNotJoined, n.Refused)
	case m.grant.Named:
		l.refuse(n.Client, errNamed, n.Refused)
	default:
		n.Client.handled()
		l.describe(m, n.Name, m.meta)
	}
}

func (u *Update) apply(l *loop) {
	m := u.Client.member
	switch {
	case u.Client.closed:
	case m == nil:
		l.refuse(u.Client, ErrNotJoined, u.Refused)
	case m.grant.Profiled:
		l.refuse(u.Client, errProfiled, u.Refused)
	default:
		u.Client.handled()
		l.describe(m, m.name, u.Meta)
	}
}

// profile returns the JSON of a profile; nil: JSON's null, which is none.
func profile(meta []byte) []byte {
	if string(meta) == "null" {
		return nil
	}
	return meta
}

// describe sets the nickname and the profile that others see of a member.
func (l *loop) describe(m *member, name string, meta []byte) {
	if m.name == name && bytes.Equal(m.meta, meta) {
		return
	}
	step := change{what: memberDescribed, id: m.id, name: m.name != name, meta: !bytes.Equal(m.meta, meta)}
	m.room.weigh(m, -1)
	m.name, m.meta = name, meta
	m.room.weigh(m, 1)
	l.change(m.room, step)
}
