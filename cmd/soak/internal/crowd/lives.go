package crowd

// life is one membership of a member, as the member itself knows it. Times are in
// nanoseconds since the run began; 0: not yet.
type life struct {
	asked   int64 // when it connected to join: the server can't have known before
	entered int64 // when it read that it is in: the server knew before
	ended   int64 // when it left, or was told that it is out
	over    int64 // when the server confirmed that it has left
}

// livesKept bounds what is known of earlier memberships of a member.
const livesKept = 64

// born starts a membership.
func (m *member) born(at int64) {
	if len(m.lives) == livesKept {
		m.forgottenAt = max(m.lives[0].ended, m.lives[0].asked)
		m.lives = m.lives[:copy(m.lives, m.lives[1:])]
		m.forgotten++
	}
	m.lives = append(m.lives, life{asked: at})
}

// life returns the present membership, or the last.
func (m *member) life() *life {
	if len(m.lives) == 0 {
		m.lives = append(m.lives, life{})
	}
	return &m.lives[len(m.lives)-1]
}

// endsSince counts the memberships of the member that have ended after a time.
func (m *member) endsSince(at int64) (n int) {
	for i := range m.lives {
		if end := m.lives[i].ended; end != 0 && end > at {
			n++
		}
	}
	return n + m.forgottenSince(at)
}

// joinsSince counts the memberships that the member has asked for after a time.
func (m *member) joinsSince(at int64) (n int) {
	for i := range m.lives {
		if m.lives[i].asked > at {
			n++
		}
	}
	return n + m.forgottenSince(at)
}

// forgottenSince counts the memberships that are no longer known, of which some may have
// ended after a time.
func (m *member) forgottenSince(at int64) int {
	if m.forgottenAt <= at {
		return 0
	}
	return m.forgotten
}
