package payload

import (
	"hash/crc32"
)

// mark begins each stamp. A stamp is of letters and digits alone, so that it is
// the same inside any JSON string.
const mark = "soak"

// Widths of a stamp's fields, in hexadecimal digits.
const (
	runWidth      = 8
	roomWidth     = 6
	memberWidth   = 4
	seqWidth      = 8
	dueWidth      = 12
	kindWidth     = 1
	templateWidth = 2
	sumWidth      = 8

	stampSize = len(mark) + runWidth + roomWidth + 2*memberWidth + seqWidth + dueWidth + kindWidth + templateWidth + sumWidth
)

const digits = "0123456789abcdef"

// pairs are the two digits of each byte.
var pairs = func() (p [256][2]byte) {
	for i := range p {
		p[i] = [2]byte{digits[i>>4], digits[i&15]}
	}
	return p
}()

// putHex fills b with the lowest digits of v.
func putHex(b []byte, v uint64) {
	i := len(b)
	for ; i >= 2; i -= 2 {
		p := pairs[byte(v)]
		b[i-1], b[i-2] = p[1], p[0]
		v >>= 8
	}
	if i == 1 {
		b[0] = digits[v&15]
	}
}

// values are those of the digits; 0xFF: none.
var values = func() (v [256]byte) {
	for i := range v {
		v[i] = 0xFF
	}
	for i, d := range digits {
		v[d] = byte(i)
	}
	return v
}()

// hex reads the digits in b.
func hex(b []byte) (v uint64, ok bool) {
	bad := byte(0)
	for _, c := range b {
		d := values[c]
		bad |= d
		v = v<<4 | uint64(d&15)
	}
	return v, bad&0xF0 == 0
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the checksum of a stamp without its last field.
func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// cursor cuts the fields of a stamp off, one by one.
type cursor struct {
	b  []byte
	ok bool
}

func (c *cursor) put(width int, v uint64) {
	putHex(c.b[:width], v)
	c.b = c.b[width:]
}

func (c *cursor) get(width int) uint64 {
	v, ok := hex(c.b[:width])
	c.ok = c.ok && ok
	c.b = c.b[width:]
	return v
}

func appendStamp(b []byte, s *Stamp) []byte {
	start := len(b)
	b = append(b, mark...)
	b = append(b, make([]byte, stampSize-len(mark))...)
	c := cursor{b: b[start+len(mark):]}
	c.put(runWidth, uint64(s.Run))
	c.put(roomWidth, uint64(s.Room))
	c.put(memberWidth, uint64(s.From))
	c.put(memberWidth, uint64(s.To))
	c.put(seqWidth, uint64(s.Seq))
	c.put(dueWidth, uint64(s.Due))
	c.put(kindWidth, uint64(s.Kind))
	c.put(templateWidth, uint64(s.Template))
	c.put(sumWidth, uint64(sum(b[start:len(b)-sumWidth])))
	return b
}

// readStamp reads a stamp, and reports whether it is as it was made.
func readStamp(b []byte) (s Stamp, ok bool) {
	c := cursor{b: b[len(mark):], ok: true}
	s.Run = uint32(c.get(runWidth))
	s.Room = uint32(c.get(roomWidth))
	s.From = uint16(c.get(memberWidth))
	s.To = uint16(c.get(memberWidth))
	s.Seq = uint32(c.get(seqWidth))
	s.Due = int64(c.get(dueWidth))
	s.Kind = Kind(c.get(kindWidth))
	s.Template = uint8(c.get(templateWidth))
	want := uint32(c.get(sumWidth))
	return s, c.ok && want == sum(b[:stampSize-sumWidth]) && int(s.Kind) < NumKinds
}
