package actor

import (
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// This file keeps what has changed in a room, for the members that are told of changes
// in place of whole lists.

// change is one step from a version of a room to the next.
type change struct {
	what changeKind
	id   string // of whom; empty: a change of the lock
	// The nickname or the profile was changed; of a member that left: it had one.
	name, meta bool
}

type changeKind uint8

const (
	memberJoined changeKind = iota
	memberLeft
	memberDescribed
	lockTurned
)

// changeLog has the steps to a room's version, in order. Owned by the loop.
type changeLog struct {
	since uint64   // the version before the first step
	steps []change // one for each version after that
	told  uint64   // versions from this on many members may know: see tellable
	// The fields below are of the version encodedAt.
	encoded   map[uint64]delta // by the version that they follow on
	encodedAt uint64
	folds     int // steps that were folded for it, see maxFolds
}

// delta is what has changed since some version, encoded for all who need the same.
type delta struct {
	*frame.Frame
	empty bool // nothing has
}

// Bounds of what is kept and folded. A room keeps the last steps, as many as it has
// members and at least minSteps: beyond that a whole list is shorter. A member that alone
// is behind by more than maxFold steps is not worth the folding.
//
// For one version of a room, maxFolds times as many steps are folded as it has members, or
// as maxFold if that is more. Members that each know another version would otherwise cost
// the loop and the memory a message each; a whole list is made once for all of them.
const (
	minSteps = 16
	maxFold  = 512
	maxFolds = 4
)

// note adds the step to the room's present version.
func (g *changeLog) note(c change, members int) {
	g.steps = append(g.steps, c)
	if keep := max(members, minSteps); len(g.steps) > 2*keep {
		n := len(g.steps) - keep
		g.steps = append([]change(nil), g.steps[n:]...)
		g.since += uint64(n)
	}
}

// forget drops what is known: nobody asks for what has changed before this version.
func (g *changeLog) forget(version uint64) {
	g.steps, g.since = nil, version
	g.forgetEncoded()
}

func (g *changeLog) forgetEncoded() {
	for since, d := range g.encoded {
		d.Release()
		delete(g.encoded, since)
	}
	g.encoded = nil
}

// tellable reports whether what has changed since a version may be told to a member
// that knows it. If not, there is too much of it, or it is not known any more.
func (r *room) tellable(since uint64) bool {
	g := &r.log
	if since == 0 || since < g.since {
		return false
	}
	r.freshen()
	if _, done := g.encoded[since]; done || since == g.told || since == r.toldAll {
		return true
	}
	n := g.behind(since)
	return (n <= maxFold || since >= g.told) && g.folds+n <= maxFolds*max(len(r.members), maxFold)
}

// behind returns how many steps there are since a version.
func (g *changeLog) behind(since uint64) int { return len(g.steps) - int(since-g.since) }

// freshen forgets what was encoded for an earlier version.
func (r *room) freshen() {
	if g := &r.log; g.encodedAt != r.version {
		g.forgetEncoded()
		g.encodedAt, g.folds = r.version, 0
	}
}

// delta returns what has changed in the room since a version, of which tellable holds.
func (r *room) delta(since uint64) delta {
	g := &r.log
	d, done := g.encoded[since]
	if !done {
		d = r.encodeDelta(since)
		g.folds += g.behind(since)
		if g.encoded == nil {
			g.encoded = make(map[uint64]delta)
		}
		g.encoded[since] = d
	}
	return d
}

// folded is all that has happened to one id.
type folded struct {
	id         string
	was        bool // it was a member's before
	moved      bool // somebody has joined or left under it
	name, meta bool
}

// encodeDelta folds the steps since a version.
func (r *room) encodeDelta(since uint64) delta {
	ids, turned := r.log.fold(since)
	c := frame.NewChanges(r.name)
	for i := range ids {
		f := &ids[i]
		m := memberOf(r, f.id)
		switch {
		case m == nil && f.was:
			c.Left(wire.AppendQuoted(nil, f.id))
		case m == nil:
		case !f.was:
			c.Joined(m.quotedID, m.name, m.meta)
		default:
			if f.moved {
				c.Rejoined(m.quotedID)
			}
			if f.name || f.moved && m.name != "" {
				c.Name(m.quotedID, m.name)
			}
			if f.meta || f.moved && m.meta != nil {
				c.Meta(m.quotedID, m.meta)
			}
		}
	}
	var locked *bool
	if turned {
		locked = &r.locked
	}
	return delta{c.Frame(locked, len(r.members)), c.Empty() && !turned}
}

// fold returns what has happened to each id since a version, and whether the lock is
// another.
func (g *changeLog) fold(since uint64) (ids []folded, turned bool) {
	at := map[string]int{}
	for _, c := range g.steps[since-g.since:] {
		if c.what == lockTurned {
			turned = !turned
			continue
		}
		i, known := at[c.id]
		if !known {
			i = len(ids)
			at[c.id] = i
			ids = append(ids, folded{id: c.id, was: c.what != memberJoined})
		}
		f := &ids[i]
		f.moved = f.moved || c.what != memberDescribed
		f.name = f.name || c.name
		f.meta = f.meta || c.meta
	}
	return ids, turned
}

// Lister makes what members are told of their room. The loop calls it, in a call of
// [Receiver.SendList].
type Lister interface {
	// List returns the room as it is now for somebody that knows what it was at version
	// since; 0: nothing. from is the version that the frame follows on; 0: it is a whole
	// list. The caller gets a reference. A nil frame says that there is nothing to tell.
	// With fold the frame is to take the place of one that follows on since; ok is false
	// if that can't be.
	List(since uint64, fold bool) (f *frame.Frame, from uint64, ok bool)
}

// List implements [Lister].
func (r *room) List(since uint64, fold bool) (f *frame.Frame, from uint64, ok bool) {
	switch {
	case since > 0 && r.tellable(since):
		d := r.delta(since)
		if d.empty && !fold {
			return nil, since, true
		}
		f, from = d.Frame, since
		r.sent += max(f.Size()/deltaPart, minDelta)
	case since > 0 && fold:
		return nil, 0, false
	default:
		f = r.roomState()
		r.sent += f.Size()
	}
	f.Retain(1)
	return f, from, true
}

// listFor returns what a member has to be told, without a reference for the caller.
func (r *room) listFor(m *member) *frame.Frame {
	if m.changes && r.tellable(m.told) {
		return r.delta(m.told).Frame
	}
	return r.roomState()
}
