package hub

import (
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// This file tells rooms who is in them: once a batch, before the first message
// of a member that a receiver has not heard of, and large rooms at a rate that
// falls with their size.

// roomState returns the encoded room_members of the room as it is now, made once
// for each version.
func (r *room) roomState() *wire.Frame {
	if r.state != nil && r.encoded == r.version {
		return r.state
	}
	r.forgetState()
	list := wire.NewMembers(r.name, r.textBytes)
	for _, m := range r.members {
		list.Add(m.quotedID, m.name)
	}
	r.state, r.encoded = list.Frame(r.locked), r.version
	return r.state
}

// change begins a new version of the room, to be told at the end of the batch.
func (l *loop) change(r *room) {
	r.version++
	if !r.listed {
		r.listed = true
		l.changed = append(l.changed, r)
	}
}

// tell sends one member the room as it is now, if it does not know it yet.
func (l *loop) tell(m *member) {
	r, c := m.room, m.client
	if r == nil || m.told == r.version || c != nil && c.closed {
		return
	}
	f := r.roomState()
	f.Retain(1)
	// A list that still waits may be replaced past queued messages unless it
	// names somebody who has left since: that one may have sent them.
	inPlace := r.lastLeft <= m.told
	m.told = r.version
	if ok := m.out.SendState(f, inPlace); c != nil {
		l.queued(c, ok)
	} else {
		l.kept(m, ok)
	}
}

// stateBytesPerSecond bounds what one room may send of room_members. A list of n
// members goes to n members, so a crowd that comes one by one would cost n³
// bytes; with the bound a large room is told at a rate that falls with its size,
// and one of 50 members still every millisecond.
const stateBytesPerSecond = 20e6

// maxHold is the longest that a change waits for that bound, in the room of any
// size.
const maxHold = time.Second

// minHold is below which holding a room back is not worth a timer.
const minHold = 2 * time.Millisecond

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

func (l *loop) tellAll(r *room) {
	r.newcomers = nil
	if r.toldAll == r.version {
		return
	}
	r.toldAll = r.version
	for _, m := range r.members {
		l.tell(m)
	}
	cost := float64(r.roomState().Size() * len(r.members))
	if hold := time.Duration(cost / stateBytesPerSecond * float64(time.Second)); hold >= minHold {
		r.heldTo = l.now.Add(min(hold, maxHold))
	}
	r.forgetState()
}

// forgetState gives the encoded state back: a room that is quiet keeps none.
func (r *room) forgetState() {
	if r.state != nil {
		r.state.Release()
		r.state = nil
	}
}

// hold keeps a changed room back until its time.
func (l *loop) hold(r *room) {
	for _, m := range r.newcomers {
		l.tell(m)
	}
	r.newcomers = nil
	if !r.held {
		r.held = true
		time.AfterFunc(r.heldTo.Sub(l.now), func() { _ = l.hub.Do(release{r}) })
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
