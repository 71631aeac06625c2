package actor

import "cmp"

// Turn orders the connections that an id of a room was given to, by joins and by resumes:
// each has a greater turn than those before it, whichever owner of the room has given it.
// The zero Turn is not known.
type Turn struct {
	Epoch uint64 // in which the owner owned the room; 0: there is no cluster
	Count uint64 // of the turns that the hub has given
}

// Compare returns -1, 0 or 1 as t is before, the same as, or after another turn.
func (t Turn) Compare(other Turn) int {
	return cmp.Or(cmp.Compare(t.Epoch, other.Epoch), cmp.Compare(t.Count, other.Count))
}

// nextTurn returns the turn of a connection that is given an id of a room.
func (l *loop) nextTurn(room string) Turn {
	l.turns++
	t := Turn{Count: l.turns}
	if l.options.PartitionOf != nil {
		t.Epoch = l.owned[l.options.PartitionOf(room)]
	}
	return t
}
