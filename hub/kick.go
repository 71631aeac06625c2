package hub

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// Kick removes the member To of a room: its connection is closed, its session is
// over, and its id may not join that room again for [Options.KickBan].
type Kick struct {
	Order
	To string
}

const kickedText = "you were removed from the room"

func (k *Kick) apply(l *loop) {
	k.carryOut(l, func(r *room) *wire.Refusal {
		m := memberOf(r, k.To)
		if m == nil {
			return ErrTargetNotFound
		}
		k.log(l, EventKick, r, zap.String(FieldID, m.id))
		l.notify(Event{Kind: EventKick, Room: r.name, ID: m.id, Name: m.name, By: k.by()})
		l.ban(seat{r.name, m.id})
		l.expel(m, kickedText, ReasonKicked)
		return nil
	})
}

// expel ends a membership and its connection.
func (l *loop) expel(m *member, text, reason string) {
	if c := m.client; c != nil && !c.closed {
		l.close(c, wire.CloseKicked, text)
	}
	l.leaveRoom(m, reason)
}

// seat is an id in a room.
type seat struct{ room, id string }

func (l *loop) ban(s seat) {
	if l.options.KickBan <= 0 {
		return
	}
	until := l.now.Add(l.options.KickBan)
	l.banUntil(s, until)
	l.options.Share(RoomMeta{Room: s.room, Locked: l.rooms[s.room].locked, Bans: map[string]time.Time{s.id: until}})
}

func (l *loop) banUntil(s seat, until time.Time) {
	if until.After(l.bans[s]) {
		l.bans[s] = until
		time.AfterFunc(until.Sub(l.now), func() { _ = l.hub.Do(unban{s}) })
	}
}

func (l *loop) banned(room, id string) bool {
	until, found := l.bans[seat{room, id}]
	return found && until.After(l.now)
}

// unban forgets a ban that is over.
type unban struct{ seat seat }

func (u unban) apply(l *loop) {
	if !l.bans[u.seat].After(l.now) {
		delete(l.bans, u.seat)
	}
}
