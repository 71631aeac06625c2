package hub

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// This file moves rooms from one hub to another. Those who are in them hear nothing
// of it.

// RoomMeta is what is to be known of a room besides its members.
type RoomMeta struct {
	Room   string
	Locked bool
	Opened time.Time
	Bans   map[string]time.Time // until when an id may not join
}

// Membership is a member apart from its connection.
type Membership struct {
	Room, ID, Name string
	Grant          *Grant // nil: the default rights
	Session        string // empty: not resumable
	Joined         time.Time
	Client         *Client  // nil: the connection was lost
	Out            Receiver // where Client is nil, what is kept for it
}

// Restore opens rooms as they were, with their members. Taken gets those whose ids
// are taken; it needs a capacity of one.
type Restore struct {
	Rooms   []RoomMeta
	Members []Membership
	Taken   chan<- []Membership
}

func (r *Restore) apply(l *loop) {
	var taken []Membership
	for _, m := range r.Members {
		if !l.restore(&m) {
			taken = append(taken, m)
		}
	}
	for _, meta := range r.Rooms {
		for id, until := range meta.Bans {
			l.banUntil(seat{meta.Room, id}, until)
		}
		room := l.rooms[meta.Room]
		if room == nil {
			continue
		}
		if meta.Locked != room.locked {
			room.locked = meta.Locked
			l.change(room)
		}
		if !meta.Opened.IsZero() {
			room.opened = meta.Opened
		}
	}
	r.Taken <- taken
}

// restore makes a member of what was one elsewhere, and reports false if its id is
// taken.
func (l *loop) restore(k *Membership) bool {
	if r := l.rooms[k.Room]; r != nil && memberOf(r, k.ID) != nil {
		return false
	}
	r := l.rooms[k.Room]
	if r == nil {
		r = l.newRoom(k.Room)
	}
	m := &member{
		room: r, client: k.Client, out: k.Out, id: k.ID, name: k.Name, grant: k.Grant,
		quotedID: wire.AppendQuoted(nil, k.ID),
		joinedAt: k.Joined,
	}
	if m.grant == nil {
		m.grant = defaultGrant
	}
	if k.Client != nil {
		m.out = k.Client.out
		k.Client.member = m
	}
	l.insert(m)
	if s, ok := parseSession(k.Session); ok {
		m.session = &s
		l.sessions[s.handle] = m
	}
	l.hub.Stats.Members.Add(1)
	if k.Client == nil {
		l.hub.Stats.Suspended.Add(1)
		l.expireLater(m)
	}
	l.log.Info(EventRestored, m.fields(zap.Int(FieldMembers, len(r.members)))...)
	return true
}

// Export takes the rooms of which Of holds out of the hub, and says what another
// hub can't learn from the members' connections: of them, the resumable members.
type Export struct {
	Of   func(room string) bool
	Done chan<- Exported // needs a capacity of one
}

// Exported is what an Export has taken out. The Receivers of its members are the
// caller's now.
type Exported struct {
	Rooms   []RoomMeta
	Members []Membership
}

func (e *Export) apply(l *loop) {
	var out Exported
	for i := len(l.roomList) - 1; i >= 0; i-- {
		r := l.roomList[i]
		if !e.Of(r.name) {
			continue
		}
		meta := RoomMeta{Room: r.name, Locked: r.locked, Opened: r.opened}
		for _, m := range r.members {
			if m.session != nil {
				out.Members = append(out.Members, Membership{
					Room: r.name, ID: m.id, Name: m.name, Grant: m.grant, Session: m.session.text(),
					Joined: m.joinedAt, Client: m.client, Out: m.out,
				})
			}
			l.takeOut(m)
		}
		r.members = nil
		l.dropRoom(r)
		l.log.Info(EventExported, zap.String(FieldRoom, r.name))
		out.Rooms = append(out.Rooms, meta)
	}
	for s, until := range l.bans {
		if e.Of(s.room) {
			out.Rooms = append(out.Rooms, RoomMeta{Room: s.room, Bans: map[string]time.Time{s.id: until}})
			delete(l.bans, s)
		}
	}
	e.Done <- out
}

// takeOut ends a membership here without a word to anybody, and with it its
// client.
func (l *loop) takeOut(m *member) {
	if m.session != nil {
		delete(l.sessions, m.session.handle)
	}
	l.hub.Stats.Members.Add(-1)
	if c := m.client; c != nil {
		c.member, c.closed = nil, true
		l.unregister(c)
	} else {
		l.hub.Stats.Suspended.Add(-1)
	}
	m.room, m.client = nil, nil
}
