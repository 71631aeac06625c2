package actor

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// Kick removes the member To of a room: its connection is closed, its session is
// over, and it is banned from that room for [Options.KickBan].
type Kick struct {
	Order
	To string
}

const kickedText = "you were removed from the room"

func (k *Kick) apply(l *loop) {
	k.carryOut(l, func(r *room) *wire.Refusal {
		m := memberOf(r, k.To)
		if m == nil {
			return k.noMember(r.name, k.To)
		}
		k.log(l, event.Kick, r, zap.String(event.FieldID, m.id))
		l.notify(event.Event{Kind: event.MemberKicked, Room: r.name, ID: m.id, Name: m.name, By: k.by()})
		l.ban(m)
		l.expel(m, kickedText, event.ReasonKicked)
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

// seat is a way to come back to a room that a ban closes: an id, the sub of a token,
// or the address of a guest.
type seat struct{ room, who string }

// Kinds of seats are told apart by their first character. No id has a control
// character.
const (
	bySubject = "\x01"
	byAddress = "\x02"
)

func idSeat(room, id string) seat { return seat{room, id} }

func subjectSeat(room, subject string) seat { return seat{room, bySubject + subject} }

// addressSeat is the seat of guests from an address: an IPv6 address stands for
// its /64, of which every host has as many as it likes.
func addressSeat(room string, a netip.Addr) seat {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return seat{room, byAddress + a.String()}
}

// seats are the ways by which the member could come back. As a guest, without a token
// that names it, it can take any id: guests from its address are banned too, unless the
// address stands for other members of the room as well.
func (l *loop) seats(m *member) []seat {
	room := m.room.name
	all := []seat{idSeat(room, m.id)}
	if m.grant.Subject != "" {
		all = append(all, subjectSeat(room, m.grant.Subject))
	}
	if m.remote.IsValid() {
		address := addressSeat(room, m.remote)
		for _, other := range m.room.members {
			if other != m && other.remote.IsValid() && addressSeat(room, other.remote) == address {
				return all
			}
		}
		all = append(all, address)
	}
	return all
}

func (l *loop) ban(m *member) {
	length := l.options.Current.Load().KickBan
	if length <= 0 {
		return
	}
	until := l.now.Add(length)
	bans := map[string]time.Time{}
	for _, s := range l.seats(m) {
		l.banUntil(s, until)
		bans[s.who] = until
	}
	l.options.TellNodes(RoomMeta{Room: m.room.name, Locked: m.room.locked, Bans: bans})
}

func (l *loop) banUntil(s seat, until time.Time) {
	if until.After(l.bans[s]) {
		l.bans[s] = until
		l.later(until.Sub(l.now), unban{s})
	}
}

// banned reports whether a ban stands against a join.
func (l *loop) banned(j *Join) bool {
	if len(l.bans) == 0 {
		return false
	}
	seats := []seat{idSeat(j.Room, j.ID)}
	if j.Grant != nil && j.Grant.Subject != "" {
		seats = append(seats, subjectSeat(j.Room, j.Grant.Subject))
	} else if a := j.Client.remote; a.IsValid() {
		seats = append(seats, addressSeat(j.Room, a))
	}
	for _, s := range seats {
		if l.bans[s].After(l.now) {
			return true
		}
	}
	return false
}

// unban forgets a ban that is over.
type unban struct{ seat seat }

func (u unban) apply(l *loop) {
	until, found := l.bans[u.seat]
	switch left := until.Sub(l.now); {
	case !found:
	case left <= 0:
		delete(l.bans, u.seat)
	default:
		// The ban was prolonged, or came from another node, whose clock is ahead.
		l.later(left, u)
	}
}
