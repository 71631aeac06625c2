package hub

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/wire"
)

// A session is the secret with which a client takes up its membership again after
// its connection was lost. It is made of a handle, by which it is found, and a
// secret, which is compared in constant time.
const (
	handleBytes = 8  // two of them are the partition
	secretBytes = 18 // 144 bits
)

// handle is the part of a session that is no secret.
type handle [handleBytes]byte

// session belongs to a resumable member. Owned by the loop.
type session struct {
	handle handle
	secret [secretBytes]byte
	lost   int // times that the connection was lost
}

// NewSession makes a session for a [Join]: printable text that can't be guessed. The
// partition, which can be read from it, says where its room is.
func NewSession(partition uint16) string {
	var b [handleBytes + secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	binary.BigEndian.PutUint16(b[:], partition)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewSession makes a session for a room of this hub.
func (h *Hub) NewSession(room string) string { return NewSession(0) }

// SessionPartition returns the partition in a session's text; ok is false if it is
// none.
func SessionPartition(text string) (partition uint16, ok bool) {
	s, ok := parseSession(text)
	return binary.BigEndian.Uint16(s.handle[:]), ok
}

// parseSession reads the text of a session.
func parseSession(text string) (s session, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != handleBytes+secretBytes {
		return s, false
	}
	copy(s.handle[:], b)
	copy(s.secret[:], b[handleBytes:])
	return s, true
}

// text returns the session as NewSession made it.
func (s *session) text() string {
	return base64.RawURLEncoding.EncodeToString(append(s.handle[:len(s.handle):len(s.handle)], s.secret[:]...))
}

// sessionOf finds the member whose session this is.
func (l *loop) sessionOf(text string) *member {
	s, ok := parseSession(text)
	if !ok {
		return nil
	}
	m := l.sessions[s.handle]
	if m == nil || subtle.ConstantTimeCompare(m.session.secret[:], s.secret[:]) == 0 {
		return nil
	}
	return m
}

// suspend keeps the membership of a client whose connection was lost, for a
// while.
func (l *loop) suspend(c *Client, reason string) {
	m := c.member
	l.log.Info(EventSuspend, c.fields(zap.String(FieldReason, reason))...)
	c.member, m.client = nil, nil
	c.out.Suspend()
	l.hub.Stats.Suspended.Add(1)
	l.expireLater(m)
}

// expireLater ends the membership when nobody has taken it up in time.
func (l *loop) expireLater(m *member) {
	m.session.lost++
	lost := m.session.lost
	time.AfterFunc(l.options.ResumeWindow, func() { _ = l.hub.Do(expire{m, lost}) })
}

// expire ends a membership that was not taken up in time.
type expire struct {
	member *member
	lost   int // the loss that it is about
}

func (e expire) apply(l *loop) {
	if m := e.member; m.client == nil && m.room != nil && m.session.lost == e.lost {
		l.leaveRoom(m, ReasonExpired)
	}
}

// Resume takes up the membership of a lost connection, or of one that only looks
// alive, which is closed.
type Resume struct {
	Client   *Client
	Session  string
	Received uint64 // messages that the client has had since and including joined
	Refused  wire.Refused
	Done     chan<- Resumed // gets one value; needs a capacity of one
}

// Resumed is what came of a Resume. ID is empty when it was refused.
type Resumed struct {
	Room, ID string
	Name     string
	Grant    *Grant
	Joined   time.Time
}

// ErrSessionExpired refuses a session that is over.
var ErrSessionExpired = &wire.Refusal{Code: wire.CodeSessionExpired, Text: "this session is over: join anew"}

func (r *Resume) apply(l *loop) {
	c := r.Client
	m := l.sessionOf(r.Session)
	switch {
	case c.closed:
		r.Done <- Resumed{}
		return
	case c.member != nil:
		l.refuse(c, ErrAlreadyJoined, r.Refused)
		r.Done <- Resumed{}
		return
	case m == nil || !l.moved(m, c, r):
		l.refuse(c, ErrSessionExpired, r.Refused)
		r.Done <- Resumed{}
		return
	}
	r.Done <- Resumed{Room: m.room.name, ID: m.id, Name: m.name, Grant: m.grant, Joined: m.joinedAt}
}

// moved moves m to the client c, with all that it has missed. If that is more than
// was kept the membership is over.
func (l *loop) moved(m *member, c *Client, r *Resume) bool {
	missed, ok := m.out.Missed(r.Received)
	if m.grant.expired(l.now) {
		releaseAll(missed)
		ok = false
	}
	if ok {
		resumed := wire.ResumedFrame(m.room.name, m.id, len(missed), r.Refused.Ref)
		resumed.Origin = r.Refused.Origin
		c.out.Adopt(r.Received, append([]*wire.Frame{resumed}, missed...))
	}
	old := m.client
	if old != nil {
		l.close(old, wire.CloseReplaced, "the session was resumed on another connection")
	}
	if !ok {
		l.leaveRoom(m, ReasonExpired)
		return false
	}
	if old != nil {
		old.member = nil
	} else {
		l.hub.Stats.Suspended.Add(-1)
		m.out.Discard()
	}
	c.member, m.client, m.out = m, c, c.out
	l.touch(c)
	l.log.Info(EventResume, c.fields(zap.Int(FieldMissed, len(missed)))...)
	m.told = 0
	l.tell(m)
	return true
}

// releaseAll gives back references.
func releaseAll(frames []*wire.Frame) {
	for _, f := range frames {
		f.Release()
	}
}
