package frame

import (
	"strconv"

	"github.com/parley-rtc/parley/hub/wire"
)

// Changes writes a room_changes message, one member at a time. Each member comes once.
// Ids are quoted, as [wire.AppendQuoted] made them.
type Changes struct {
	room                   string
	joined, left, rejoined []byte
	names, meta            []byte
}

// NewChanges begins the message for a room.
func NewChanges(room string) *Changes { return &Changes{room: room} }

// Joined lists a member that was not there before. name may be empty and meta, the JSON
// of its profile, nil.
func (c *Changes) Joined(quotedID []byte, name string, meta []byte) {
	c.joined = appendElement(c.joined, quotedID)
	c.describe(quotedID, name, meta)
}

// Rejoined lists a member that has left and come back.
func (c *Changes) Rejoined(quotedID []byte) { c.rejoined = appendElement(c.rejoined, quotedID) }

// Left lists an id whose member has left.
func (c *Changes) Left(quotedID []byte) { c.left = appendElement(c.left, quotedID) }

// Name tells the nickname of a member; an empty one removes it.
func (c *Changes) Name(quotedID []byte, name string) {
	c.names = wire.AppendQuoted(appendKey(c.names, quotedID), name)
}

// Meta tells the profile of a member; nil removes it.
func (c *Changes) Meta(quotedID, meta []byte) {
	if meta == nil {
		meta = []byte("null")
	}
	c.meta = append(appendKey(c.meta, quotedID), meta...)
}

func (c *Changes) describe(quotedID []byte, name string, meta []byte) {
	if name != "" {
		c.Name(quotedID, name)
	}
	if meta != nil {
		c.Meta(quotedID, meta)
	}
}

// appendElement appends a further element of an array.
func appendElement(b, quoted []byte) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return append(b, quoted...)
}

// Empty reports whether nothing was written about any member.
func (c *Changes) Empty() bool {
	return len(c.joined)+len(c.left)+len(c.rejoined)+len(c.names)+len(c.meta) == 0
}

// Frame ends the message. locked is nil unless the lock has changed; count is the number
// of members after all this.
func (c *Changes) Frame(locked *bool, count int) *Frame {
	size := len(c.room) + len(c.joined) + len(c.left) + len(c.rejoined) + len(c.names) + len(c.meta)
	f := begin(wire.TypeRoomChanges, size+96)
	f.member("room", c.room)
	f.array("joined", c.joined)
	f.array("left", c.left)
	f.array("rejoined", c.rejoined)
	f.object("names", c.names)
	f.object("meta", c.meta)
	if locked != nil {
		f.raw("locked")
		f.buf = strconv.AppendBool(f.buf, *locked)
	}
	f.raw("count")
	f.buf = strconv.AppendInt(f.buf, int64(count), 10)
	return f.finish()
}

// array appends an array, unless it has no elements.
func (f *Frame) array(name string, elements []byte) {
	if len(elements) == 0 {
		return
	}
	f.raw(name)
	f.buf = append(f.buf, '[')
	f.buf = append(f.buf, elements...)
	f.buf = append(f.buf, ']')
}
