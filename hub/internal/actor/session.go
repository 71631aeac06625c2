package actor

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"go.uber.org/zap"
)

// A session is what a client resumes its membership with after its connection was
// lost: a handle, by which the hub finds the member, and a secret, which the hub
// compares in constant time.
const (
	handleBytes = 16 // two of them are the partition
	secretBytes = 18 // 144 bits
)

// sessionLength is the length of a session's text.
var sessionLength = base64.RawURLEncoding.EncodedLen(handleBytes + secretBytes)

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
	if len(text) != sessionLength {
		return s, false
	}
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
	l.log.Info(event.Suspend, c.fields(zap.String(event.FieldReason, reason))...)
	l.callsLost(m, reason)
	c.member, m.client, c.suspended = nil, nil, true
	c.out.Suspend()
	l.hub.Stats.Suspended.Add(1)
	l.expireLater(m)
}

// expireLater ends the membership when nobody has taken it up in time, or its grant
// expires.
func (l *loop) expireLater(m *member) {
	l.expireAt(m, l.now.Add(l.options.Current.Load().ResumeWindow))
}

// expireAt ends the membership when nobody has taken it up until then, or its grant expires.
func (l *loop) expireAt(m *member, at time.Time) {
	m.session.lost++
	m.expires = at
	if until := m.grant.Expires; !until.IsZero() && until.Before(at) {
		at = until
	}
	l.later(max(at.Sub(l.now), 0), expire{m, m.session.lost})
}

// expire ends a membership that was not taken up in time.
type expire struct {
	member *member
	lost   int // the loss that it is about
}

func (e expire) apply(l *loop) {
	if m := e.member; m.client == nil && m.room != nil && m.session.lost == e.lost {
		reason := event.ReasonExpired
		if m.grant.Expired(l.now) {
			reason = event.ReasonTokenExpired
		}
		l.leaveRoom(m, reason)
	}
}
