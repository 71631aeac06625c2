// Package frame holds what the server sends: messages and control frames, each with
// its RFC 6455 header in one piece, made once and shared by however many receivers.
package frame

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// headerRoom is kept free at the front of a frame's buffer: the longest header
// of an unmasked RFC 6455 frame.
const headerRoom = 10

// Frame is one encoded message from the server, or a control frame: a final,
// unmasked RFC 6455 frame. It is not changed once it has been sealed, so any number of receivers
// may share it. Each holder of a reference gives it back with Release; the last
// one returns the buffer to a pool.
type Frame struct {
	buf   []byte
	start int
	refs  atomic.Int32
	class int8 // index into pools, -1: too large to keep

	// Born is when the message that a forwarded frame carries was read; zero for
	// the server's own. Set before the frame is shared.
	Born time.Time
	// Origin is the message that a frame passes on or answers, where there are
	// several servers. Set before the frame is shared.
	Origin Origin
}

// Origin names a message among those of all nodes: the membership that it came
// from, and which one it was. Zero: none.
type Origin struct {
	Key, Seq uint64
	Again    bool // another node may have handled the message
}

// classes are the buffer sizes that are pooled. Answers and short messages fit the
// first, candidates the second, most messages the third, offers the fourth.
var classes = [...]int{128, 256, 512, 2048, 8192}

var pools [len(classes)]sync.Pool

// newFrame returns a frame with one reference and room for a payload of about
// size bytes, to be appended to buf.
func newFrame(size int) *Frame {
	size += headerRoom
	for class, capacity := range classes {
		if size > capacity {
			continue
		}
		f, _ := pools[class].Get().(*Frame)
		if f == nil {
			f = &Frame{buf: make([]byte, headerRoom, capacity), class: int8(class)}
		}
		f.buf = f.buf[:headerRoom]
		f.refs.Store(1)
		return f
	}
	f := &Frame{buf: make([]byte, headerRoom, size), class: -1}
	f.refs.Store(1)
	return f
}

// Text encodes a message that is text already.
func Text(text []byte) *Frame {
	f := newFrame(len(text))
	f.buf = append(f.buf, text...)
	return f.seal(finText)
}

// seal writes the header in front of the payload; first is its first byte.
func (f *Frame) seal(first byte) *Frame {
	n := len(f.buf) - headerRoom
	switch {
	case n < 126:
		f.start = headerRoom - 2
		f.buf[f.start+1] = byte(n)
	case n < 1<<16:
		f.start = headerRoom - 4
		f.buf[f.start+1] = 126
		binary.BigEndian.PutUint16(f.buf[f.start+2:], uint16(n))
	default:
		f.start = 0
		f.buf[1] = 127
		binary.BigEndian.PutUint64(f.buf[2:], uint64(n))
	}
	f.buf[f.start] = first
	return f
}

// Bytes returns the whole frame, header and payload. The caller must hold a
// reference and must not change it.
func (f *Frame) Bytes() []byte { return f.buf[f.start:] }

// Payload returns the message without the header.
func (f *Frame) Payload() []byte { return f.buf[headerRoom:] }

// Size returns the number of bytes that the frame puts on the connection.
func (f *Frame) Size() int { return len(f.buf) - f.start }

// Cost is what the frame takes while it waits, in bytes of memory: its size, but at
// least its smallest buffer, and what there is around it.
func (f *Frame) Cost() int { return max(f.Size(), classes[0]) + overhead }

// overhead is a Frame's own fields and its place in a queue, in bytes.
const overhead = 96

// Retain takes n further references.
func (f *Frame) Retain(n int) { f.refs.Add(int32(n)) }

// Release gives one reference back.
func (f *Frame) Release() {
	if n := f.refs.Add(-1); n > 0 {
		return
	} else if n < 0 {
		panic("frame: released more often than it was held")
	}
	// A buffer that had to grow past its class is left to the collector.
	if f.class < 0 || cap(f.buf) != classes[f.class] {
		return
	}
	f.Born, f.Origin = time.Time{}, Origin{}
	pools[f.class].Put(f)
}

// IsMessage reports whether the frame carries a message, and is no control frame.
func (f *Frame) IsMessage() bool { return f.buf[f.start] == finText }

// IsPing reports whether the frame is a ping of the WebSocket protocol.
func (f *Frame) IsPing() bool { return f.buf[f.start] == finPing }
