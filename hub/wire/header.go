package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// Opcodes of RFC 6455, 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// MaxControl is the longest payload of a control frame, in bytes (RFC 6455, 5.5).
const MaxControl = 125

// Header is the header of a WebSocket frame (RFC 6455, 5.2).
type Header struct {
	Fin      bool
	Reserved bool // one of the reserved bits is set
	Masked   bool
	Opcode   byte
	Mask     [4]byte
	Length   int // of the payload, in bytes; math.MaxInt for what is larger
	Size     int // of the header itself, in bytes
}

// Control reports whether the frame is a control frame.
func (h *Header) Control() bool { return h.Opcode >= OpClose }

// ErrLength says that a frame's length is not in its shortest form, or negative.
var ErrLength = errors.New("the frame's length is not in its shortest form")

// ParseHeader reads a frame's header from the front of b. ok is false when b
// does not hold all of it yet.
func ParseHeader(b []byte) (h Header, ok bool, err error) {
	if len(b) < 2 {
		return h, false, nil
	}
	h.Fin, h.Reserved, h.Opcode = b[0]&0x80 != 0, b[0]&0x70 != 0, b[0]&0x0F
	h.Masked = b[1]&0x80 != 0
	h.Length, h.Size = int(b[1]&0x7F), 2
	switch h.Length {
	case 126:
		if h.Size = 4; len(b) < h.Size {
			return h, false, nil
		}
		if h.Length = int(binary.BigEndian.Uint16(b[2:])); h.Length < 126 {
			return h, false, ErrLength
		}
	case 127:
		if h.Size = 10; len(b) < h.Size {
			return h, false, nil
		}
		n := binary.BigEndian.Uint64(b[2:])
		if n < 1<<16 || n > math.MaxInt64 {
			return h, false, ErrLength
		}
		h.Length = int(min(n, math.MaxInt))
	}
	if h.Masked {
		if len(b) < h.Size+4 {
			return h, false, nil
		}
		copy(h.Mask[:], b[h.Size:])
		h.Size += 4
	}
	return h, true, nil
}

// FinBit is the bit of a frame's first byte that says that its message ends with it.
const FinBit = 0x80

// AppendMasked appends a frame as a client sends it, with the payload masked.
// first is the frame's first byte, such as FinBit|OpText.
func AppendMasked(dst []byte, first byte, mask [4]byte, payload []byte) []byte {
	dst = append(AppendMaskedHeader(dst, first, mask, len(payload)), payload...)
	Mask(dst[len(dst)-len(payload):], mask)
	return dst
}

// AppendMaskedHeader appends the header of a client's frame with a payload of n
// bytes.
func AppendMaskedHeader(dst []byte, first byte, mask [4]byte, n int) []byte {
	dst = append(dst, first)
	switch {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	return append(dst, mask[:]...)
}

// Mask applies a mask to a payload, in place; a second time it takes it away.
func Mask(b []byte, mask [4]byte) {
	k := binary.LittleEndian.Uint32(mask[:])
	k64 := uint64(k)<<32 | uint64(k)
	for len(b) >= 32 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k64)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^k64)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^k64)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^k64)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k64)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
}
