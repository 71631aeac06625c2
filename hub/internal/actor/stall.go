package actor

import "time"

// A queue protects its receiver: a sender whose share is used up is refused, and what
// goes to the whole room may exceed the limit for a while. Both assume that the client
// reads. So from when a sender is refused or the limit is exceeded, what waits must be
// written within StallTime, or as much of it as the limit, or the client is closed. With
// the default queue that takes at most 350 KB a second. A member without a connection is
// left alone.

// StallTime is how long a client may take to write as much as its queue's limit.
const StallTime = 3 * time.Second

// watch looks at a member's queue again after StallTime.
func (l *loop) watch(m *member) {
	if m.client != nil && !m.watched {
		m.watched = true
		l.later(StallTime, watch{m, m.out, m.out.Mark()})
	}
}

// watch is the command of that time.
type watch struct {
	member *member
	out    Receiver // of the connection that it was about
	mark   uint64   // how far it must be
}

func (w watch) apply(l *loop) {
	m := w.member
	m.watched = false
	if c := m.client; c != nil && m.room != nil && m.out == w.out && m.out.Behind(w.mark) {
		l.closeSlow(c)
	}
}
