package frame

import (
	"encoding/json"
	"strconv"

	"github.com/parley-rtc/parley/hub/wire"
)

// Forward encodes a member's message for its receivers.
func Forward(e *wire.Envelope, s *wire.Suffixes) *Frame {
	f := newFrame(e.ForwardSize(s))
	f.buf = e.AppendForward(f.buf, s)
	return f.seal(finText)
}

// WithCount returns a copy of a message to a whole room that says how many members the room
// has. The caller's reference to f stays its own.
func WithCount(f *Frame, members int) *Frame {
	n := f.reopen(32)
	n.raw("count")
	n.buf = strconv.AppendInt(n.buf, int64(members), 10)
	return n.finish()
}

// WithCounts returns a copy of an answer that says how many members a room has, and how many
// of them are alike.
func WithCounts(f *Frame, members, alike int) *Frame {
	n := f.reopen(64)
	n.raw("count")
	n.buf = strconv.AppendInt(n.buf, int64(members), 10)
	n.raw("alike")
	n.buf = strconv.AppendInt(n.buf, int64(alike), 10)
	return n.finish()
}

// reopen returns a copy of a message, an object that is not empty, without its end, with
// room for so many bytes.
func (f *Frame) reopen(size int) *Frame {
	text := f.Payload()
	n := newFrame(len(text) + size)
	n.buf = append(n.buf, text[:len(text)-1]...)
	n.Born, n.Origin = f.Born, f.Origin
	return n
}

func begin(t wire.Type, size int) *Frame {
	f := newFrame(size + 32)
	f.buf = append(f.buf, `{"type":`...)
	f.buf = wire.AppendQuoted(f.buf, t.String())
	return f
}

// member appends a string member; nothing where s is empty.
func (f *Frame) member(name string, s string) {
	if s == "" {
		return
	}
	f.raw(name)
	f.buf = wire.AppendQuoted(f.buf, s)
}

// raw appends a member's name, for its value to follow.
func (f *Frame) raw(name string) {
	f.buf = append(f.buf, ',', '"')
	f.buf = append(f.buf, name...)
	f.buf = append(f.buf, '"', ':')
}

func (f *Frame) finish() *Frame {
	f.buf = append(f.buf, '}')
	return f.seal(finText)
}

// Resumed says that a membership goes on.
type Resumed struct {
	Room, From   string
	Missed       int    // messages that follow and that the client has missed
	Handled      uint64 // messages of the client that the server has handled
	MessageBytes int    // the largest message that the server accepts
	Ref          string
}

// Frame encodes the message.
func (m *Resumed) Frame() *Frame {
	f := begin(wire.TypeResumed, len(m.Room)+len(m.From)+len(m.Ref)+128)
	f.member("room", m.Room)
	f.member("from", m.From)
	f.raw("missed")
	f.buf = strconv.AppendInt(f.buf, int64(m.Missed), 10)
	f.raw("handled")
	f.buf = strconv.AppendUint(f.buf, m.Handled, 10)
	f.buf = append(f.buf, ',')
	f.buf = wire.AppendLimits(f.buf, m.MessageBytes)
	f.member("ref", m.Ref)
	return f.finish()
}

// Announcement is a message from the operator to a room: it has
// no from. data is JSON.
func Announcement(room string, data json.RawMessage) *Frame {
	f := begin(wire.TypeMessage, len(room)+len(data)+32)
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

// Error encodes the answer to a refused message.
func Error(r *wire.Refusal, m Refused) *Frame {
	f := begin(wire.TypeError, len(r.Text)+len(m.Re)+len(m.To)+len(m.Ref)+96)
	f.member("code", r.Code.String())
	f.member("error", r.Text)
	f.member("needs", r.Needs)
	f.member("re", m.Re)
	f.member("to", m.To)
	f.member("ref", m.Ref)
	f.Origin = m.Origin
	return f.finish()
}
