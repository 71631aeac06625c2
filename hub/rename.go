package hub

import "github.com/parley-rtc/parley/hub/wire"

// Rename changes the nickname of a member; an empty Name removes it.
type Rename struct {
	Client  *Client
	Name    string
	Refused wire.Refused
}

var errNamed = &wire.Refusal{Code: wire.CodeForbidden, Text: "your nickname comes with your token: it can't be changed"}

// ErrNotJoined refuses what only a member can do.
var ErrNotJoined = &wire.Refusal{Code: wire.CodeNotJoined, Text: "you are in no room: join one first"}

func (n *Rename) apply(l *loop) {
	m := n.Client.member
	if m == nil {
		l.refuse(n.Client, ErrNotJoined, n.Refused)
		return
	}
	if m.grant.Named {
		l.refuse(n.Client, errNamed, n.Refused)
		return
	}
	l.rename(m, n.Name)
}

func (l *loop) rename(m *member, name string) {
	if m.name == name {
		return
	}
	m.room.textBytes += len(name) - len(m.name)
	m.name = name
	l.change(m.room)
}
