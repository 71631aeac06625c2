package actor

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Join makes the client a member of Room under ID. Welcome, the encoded joined
// message, is the first thing that it then gets; the room's members follow.
type Join struct {
	Client *Client
	Room   string
	ID     string
	Name   string // nickname; empty: none
	Meta   []byte // profile, as JSON; nil: none
	Grant  *Grant // what it may do; nil: the default rights
	// Capacity is how many members the room may have; 0: as many as any room,
	// see [Options].
	Capacity int
	Welcome  *frame.Frame // the caller's reference is taken over
	// Session makes the membership resumable; empty: it is not. See NewSession.
	Session string
	// Takeover says that the client takes the place of the member with its id, if
	// both have tokens for that id.
	Takeover bool
	// Changes says that the member is told of changes of its room in place of whole lists,
	// after the first.
	Changes bool
	// Quiet says that the member is told nothing of who is in its room.
	Quiet bool
	// Key is a secret of the client's: a join with the same id and Key takes the member's
	// place. Empty: none does.
	Key string
	// Asked is when the client asked. A takeover needs it.
	Asked Asked
	// Refused says which message a refusal answers. Without a type the client asks whether
	// there is room: that there is none is neither counted nor logged.
	Refused frame.Refused
	// Done gets one value: whether the client is in. It needs a capacity of one.
	Done chan<- bool
}

// ErrAlreadyJoined refuses a join of a client that is in a room already.
var ErrAlreadyJoined = &wire.Refusal{Code: wire.CodeAlreadyJoined, Text: "you are in a room already: leave it first"}

var (
	errDuplicateID = &wire.Refusal{Code: wire.CodeDuplicateID, Text: "another member of this room has this id"}
	errRoomFull    = &wire.Refusal{Code: wire.CodeRoomFull, Text: "this room is full"}
	errRoomLocked  = &wire.Refusal{Code: wire.CodeRoomLocked, Text: "this room is locked: only moderators can join it now"}
	errBanned      = &wire.Refusal{Code: wire.CodeForbidden, Text: "you were removed from this room a short while ago"}
	errAsked       = &wire.Refusal{Code: wire.CodeUnavailable} // no refusal: the client's node is asked
	errServerFull  = &wire.Refusal{Code: wire.CodeServerFull, Text: "the server can't open another room now"}
)

func (j *Join) apply(l *loop) {
	c := j.Client
	if c.closed {
		j.Welcome.Release()
		Give(j.Done, false)
		return
	}
	r := j.makePlace(l)
	if r == errAsked {
		j.Welcome.Release()
		Give(j.Done, false)
		return
	}
	if r != nil {
		j.Welcome.Release()
		if r == errRoomFull && j.Refused.Re == "" {
			c.handled()
			l.answer(c, frame.Error(r, j.Refused))
		} else {
			l.refuseJoin(c, r, j.Refused, j.Room, j.ID)
		}
		Give(j.Done, false)
		return
	}
	l.enter(j)
	l.answer(c, j.Welcome)
	l.straighten(c)
	Give(j.Done, true)
}

// challengeTime is how long the holder of an id that another client asks for may
// take to show that it lives.
const challengeTime = 2 * time.Second

// makePlace has a member with the client's id give way where it must, and returns why
// the join can't be, or nil.
func (j *Join) makePlace(l *loop) *wire.Refusal {
	if j.Client.member != nil {
		return ErrAlreadyJoined
	}
	if l.banned(j) {
		return errBanned
	}
	r := l.rooms[j.Room]
	if r != nil {
		if holder := memberOf(r, j.ID); holder != nil {
			if j.Takeover && j.Grant.is(j.ID) && holder.grant.is(j.ID) || j.Key != "" && j.Key == holder.key || j.isOf(holder) {
				return j.takePlace(l, holder)
			}
			holder.out.Challenge(challengeTime)
			return errDuplicateID
		}
	}
	limits := l.options.Current.Load()
	capacity := j.Capacity
	if capacity == 0 {
		capacity = limits.MaxRoomMembers
	}
	switch {
	case r == nil && limits.MaxRooms > 0 && len(l.rooms)+l.options.Elsewhere() >= limits.MaxRooms:
		return errServerFull
	case r == nil:
		return nil
	case r.locked && !j.Grant.may(wire.MayModerate):
		return errRoomLocked
	case capacity > 0 && len(r.members) >= capacity:
		return errRoomFull
	}
	return nil
}

// takePlace has the member give way, unless its connection asked later, and returns why the
// join can't be, or nil.
func (j *Join) takePlace(l *loop, holder *member) *wire.Refusal {
	if !j.isOf(holder) {
		switch l.lateFor(holder, j.Client, j.Asked) {
		case late:
			return ErrLate
		case askedFor:
			return errAsked
		}
	}
	l.replace(holder)
	return nil
}

// isOf reports whether the member comes from this very join, which is carried out again
// since its answer was lost on the way. Only the client's own node knows the session.
func (j *Join) isOf(m *member) bool {
	return m.session != nil && j.Session != "" && m.session.text() == j.Session
}

// enter makes a member of the joining client, opening the room if need be.
func (l *loop) enter(j *Join) {
	r := l.rooms[j.Room]
	if r == nil {
		r = l.openRoom(j.Room)
	}
	m := &member{
		room: r, client: j.Client, out: j.Client.out, id: j.ID, name: j.Name, meta: profile(j.Meta), grant: j.Grant,
		joinedAt: l.now, turn: l.nextTurn(j.Room), asked: j.Asked.At, handled: 1, changes: j.Changes, quiet: j.Quiet, key: j.Key,
	}
	l.insert(m, j.Session)
	m.out.Reset(j.Session != "", m.turn)
	l.log.Info(event.Join, m.fields(zap.Int(event.FieldMembers, len(r.members)))...)
	l.notify(event.Event{Kind: event.MemberJoined, Room: r.name, ID: m.id, Name: m.name, Members: len(r.members)})
}

// replace ends the membership of the member that the joining client takes over.
// Nobody is told of a room without it: the list that follows names the id again, and
// so do all lists before; changes say that it was taken over.
func (l *loop) replace(holder *member) {
	l.log.Info(event.Takeover, holder.fields()...)
	if c := holder.client; c != nil && !c.closed {
		l.close(c, wire.CloseReplaced, placeTaken)
	}
	r := holder.room
	lastLeft := r.lastLeft
	r.keepOpen = true
	l.leaveRoom(holder, event.ReasonTakenOver)
	r.keepOpen, r.lastLeft = false, lastLeft // rule 4 of membership.go: the id has not left
}
