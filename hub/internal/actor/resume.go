package actor

import (
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// Resume takes up the membership of a lost connection, or of one that only looks
// alive, which is closed.
type Resume struct {
	Client       *Client
	Session      string
	Received     uint64 // messages that the client has received since and including joined
	MessageBytes int    // the largest message that the connection takes, to be announced
	Asked        Asked  // when the client asked
	Refused      frame.Refused
	Done         chan<- Resumed // gets one value; needs a capacity of one
	waited       bool           // see awaits; owned by the loop
	Forget       func()         // is called by the loop if the resume is refused; nil: nobody is
}

// Resumed is what came of a Resume. ID is empty when it was refused.
type Resumed struct {
	Room, ID string
	Name     string
	Meta     []byte
	Grant    *Grant
	Joined   time.Time
	Handled  uint64 // see member.handled
}

const resumedElsewhere = "the session was resumed on another connection"

// ErrSessionExpired refuses a session that is over.
var ErrSessionExpired = &wire.Refusal{Code: wire.CodeSessionExpired, Text: "this session has ended: join again"}

func (r *Resume) apply(l *loop) {
	c := r.Client
	if c.closed {
		r.end(Resumed{})
		return
	}
	switch r.lateness(l) {
	case late:
		l.refuse(c, ErrLate, r.Refused)
		r.end(Resumed{})
		return
	case askedFor:
		r.end(Resumed{})
		return
	}
	if r.awaits(l) {
		return
	}
	m, refusal := r.takeUp(l)
	if refusal != nil {
		l.refuse(c, refusal, r.Refused)
		r.end(Resumed{})
		return
	}
	l.straighten(c)
	r.end(Resumed{
		Room: m.room.name, ID: m.id, Name: m.name, Meta: m.meta, Grant: m.grant, Joined: m.joinedAt, Handled: m.handled,
	})
}

// end gives the outcome to those who wait for it.
func (r *Resume) end(outcome Resumed) {
	Give(r.Done, outcome)
	if outcome.ID == "" && r.Forget != nil {
		r.Forget()
	}
}

// lateness tells whether the client asked before another connection did that has the
// membership, or waits for it.
func (r *Resume) lateness(l *loop) lateness {
	m := l.sessionOf(r.Session)
	if m == nil || m.client == nil && m.awaited == nil || r.Client.member != nil || !r.isOf(m) {
		return notLate
	}
	return l.lateFor(m, r.Client, r.Asked)
}

// awaits closes the connection that the membership has, and reports whether the command waits.
// It does until that connection's node knows: else a node that comes to own the room might take
// that connection for the member's. And it does until all that the member has sent has arrived:
// its client is told that it was handled, and will not send it again, should the owner die. Of
// several that wait the last has the membership.
func (r *Resume) awaits(l *loop) bool {
	m := l.sessionOf(r.Session)
	if m == nil || l.options.Arrived == nil || r.waited || r.Client.member != nil || !r.isOf(m) {
		return false
	}
	if before := m.awaited; before != nil {
		m.awaited, r.Asked.After = r, l.give(m, r.Asked)
		l.close(before.Client, wire.CloseReplaced, resumedElsewhere)
		before.end(Resumed{})
		return true
	}
	old := m.client
	if old != nil && !old.own {
		l.suspend(old, event.ReasonLost)
		l.close(old, wire.CloseReplaced, resumedElsewhere)
	}
	if !l.options.Arrived(func() { _ = l.hub.Do(arrived{m}) }) { // closed: nothing is left to be done
		return false
	}
	if old != nil && old.own {
		(&Detach{Client: old, Code: wire.CloseReplaced, Text: resumedElsewhere, Reason: event.ReasonLost}).apply(l)
	}
	m.awaited, r.Asked.After = r, l.give(m, r.Asked)
	return true
}

// isOf reports whether the command may be of the member's client. Whoever counts more
// messages than there are has not had this membership; whoever counts fewer than the client
// is known to have was delayed on the way, and the client has come by another since.
func (r *Resume) isOf(m *member) bool {
	return r.Received <= m.out.Sent() && r.Received >= m.out.Acked()
}

// arrived says that what a resume waits for has come about.
type arrived struct{ member *member }

func (a arrived) apply(l *loop) {
	r := a.member.awaited
	a.member.awaited, r.waited = nil, true
	l.apply(r)
}

// takeUp takes up the membership and returns it, or why that can't be.
func (r *Resume) takeUp(l *loop) (*member, *wire.Refusal) {
	if r.Client.member != nil {
		return nil, ErrAlreadyJoined
	}
	m := l.sessionOf(r.Session)
	if m == nil {
		return nil, ErrSessionExpired
	}
	l.catchUp(m)
	if !r.isOf(m) {
		return nil, ErrSessionExpired // it goes on
	}
	missed, ok := m.out.Missed(r.Received)
	if !ok || m.grant.Expired(l.now) {
		// The client will join anew, under its id.
		releaseAll(missed)
		if old := m.client; old != nil {
			l.close(old, wire.CloseReplaced, "the session could not be resumed: join again")
		}
		l.leaveRoom(m, event.ReasonExpired)
		return nil, ErrSessionExpired
	}
	l.move(m, r, withoutResumed(missed))
	return m, nil
}

// move gives the membership to the client that resumes it, with all that the client
// has missed.
func (l *loop) move(m *member, r *Resume, missed []*frame.Frame) {
	c := r.Client
	resumed := (&frame.Resumed{
		Room: m.room.name, From: m.id, Missed: len(missed), Handled: m.handled, MessageBytes: r.MessageBytes, Ref: r.Refused.Ref,
	}).Frame()
	resumed.Origin = r.Refused.Origin
	l.give(m, r.Asked)
	k := m.membership()
	k.Seen = m.out.Seen()
	c.out.Adopt(k, r.Received, append([]*frame.Frame{resumed}, missed...))
	if old := m.client; old != nil {
		l.close(old, wire.CloseReplaced, resumedElsewhere)
		old.member = nil
	} else {
		l.hub.Stats.Suspended.Add(-1)
		m.out.Discard()
	}
	c.member, m.client, m.out, m.remote = m, c, c.out, c.remote
	l.touch(c)
	l.log.Info(event.Resume, c.fields(zap.Int(event.FieldMissed, len(missed)))...)
	l.callsResumed(m)
	m.told = 0
	l.tell(m, List{})
}

// releaseAll gives back references.
func releaseAll(frames []*frame.Frame) {
	for _, f := range frames {
		f.Release()
	}
}
