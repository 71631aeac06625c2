package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
)

// A client's frame is read back as it was made, however much of it has come.
func TestHeaderRoundTrip(t *testing.T) {
	mask := [4]byte{1, 2, 250, 4}
	for _, n := range []int{0, 1, 7, 8, 31, 32, 125, 126, 65535, 65536, 70003} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		frame := AppendMasked([]byte("before"), FinBit|OpText, mask, payload)[len("before"):]
		h, ok, err := ParseHeader(frame)
		want := Header{Fin: true, Masked: true, Opcode: OpText, Mask: mask, Length: n, Size: h.Size}
		if !ok || err != nil || h != want {
			t.Fatalf("%d bytes: %+v, %v, %v, want %+v", n, h, ok, err, want)
		}
		body := frame[h.Size:]
		if n > 4 && bytes.Equal(body, payload) {
			t.Errorf("%d bytes: not masked", n)
		}
		if Mask(body, mask); !bytes.Equal(body, payload) {
			t.Errorf("%d bytes: changed by masking twice", n)
		}
		for i := range h.Size {
			if _, ok, err := ParseHeader(frame[:i]); ok || err != nil {
				t.Errorf("%d bytes: %d bytes of the header: %v, %v", n, i, ok, err)
			}
		}
	}
}

func TestHeaderLengths(t *testing.T) {
	for _, b := range []string{"\x81\x7e\x00\x7d", "\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00"} {
		if _, ok, err := ParseHeader([]byte(b)); ok || !errors.Is(err, ErrLength) {
			t.Errorf("%x: %v, %v", b, ok, err)
		}
	}
	h, ok, err := ParseHeader([]byte("\xc2\x05"))
	if got := fmt.Sprintf("%+v", h); !ok || err != nil || !h.Reserved || h.Masked || h.Control() || h.Size != 2 || h.Length != 5 {
		t.Errorf("%s, %v, %v", got, ok, err)
	}
}

// A header's bytes are as RFC 6455 has them, at the borders of its three forms.
func TestHeaderBytes(t *testing.T) {
	mask := [4]byte{9, 8, 7, 6}
	for _, c := range []struct {
		n    int
		want string
	}{
		{0, "\x82\x80"},
		{125, "\x82\xfd"},
		{126, "\x82\xfe\x00\x7e"},
		{65535, "\x82\xfe\xff\xff"},
		{65536, "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00"},
	} {
		if got := AppendMaskedHeader(nil, FinBit|OpBinary, mask, c.n); string(got) != c.want+"\x09\x08\x07\x06" {
			t.Errorf("%d bytes: % x", c.n, got)
		}
		h, ok, err := ParseHeader([]byte(c.want + "\x09\x08\x07\x06"))
		if !ok || err != nil || h.Length != c.n || h.Size != len(c.want)+4 || h.Mask != mask || h.Opcode != OpBinary || h.Control() {
			t.Errorf("%d bytes are read as %+v, %v, %v", c.n, h, ok, err)
		}
		// The same from a server, unmasked.
		b := []byte(c.want)
		b[1] &^= 0x80
		h, ok, err = ParseHeader(b)
		if !ok || err != nil || h.Length != c.n || h.Size != len(b) || h.Masked || h.Mask != [4]byte{} {
			t.Errorf("%d bytes unmasked are read as %+v, %v, %v", c.n, h, ok, err)
		}
	}
}

// Each bit of the first byte means one thing.
func TestHeaderBits(t *testing.T) {
	for first := range 256 {
		h, ok, err := ParseHeader([]byte{byte(first), 0})
		want := Header{Fin: first >= 0x80, Reserved: first&0x70 != 0, Opcode: byte(first & 15), Size: 2}
		if !ok || err != nil || h != want {
			t.Errorf("%02x is read as %+v, %v, %v", first, h, ok, err)
		}
		if h.Control() != (first&8 != 0) {
			t.Errorf("%02x: control %v", first, h.Control())
		}
	}
}

// A length of 63 bits is read; one of 64 is negative to many readers and refused.
func TestHeaderOfHugeFrames(t *testing.T) {
	h, ok, err := ParseHeader([]byte("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"))
	if !ok || err != nil || h.Length != math.MaxInt {
		t.Errorf("the largest: %+v, %v, %v", h, ok, err)
	}
	h, ok, err = ParseHeader([]byte("\x81\x7e\x00\x7e"))
	if !ok || err != nil || h.Length != 126 {
		t.Errorf("126: %+v, %v, %v", h, ok, err)
	}
}

// Byte i of a payload is masked with byte i mod 4 of the mask, and no other byte is
// touched.
func TestMask(t *testing.T) {
	mask := [4]byte{0x11, 0x22, 0x44, 0x88}
	for n := range 100 {
		b := make([]byte, n+8)
		Mask(b[:n], mask)
		for i, got := range b {
			want := mask[i%4]
			if i >= n {
				want = 0
			}
			if got != want {
				t.Fatalf("%d bytes: byte %d is %02x", n, i, got)
			}
		}
	}
}
