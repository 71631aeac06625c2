package frame

import "github.com/parley-rtc/parley/hub/wire"

// Members writes a room_members message one member at a time, in the order of
// their ids.
type Members struct {
	f     *Frame
	names []byte
	meta  []byte
	n     int
}

// NewMembers begins the message for a room, for about size bytes of ids and
// nicknames.
func NewMembers(room string, size int) *Members {
	f := begin(wire.TypeRoomMembers, len(room)+size+64)
	f.member("room", room)
	f.raw("members")
	f.buf = append(f.buf, '[')
	return &Members{f: f}
}

// Add lists a member. quotedID is its id as [wire.AppendQuoted] made it; name may be
// empty and meta, the JSON of its profile, nil.
func (m *Members) Add(quotedID []byte, name string, meta []byte) {
	if m.n++; m.n > 1 {
		m.f.buf = append(m.f.buf, ',')
	}
	m.f.buf = append(m.f.buf, quotedID...)
	if name != "" {
		m.names = wire.AppendQuoted(appendKey(m.names, quotedID), name)
	}
	if meta != nil {
		m.meta = append(appendKey(m.meta, quotedID), meta...)
	}
}

// appendKey appends the name of a further member of an object.
func appendKey(b, quoted []byte) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return append(append(b, quoted...), ':')
}

// Frame ends the message.
func (m *Members) Frame(locked bool) *Frame {
	m.f.buf = append(m.f.buf, ']')
	m.f.object("names", m.names)
	m.f.object("meta", m.meta)
	if locked {
		m.f.raw("locked")
		m.f.buf = append(m.f.buf, "true"...)
	}
	return m.f.finish()
}

// object appends an object, unless it has no members.
func (f *Frame) object(name string, members []byte) {
	if len(members) == 0 {
		return
	}
	f.raw(name)
	f.buf = append(f.buf, '{')
	f.buf = append(f.buf, members...)
	f.buf = append(f.buf, '}')
}
