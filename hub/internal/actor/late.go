package actor

import (
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// This file keeps a join or a resume that was delayed on its way from taking the place of a
// connection that its client has opened since. The place is taken by who asked last, not by
// whose command comes last.

// Asked is when a client asked for a place in a room, by a join or a resume.
type Asked struct {
	// At is when, by the clock of this process; of a client with another node, when the
	// command came from there. Zero: it is not known.
	At time.Time
	// After is the last turn of the place that was given before that, as far as is known.
	After Turn
}

// ErrLate refuses a join or a resume whose client has asked again since, by a connection that
// has the place.
var ErrLate = &wire.Refusal{Code: wire.CodeUnavailable, Text: "another connection has taken this place since you asked: try again"}

// lateness is how a command that would take a member's place stands to the member.
type lateness int

const (
	notLate  lateness = iota
	late              // the member's connection asked later
	askedFor          // only the client's node can tell, and is asked: see Options.Taken
)

// lateFor reports whether a client asked for the member's place before the member's own
// connection did.
func (l *loop) lateFor(m *member, c *Client, a Asked) lateness {
	switch {
	case m.asked.IsZero() || a.At.IsZero() || m.turn.Compare(a.After) <= 0:
		return notLate
	case c.node == "" || c.own:
		if a.At.Before(m.asked) {
			return late
		}
	case l.options.Taken != nil && l.options.Taken(c.out, m.turn, time.Since(m.asked)):
		return askedFor
	}
	return notLate
}

// give gives the member's place to a client that asked for it, and returns its turn.
func (l *loop) give(m *member, a Asked) Turn {
	m.turn, m.asked = l.nextTurn(m.room.name), a.At
	return m.turn
}
