package wire

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendQuoted appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendQuoted[T ~string | ~[]byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}

// Suffixes are the ends that the server puts on messages that one member sends:
// its room and id, quoted once when it joins.
type Suffixes struct{ room, from, both []byte }

// NewSuffixes makes the ends for a member of room whose id is from.
func NewSuffixes(room, from string) Suffixes {
	r := AppendQuoted([]byte(`,"room":`), room)
	f := AppendQuoted([]byte(`,"from":`), from)
	both := append(append([]byte(nil), r...), f...)
	return Suffixes{room: both[:len(r):len(r)], from: both[len(r):], both: both}
}

// Forward encodes the message for its receivers: the bytes that came, with room
// and from put in where the client left them out. Where the client gave them the
// caller has checked that they are the sender's own, and they stay. They stand
// last, so that readers that ignore the case of names read these too.
func (e *Envelope) Forward(s *Suffixes) *Frame {
	text := e.text[:e.end]
	end := s.both
	if e.lookalikes {
		text = e.withoutOwn()
	} else if e.Has(FieldRoom | FieldFrom) {
		end = nil
	} else if e.Has(FieldRoom) {
		end = s.from
	} else if e.Has(FieldFrom) {
		end = s.room
	}
	f := newFrame(len(text) + len(end) + 1)
	f.buf = append(f.buf, text...)
	f.buf = append(f.buf, end...)
	f.buf = append(f.buf, '}')
	return f.seal(finText)
}

// withoutOwn returns the text up to the closing brace without the client's own
// room and from.
func (e *Envelope) withoutOwn() []byte {
	first, second := e.roomAt, e.fromAt
	if first.start > second.start {
		first, second = second, first
	}
	out := append([]byte(nil), e.text[:e.end]...)
	for _, s := range []span{second, first} {
		if s.end == 0 {
			continue
		}
		// Take the comma behind it too, or, for the last member, the one before.
		after := skipSpace(out, s.end)
		if after < len(out) && out[after] == ',' {
			out = append(out[:s.start], out[after+1:]...)
			continue
		}
		before := s.start - 1
		for out[before] != ',' {
			before--
		}
		out = out[:before]
	}
	return out
}

func begin(t Type, size int) *Frame {
	f := newFrame(size + 32)
	f.buf = append(f.buf, `{"type":`...)
	f.buf = AppendQuoted(f.buf, t.String())
	return f
}

// member appends a string member; nothing where s is empty.
func (f *Frame) member(name string, s string) {
	if s == "" {
		return
	}
	f.raw(name)
	f.buf = AppendQuoted(f.buf, s)
}

// raw appends a member's name, for its value to follow.
func (f *Frame) raw(name string) {
	f.buf = append(f.buf, ',', '"')
	f.buf = append(f.buf, name...)
	f.buf = append(f.buf, '"', ':')
}

// strings appends an array of strings.
func (f *Frame) strings(list []string) {
	f.buf = append(f.buf, '[')
	for i, s := range list {
		if i > 0 {
			f.buf = append(f.buf, ',')
		}
		f.buf = AppendQuoted(f.buf, s)
	}
	f.buf = append(f.buf, ']')
}

func (f *Frame) finish() *Frame {
	f.buf = append(f.buf, '}')
	return f.seal(finText)
}

// JoinedMessage is the answer to a join that was accepted.
type JoinedMessage struct {
	Room, From, Name, Session, Ref string
	// Rights are the names of the member's rights; nil: they are not told.
	Rights []string
	// ICEServers is a JSON array of RTCIceServer objects; empty: none.
	ICEServers json.RawMessage
}

// Frame encodes the message.
func (m *JoinedMessage) Frame() *Frame {
	f := begin(TypeJoined, len(m.Room)+len(m.From)+len(m.Name)+len(m.Ref)+len(m.ICEServers)+64)
	f.member("room", m.Room)
	f.member("from", m.From)
	f.member("name", m.Name)
	f.member("session", m.Session)
	f.iceServers(m.ICEServers)
	if m.Rights != nil {
		f.raw("rights")
		f.strings(m.Rights)
	}
	f.member("ref", m.Ref)
	return f.finish()
}

func (f *Frame) iceServers(servers json.RawMessage) {
	if len(servers) > 0 {
		f.raw("ice_servers")
		f.buf = append(f.buf, servers...)
	}
}

// ICEFrame answers an ice message. servers is a JSON array of RTCIceServer
// objects.
func ICEFrame(servers json.RawMessage, ref string) *Frame {
	f := begin(TypeICE, len(servers)+len(ref)+32)
	f.iceServers(servers)
	f.member("ref", ref)
	return f.finish()
}

// ResumedFrame says that a membership goes on, and how many messages follow that
// the client has missed.
func ResumedFrame(room, from string, missed int, ref string) *Frame {
	f := begin(TypeResumed, len(room)+len(from)+len(ref)+64)
	f.member("room", room)
	f.member("from", from)
	f.raw("missed")
	f.buf = strconv.AppendInt(f.buf, int64(missed), 10)
	f.member("ref", ref)
	return f.finish()
}

// PongFrame answers a ping.
func PongFrame(ref string) *Frame {
	f := begin(TypePong, len(ref)+16)
	f.member("ref", ref)
	return f.finish()
}

// TokenFrame answers a token that was taken: it is good until expires.
func TokenFrame(expires time.Time, ref string) *Frame {
	f := begin(TypeToken, len(ref)+64)
	f.member("expires", expires.UTC().Format(time.RFC3339))
	f.member("ref", ref)
	return f.finish()
}

// AnnouncementFrame is a message from those who run the server to a room: it has
// no from. data is JSON.
func AnnouncementFrame(room string, data json.RawMessage) *Frame {
	f := begin(TypeMessage, len(room)+len(data)+32)
	f.raw("data")
	f.buf = append(f.buf, data...)
	f.member("room", room)
	return f.finish()
}

// Refused says which message an error answers, as far as it could be read.
type Refused struct {
	Re, To, Ref string
	Origin      Origin // of the message, where there are several servers
}

// ErrorFrame encodes the answer to a refused message.
func ErrorFrame(r *Refusal, m Refused) *Frame {
	f := begin(TypeError, len(r.Text)+len(m.Re)+len(m.To)+len(m.Ref)+96)
	f.member("code", r.Code.String())
	f.member("error", r.Text)
	f.member("needs", r.Needs)
	f.member("re", m.Re)
	f.member("to", m.To)
	f.member("ref", m.Ref)
	f.Origin = m.Origin
	return f.finish()
}

// Members writes a room_members message one member at a time, in the order of
// their ids.
type Members struct {
	f     *Frame
	names []byte
	n     int
}

// NewMembers begins the message for a room, for about size bytes of ids and
// nicknames.
func NewMembers(room string, size int) *Members {
	f := begin(TypeRoomMembers, len(room)+size+64)
	f.member("room", room)
	f.raw("members")
	f.buf = append(f.buf, '[')
	return &Members{f: f}
}

// Add lists a member. quotedID is its id as AppendQuoted made it; name may be
// empty.
func (m *Members) Add(quotedID []byte, name string) {
	if m.n++; m.n > 1 {
		m.f.buf = append(m.f.buf, ',')
	}
	m.f.buf = append(m.f.buf, quotedID...)
	if name == "" {
		return
	}
	if len(m.names) > 0 {
		m.names = append(m.names, ',')
	}
	m.names = append(append(m.names, quotedID...), ':')
	m.names = AppendQuoted(m.names, name)
}

// Frame ends the message.
func (m *Members) Frame(locked bool) *Frame {
	m.f.buf = append(m.f.buf, ']')
	if len(m.names) > 0 {
		m.f.raw("names")
		m.f.buf = append(m.f.buf, '{')
		m.f.buf = append(m.f.buf, m.names...)
		m.f.buf = append(m.f.buf, '}')
	}
	if locked {
		m.f.raw("locked")
		m.f.buf = append(m.f.buf, "true"...)
	}
	return m.f.finish()
}
