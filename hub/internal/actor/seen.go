package actor

import (
	"maps"
	"time"
)

// Seen has for each sender with another node the last of its messages that a membership has
// had, see [Membership.Seen]. It forgets senders that have sent nothing for longer than their
// messages can be sent again. Owned by the holder.
type Seen struct {
	keep           time.Duration
	turned         time.Time // when the recent ones began to be
	recent, before map[uint64]uint64
}

const (
	// seenSlack is how much longer than a membership without its connection a message may be
	// on its way: nodes that do not reach each other part within a quarter of that.
	seenSlack = time.Minute
	// seenFew is a number of senders that are not worth forgetting.
	seenFew = 256
)

// NewSeen returns one that knows nothing. window is [Options.ResumeWindow].
func NewSeen(window time.Duration) *Seen { return &Seen{keep: window + seenSlack} }

// Begin begins anew with what is known already, and takes it over.
func (s *Seen) Begin(known map[uint64]uint64) { *s = Seen{keep: s.keep, recent: known} }

// Has reports whether a message of a sender has come.
func (s *Seen) Has(key, seq uint64) bool { return max(s.recent[key], s.before[key]) >= seq }

// Note notes that a message has come.
func (s *Seen) Note(key, seq uint64) {
	if _, known := s.recent[key]; !known && len(s.recent) >= seenFew {
		s.turn(time.Now())
	}
	if s.recent == nil {
		s.recent = map[uint64]uint64{}
	}
	s.recent[key] = seq
}

// turn forgets those who have sent nothing since the last turn, if that is long ago.
func (s *Seen) turn(now time.Time) {
	switch {
	case s.turned.IsZero():
		s.turned = now
	case now.Sub(s.turned) > s.keep:
		s.before, s.recent, s.turned = s.recent, nil, now
	}
}

// All returns all that is known, for the caller.
func (s *Seen) All() map[uint64]uint64 {
	all := maps.Clone(s.before)
	if all == nil {
		return maps.Clone(s.recent)
	}
	maps.Copy(all, s.recent)
	return all
}
