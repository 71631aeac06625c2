package wire

import (
	"bytes"
	"errors"
	"fmt"
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
