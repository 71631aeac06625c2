package hub

import "github.com/parley-rtc/parley/hub/wire"

// Join makes the client a member of Room under ID. Welcome, the encoded joined
// message, is the first thing that it then gets; the room's members follow.
type Join struct {
	Client *Client
	Room   string
	ID     string
	Name   string // nickname; empty: none
	Grant  *Grant // what it may do; nil: the default rights
	// Capacity is how many members the room may have; 0: as many as any room,
	// see [Options].
	Capacity int
	Welcome  *wire.Frame
	// Session makes the membership resumable; empty: it is not. See NewSession.
	Session string
	// Refused says which message a refusal answers.
	Refused wire.Refused
	// Done gets one value: whether the client is in. It needs a capacity of one.
	Done chan<- bool
}

// ErrAlreadyJoined refuses a join of somebody who is in a room.
var ErrAlreadyJoined = &wire.Refusal{Code: wire.CodeAlreadyJoined, Text: "you are in a room already: leave it first"}

var (
	errDuplicateID = &wire.Refusal{Code: wire.CodeDuplicateID, Text: "a member of this room has this id"}
	errRoomFull    = &wire.Refusal{Code: wire.CodeRoomFull, Text: "this room has as many members as it may have"}
	errRoomLocked  = &wire.Refusal{Code: wire.CodeRoomLocked, Text: "this room is locked: nobody can join it now"}
	errBanned      = &wire.Refusal{Code: wire.CodeForbidden, Text: "you were removed from this room a short while ago"}
	errServerFull  = &wire.Refusal{Code: wire.CodeServerFull, Text: "the server has as many rooms as it may have"}
)

func (j *Join) apply(l *loop) {
	if j.Client.closed {
		j.Welcome.Release()
		j.Done <- false
		return
	}
	if r := j.refusal(l); r != nil {
		j.Welcome.Release()
		l.refuse(j.Client, r, j.Refused)
		j.Done <- false
		return
	}
	l.enter(j)
	l.queued(j.Client, j.Client.out.Send(j.Welcome))
	j.Done <- true
}

// refusal returns why the join can't be, or nil.
func (j *Join) refusal(l *loop) *wire.Refusal {
	if j.Client.member != nil {
		return ErrAlreadyJoined
	}
	if l.banned(j.Room, j.ID) {
		return errBanned
	}
	r := l.rooms[j.Room]
	capacity := j.Capacity
	if capacity == 0 {
		capacity = l.options.MaxRoomMembers
	}
	switch {
	case r == nil && l.options.MaxRooms > 0 && len(l.rooms)+l.options.Elsewhere() >= l.options.MaxRooms:
		return errServerFull
	case r == nil:
		return nil
	case memberOf(r, j.ID) != nil:
		return errDuplicateID
	case r.locked && !j.Grant.may(wire.MayModerate):
		return errRoomLocked
	case capacity > 0 && len(r.members) >= capacity:
		return errRoomFull
	}
	return nil
}
