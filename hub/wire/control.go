package wire

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// MaxControl is the longest payload of a control frame, in bytes (RFC 6455, 5.5).
const MaxControl = 125

// maxCloseReason leaves room for the code in a close frame's payload.
const maxCloseReason = MaxControl - 2

// First bytes of frames, with the FIN bit set: control frames and the text
// messages that the server sends are never fragmented.
const (
	finText  = FinBit | OpText
	finClose = FinBit | OpClose
	finPing  = FinBit | OpPing
	finPong  = FinBit | OpPong
)

// WSClose encodes a close frame. A reason longer than 123 bytes is cut at a
// character's border; CloseNoStatus makes a frame without a code.
func WSClose(code CloseCode, reason string) *Frame {
	f := newFrame(MaxControl)
	if code != CloseNoStatus {
		f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(code))
		f.buf = append(f.buf, cutReason(reason)...)
	}
	return f.seal(finClose)
}

// WSPing encodes a ping of the WebSocket protocol; payload is at most
// MaxControl bytes.
func WSPing(payload []byte) *Frame { return controlFrame(finPing, payload) }

// WSPong encodes the answer to a ping with this payload, of at most MaxControl bytes.
func WSPong(payload []byte) *Frame { return controlFrame(finPong, payload) }

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

// String names the code for logs and metrics.
func (c CloseCode) String() string { return strconv.Itoa(int(c)) }
