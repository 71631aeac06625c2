package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/internal/frame"
)

// This file tells rooms who is in them: once a batch, before the first message of a
// member whom a receiver has not heard of, and large rooms at a rate that falls with
// their size. Code elsewhere refers to these rules by number:
//
//  1. room.version counts the changes of a room's list: joins, leaves, takeovers,
//     nicknames, profiles and the lock.
//  2. member.told is the version of the last list queued for the member; 0: none. A
//     member with told = version knows all.
//  3. member.since is the version of the first list that names the member. A message
//     from a to b is queued only if b.told ≥ a.since. Otherwise b needs a list first.
//  4. A list that waits in a queue may be replaced by a newer one, even if messages
//     are queued behind it, as long as the newer one names all their senders. That
//     is so if nobody has left since the waiting list: room.lastLeft ≤ member.told.
//  5. A list that no message needs may be held back: its receiver's told stays
//     behind, and the receiver is told again once its queue has caught up, or when it
//     resumes. So each queue holds at most one such list.
//
// Rules 2 to 5 are not for quiet members: they are told nothing, and a room with no others
// has no rounds.
//
// For a member with changes, all this holds for changes as for lists, with two
// differences: what has changed follows on version told, or, if it takes the place of
// changes that wait, on the version that those follow on; and rule 4 asks for
// room.lastGone, since changes say of an id that it was taken over.

// roomState returns the encoded room_members of the room as it is now, made once
// for each version.
func (r *room) roomState() *frame.Frame {
	if r.state != nil && r.encoded == r.version {
		return r.state
	}
	if r.state != nil {
		r.state.Release()
	}
	list := frame.NewMembers(r.name, r.textBytes)
	for _, m := range r.members {
		list.Add(m.quotedID, m.name, m.meta)
	}
	r.state, r.encoded = list.Frame(r.locked), r.version
	return r.state
}

// forgetState gives the encoded state back: a room that is quiet keeps none.
func (r *room) forgetState() {
	if r.state != nil {
		r.state.Release()
		r.state = nil
	}
	r.log.forgetEncoded()
}

// change begins a new version of the room, to be told at the end of the batch.
func (l *loop) change(r *room, step change) {
	r.version++
	if r.changers > 0 {
		r.log.note(step, len(r.members))
	} else {
		r.log.forget(r.version)
	}
	if !r.listed {
		r.listed = true
		l.changed = append(l.changed, r)
	}
}

// stranger reports whether the member has to be told of another with this since before it
// gets a message of it (rule 3).
func (m *member) stranger(since uint64) bool { return m.told < since && !m.quiet }

// tell sends one member the room as it is now, if the member does not know it yet
// and its queue can take it (rule 5). list says whether a message needs that, and whose.
func (l *loop) tell(m *member, list List) {
	l.catchUp(m)
	l.tellNow(m, list)
}

// tellNow is tell for a member that has caught up.
func (l *loop) tellNow(m *member, list List) {
	r, c := m.room, m.client
	if r == nil || m.quiet || m.told == r.version || m.evicted || c != nil && c.closed {
		return
	}
	list.Of, list.First, list.InPlace = r, m.told == 0, r.lastLeft <= m.told // rule 4
	if m.changes {
		list.Since, list.InPlace = m.told, r.lastGone <= m.told
	}
	if c != nil {
		l.touch(c)
	}
	if m.out.SendList(list) {
		m.told = r.version
	}
}

// Bounds of what one room may send of lists, in bytes a second of all members
// together. A list of n members goes to n members, so a crowd that comes one by one
// would cost n³ bytes. A room may send listBurst at the pace of listsPerSecond, and
// then no more than listsSustained. A room of 50 members with short ids is told
// every millisecond at the first pace, and every 20 ms at the second.
const (
	listsPerSecond = 20e6
	listsSustained = 2e6
	listBurst      = 20e6

	// Changes count at a part of their size, and at least so many bytes: a write takes its
	// time. A room of 10,000 members with changes is told every 22 ms at the first pace, and
	// every 220 ms at the second, which takes half a core.
	deltaPart = 10
	minDelta  = 45
)

// A change waits at most maxHold for these bounds, and for less than minHold no
// timer is worth it.
const (
	maxHold = 2 * time.Second
	minHold = 2 * time.Millisecond
)

// tellRooms tells all members of the changed rooms, but for rooms that were told
// too shortly before: there only those who have just joined are told, and the
// others when the room's time has come.
func (l *loop) tellRooms() {
	for len(l.changed) > 0 {
		last := len(l.changed) - 1
		r := l.changed[last]
		l.changed[last] = nil
		l.changed = l.changed[:last]
		r.listed = false
		if len(r.members) == 0 {
			continue
		}
		if r.heldTo.After(l.now) {
			l.hold(r)
			continue
		}
		l.tellAll(r)
	}
}

// tellAll tells those at once who have just joined, and all members in a round.
func (l *loop) tellAll(r *room) {
	l.tellNewcomers(r)
	if len(r.members) == r.quiet {
		r.toldAll = r.version
		r.forgetState()
	}
	if r.toldAll != r.version {
		r.round.due = true
		l.goThrough(r)
	}
}

func (l *loop) tellNewcomers(r *room) {
	for _, m := range r.newcomers {
		l.tell(m, List{})
	}
	r.newcomers = nil
}

// pay notes that the room has sent so many bytes of lists, and returns for how long
// it is to send no more.
func (r *room) pay(bytes float64, now time.Time) time.Duration {
	r.owed = max(0, r.owed-now.Sub(r.owedAt).Seconds()*listsSustained) + bytes
	r.owed = min(r.owed, listBurst+maxHold.Seconds()*listsSustained) // a crowd that has come is forgotten
	r.owedAt = now
	seconds := bytes / listsPerSecond
	if r.owed > listBurst {
		seconds = max(seconds, (r.owed-listBurst)/listsSustained)
	}
	return min(time.Duration(seconds*float64(time.Second)), maxHold)
}

// hold keeps a changed room back until its time.
func (l *loop) hold(r *room) {
	l.tellNewcomers(r)
	if !r.held {
		r.held = true
		l.later(r.heldTo.Sub(l.now), release{r})
	}
}

// release is the command of a held room's timer: the room is a changed room
// again.
type release struct{ room *room }

func (c release) apply(l *loop) {
	r := c.room
	r.held = false
	if !r.listed {
		r.listed = true
		l.changed = append(l.changed, r)
	}
}

// CaughtUp says that the client's queue can take the list that was held back.
type CaughtUp struct{ Client *Client }

func (c CaughtUp) apply(l *loop) {
	if m := c.Client.member; m != nil {
		l.tell(m, List{})
	}
}
