package hub

import "github.com/parley-rtc/parley/hub/wire"

// Rename changes the nickname of a member; an empty Name removes it.
type Rename struct {
	Client  *Client
	Name    string
	Refused wire.Refused
}

// ErrNotJoined refuses what only a member can do.
var ErrNotJoined = &wire.Refusal{Code: wire.NotJoined, Text: "you are in no room: join one first"}

func (n *Rename) apply(l *loop) {
	m := n.Client.member
	if m == nil {
		l.refuse(n.Client, ErrNotJoined, n.Refused)
		return
	}
	if m.name == n.Name {
		return
	}
	m.room.textBytes += len(n.Name) - len(m.name)
	m.name = n.Name
	l.change(m.room)
}
