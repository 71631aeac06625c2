package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub/wire"
)

// maxCloseReason leaves room for the code in a close frame's payload.
const maxCloseReason = wire.MaxControl - 2

// First bytes of frames, with the FIN bit set: control frames and the text
// messages that the server sends are never fragmented.
const (
	finText  = wire.FinBit | wire.OpText
	finClose = wire.FinBit | wire.OpClose
	finPing  = wire.FinBit | wire.OpPing
	finPong  = wire.FinBit | wire.OpPong
)

// Close encodes a close frame. A reason longer than 123 bytes is cut at a
// character's border; wire.CloseNoStatus makes a frame without a code.
func Close(code wire.CloseCode, reason string) *Frame {
	f := newFrame(wire.MaxControl)
	if code != wire.CloseNoStatus {
		f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(code))
		f.buf = append(f.buf, cutReason(reason)...)
	}
	return f.seal(finClose)
}

// Ping encodes a ping of the WebSocket protocol; payload is at most
// wire.MaxControl bytes.
func Ping(payload []byte) *Frame { return controlFrame(finPing, payload) }

// Pong encodes the answer to a ping with this payload, of at most wire.MaxControl bytes.
func Pong(payload []byte) *Frame { return controlFrame(finPong, payload) }

func controlFrame(opcode byte, payload []byte) *Frame {
	f := newFrame(len(payload))
	f.buf = append(f.buf, payload...)
	return f.seal(opcode)
}

// cutReason cuts a reason to what fits a close frame.
func cutReason(s string) string {
	if len(s) <= maxCloseReason {
		return s
	}
	s = s[:maxCloseReason]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
