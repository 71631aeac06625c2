package actor

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file moves rooms from one hub to another. Those who are in them hear nothing
// of it.

// RoomMeta is what is to be known of a room besides its members.
type RoomMeta struct {
	Room   string
	Locked bool
	Opened time.Time
	Bans   map[string]time.Time // until when somebody may not join, by seat.who
}

// Membership is a member apart from its connection.
type Membership struct {
	Room, ID, Name string
	Meta           []byte // profile; nil: none
	Grant          *Grant // nil: the default rights
	Handled        uint64 // messages of the client that were handled
	Session        string // empty: not resumable
	Joined         time.Time
	Turn           Turn
	Asked          time.Time // see Asked.At; zero: not known
	Expires        time.Time // when it ends without a connection; zero: it has one
	Client         *Client   // nil: the connection was lost
	Changes        bool      // told of changes in place of whole lists
	Quiet          bool      // told nothing of the room's members
	Key            string    // see Join.Key
	Had            uint64    // messages of the membership that Client has had
	Out            Receiver  // where Client is nil, what is kept for it
	// Seen has for senders with other nodes the last of their messages that has come, by
	// frame.Origin; for one that is resumed or moved only.
	Seen map[uint64]uint64
	// Lost says that Client's node was taken for lost, so that members may have sent
	// messages that Client has not had: it goes on only where they were kept for it.
	Lost bool
}

// membership returns the member apart from its connection.
func (m *member) membership() *Membership {
	k := &Membership{
		Room: m.room.name, ID: m.id, Name: m.name, Meta: m.meta, Grant: m.grant, Handled: m.handled,
		Joined: m.joinedAt, Turn: m.turn, Asked: m.asked, Client: m.client, Out: m.out, Changes: m.changes, Quiet: m.quiet, Key: m.key,
	}
	if m.client == nil {
		k.Expires = m.expires
	}
	if m.session != nil {
		k.Session = m.session.text()
	}
	return k
}

// Restore opens rooms as they were, with their members. Of several with one id the one with
// the greatest turn is the member; the others are closed, as those are who were taken for
// lost and whose place was given up.
type Restore struct {
	Rooms   []RoomMeta
	Members []Membership
	Calls   []calls.Record
}

func (r *Restore) apply(l *loop) {
	defer l.tellReunited()
	slices.SortStableFunc(r.Members, func(a, b Membership) int { return b.Turn.Compare(a.Turn) })
	for i := range r.Members {
		m := &r.Members[i]
		switch code, text := l.restore(m); {
		case code == 0:
		case m.Client != nil:
			l.close(m.Client, code, text)
		default:
			m.Out.Discard()
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
		if meta.Locked && !room.locked {
			room.locked = true
			l.change(room, change{what: lockTurned})
		}
		if !meta.Opened.IsZero() {
			room.opened = meta.Opened
		}
	}
	l.restoreCalls(r.Calls)
}

const (
	placeGiven = "your place in the room was given up: come again"
	placeTaken = "you joined again on another connection"
)

// restore makes a member of what was one elsewhere, or says why its connection is to be
// closed.
func (l *loop) restore(k *Membership) (wire.CloseCode, string) {
	r := l.rooms[k.Room]
	if r != nil {
		if m := memberOf(r, k.ID); m != nil {
			return l.reunite(m, k)
		}
	}
	if k.Lost {
		return wire.CloseGoingAway, placeGiven
	}
	if r == nil {
		r = l.newRoom(k.Room)
	}
	m := &member{
		room: r, client: k.Client, out: k.Out, id: k.ID, name: k.Name, meta: k.Meta, grant: k.Grant, joinedAt: k.Joined,
		turn: k.Turn, asked: k.Asked, handled: k.Handled, changes: k.Changes, quiet: k.Quiet, key: k.Key,
	}
	if k.Client != nil {
		m.out = k.Client.out
	}
	l.insert(m, k.Session)
	switch {
	case k.Client != nil:
	case k.Expires.IsZero():
		l.hub.Stats.Suspended.Add(1)
		l.expireLater(m)
	default:
		l.hub.Stats.Suspended.Add(1)
		l.expireAt(m, k.Expires)
	}
	l.log.Debug(event.Restored, m.fields(zap.Int(event.FieldMembers, len(r.members)))...)
	return 0, ""
}

// reunite gives a membership that was taken for lost, or has moved, its connection back,
// with what it has missed, or says why that is to be closed: a later one has the id, or not
// all is there.
func (l *loop) reunite(m *member, k *Membership) (wire.CloseCode, string) {
	same := m.session != nil && m.session.text() == k.Session
	known := k.Turn != Turn{}
	switch before := known && k.Turn.Compare(m.turn) < 0; {
	case before && same:
		return wire.CloseReplaced, resumedElsewhere
	case before && !k.Lost:
		return wire.CloseReplaced, placeTaken
	case !same || known && k.Turn != m.turn || k.Client == nil || m.client != nil:
		return wire.CloseGoingAway, placeGiven
	}
	missed, ok := m.out.Missed(k.Had)
	if !ok {
		return wire.CloseGoingAway, placeGiven
	}
	m.out.Discard()
	l.hub.Stats.Suspended.Add(-1)
	k.Client.member, m.client, m.out, m.remote = m, k.Client, k.Client.out, k.Client.remote
	m.handled = max(m.handled, k.Handled)
	for _, f := range missed {
		l.deliver(m.client, f, 0)
		f.Release()
	}
	m.told = 0
	l.reunited = append(l.reunited, m)
	l.log.Debug(event.Restored, m.fields(zap.Int(event.FieldMembers, len(m.room.members)))...)
	return 0, ""
}

// tellReunited tells members that have their connections back of their rooms, once all
// members are restored.
func (l *loop) tellReunited() {
	for _, m := range l.reunited {
		l.tell(m, List{})
	}
	l.reunited = nil
}

// Export takes the rooms of which Of holds out of the hub, and says what another
// hub can't learn from the members' connections: of them, the resumable members.
type Export struct {
	Partition int // which they are; it is not here any more
	Of        func(room string) bool
	Done      chan<- Exported // needs a capacity of one
}

// Exported is what an Export has taken out. The Receivers of its members are the
// caller's now.
type Exported struct {
	Rooms   []RoomMeta
	Members []Membership
	Calls   []calls.Record
}

func (e *Export) apply(l *loop) {
	var out Exported
	delete(l.owned, e.Partition)
	out.Calls = l.exportCalls(e.Of)
	for i := len(l.roomList) - 1; i >= 0; i-- {
		r := l.roomList[i]
		if !e.Of(r.name) {
			continue
		}
		l.catchAllUp(r)
		meta := RoomMeta{Room: r.name, Locked: r.locked, Opened: r.opened}
		for _, m := range r.members {
			if m.session != nil && !m.isLocal() {
				out.Members = append(out.Members, *m.membership())
			}
			l.takeOut(m, meta)
		}
		r.members = nil
		l.dropRoom(r)
		l.log.Debug(event.Exported, zap.String(event.FieldRoom, r.name))
		out.Rooms = append(out.Rooms, meta)
	}
	for s, until := range l.bans {
		if e.Of(s.room) {
			out.Rooms = append(out.Rooms, RoomMeta{Room: s.room, Bans: map[string]time.Time{s.who: until}})
			delete(l.bans, s)
		}
	}
	Give(e.Done, out)
}

// takeOut ends a membership here without a word to anybody, and with it its
// client.
func (l *loop) takeOut(m *member, r RoomMeta) {
	if m.session != nil {
		delete(l.sessions, m.session.handle)
	}
	l.hub.Stats.Members.Add(-1)
	if c := m.client; m.isLocal() {
		l.moveOut(m, r)
	} else if c != nil {
		c.member, c.closed = nil, true
		l.unregister(c)
	} else {
		l.hub.Stats.Suspended.Add(-1)
	}
	m.room, m.client = nil, nil
}
