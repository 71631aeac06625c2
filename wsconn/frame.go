package wsconn

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// Opcodes of RFC 6455, 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// frameHeader is the header of a frame from a client.
type frameHeader struct {
	fin    bool
	opcode byte
	length int // of the payload, in bytes; math.MaxInt for what is larger
	mask   [4]byte
	size   int // of the header itself, in bytes
}

func (h *frameHeader) control() bool { return h.opcode >= opClose }

// violation is why a connection is closed for what it sent: the close code and
// the reason, in words, for the close frame. It is an error.
type violation struct {
	code   wire.CloseCode
	reason string
}

func (v *violation) Error() string { return v.code.String() + " " + v.reason }

var (
	errReserved     = &violation{wire.CloseProtocolError, "a reserved bit or opcode is set"}
	errUnmasked     = &violation{wire.CloseProtocolError, "a client's frame must be masked"}
	errLength       = &violation{wire.CloseProtocolError, "the frame's length is not in its shortest form"}
	errControlFrame = &violation{wire.CloseProtocolError, "a control frame must be whole and at most 125 bytes"}
	errContinuation = &violation{wire.CloseProtocolError, "a continuation frame without a message"}
	errUnfinished   = &violation{wire.CloseProtocolError, "a new message inside another"}
	errClosePayload = &violation{wire.CloseProtocolError, "the close frame's payload is invalid"}
	errBinary       = &violation{wire.CloseUnsupportedData, "only text messages are taken"}
	errUTF8         = &violation{wire.CloseInvalidUTF8, "text must be UTF-8"}
	errTooBig       = &violation{wire.CloseTooBig, "the message is too big"}
	errRateTooLong  = &violation{wire.CloseRateLimit, "over the message rate for too long"}
	errSlow         = &violation{wire.CloseSlowConsumer, hub.SlowConsumer}
	errNoJoin       = &violation{wire.CloseNoJoin, "no join in time"}
)

// parseHeader reads a frame's header from the front of b. ok is false when b
// does not hold all of it yet.
func parseHeader(b []byte) (h frameHeader, ok bool, err error) {
	if len(b) < 2 {
		return h, false, nil
	}
	h.fin, h.opcode = b[0]&0x80 != 0, b[0]&0x0F
	switch {
	case b[0]&0x70 != 0 || h.opcode > opBinary && h.opcode < opClose || h.opcode > opPong:
		return h, false, errReserved
	case b[1]&0x80 == 0:
		return h, false, errUnmasked
	}
	h.length, h.size = int(b[1]&0x7F), 2
	if h.control() && (!h.fin || h.length > wire.MaxControl) {
		return h, false, errControlFrame
	}
	switch h.length {
	case 126:
		if h.size = 4; len(b) < h.size {
			return h, false, nil
		}
		if h.length = int(binary.BigEndian.Uint16(b[2:])); h.length < 126 {
			return h, false, errLength
		}
	case 127:
		if h.size = 10; len(b) < h.size {
			return h, false, nil
		}
		n := binary.BigEndian.Uint64(b[2:])
		if n < 1<<16 || n > math.MaxInt64 {
			return h, false, errLength
		}
		h.length = int(min(n, math.MaxInt))
	}
	if len(b) < h.size+4 {
		return h, false, nil
	}
	copy(h.mask[:], b[h.size:])
	h.size += 4
	return h, true, nil
}

// unmask applies the mask to a payload, in place.
func unmask(b []byte, mask [4]byte) {
	k := binary.LittleEndian.Uint32(mask[:])
	k64 := uint64(k)<<32 | uint64(k)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k64)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
}

// parseClose reads the payload of a close frame: the code, CloseNoStatus where
// there is none.
func parseClose(p []byte) (wire.CloseCode, error) {
	if len(p) == 0 {
		return wire.CloseNoStatus, nil
	}
	if len(p) == 1 {
		return 0, errClosePayload
	}
	if !utf8.Valid(p[2:]) {
		return 0, errUTF8
	}
	code := binary.BigEndian.Uint16(p)
	switch {
	case code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006,
		code >= 3000 && code <= 4999:
		return wire.CloseCode(code), nil
	}
	return 0, errClosePayload
}
