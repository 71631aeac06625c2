package wsconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

// A socket that TLS does not use has its sides end one by one, as over the listener below:
// what is still on its way to us is read.
func TestSocketClosesOneSide(t *testing.T) {
	if !nonblocking {
		t.Skip("sockets are left as they are on this system")
	}
	far, conn := socketPair(t, UnderTLS)
	defer conn.Close()
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatalf("a %T can't end its side", conn)
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	_, _ = far.SetReadDeadline(deadline), conn.SetReadDeadline(deadline)
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other side reads %v, want the end", err)
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d bytes, %v: want what the other side wrote", n, err)
	}
}

// Bytes that the plain socket does not take are kept and written by flush, in order, with what is
// written meanwhile.
func TestSocketKeepsTheRest(t *testing.T) {
	if !nonblocking {
		t.Skip("sockets are written in another way on this system")
	}
	far, conn := socketPair(t, UnderTLS)
	s := conn.(*socket)
	s.taken = true
	var sent []byte
	write := func() {
		piece := bytes.Repeat(fmt.Appendf(nil, "%08d", len(sent)), 1000)
		if n, err := s.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
		sent = append(sent, piece...)
	}
	for !s.waits() {
		write()
	}
	for range 3 {
		write()
	}
	flushed := make(chan error, 1)
	go func() { flushed <- s.flush() }()
	write()
	got := make([]byte, len(sent))
	_ = far.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("what came is not what was written (%v)", err)
	}
	if err := <-flushed; err != nil || s.waits() {
		t.Errorf("after flush (%v) something waits: %v", err, s.waits())
	}
	for full := false; !full; { // a client that does not read cannot have more and more kept
		n, err := s.Write(make([]byte, sliceBytes))
		if full = errors.Is(err, errRest); !full && (err != nil || n != sliceBytes || len(s.rest) > restBytes) {
			t.Fatalf("%d %v, %d bytes are kept", n, err, len(s.rest))
		}
	}
	_ = s.Close()
}

// Frames that went to many wait their turn over TLS as over plain sockets.
func TestTLSWaitsItsTurn(t *testing.T) {
	h := &Handler{writers: writers{limit: 1, running: 1}} // the worker is this test
	c := &conn{h: h, below: new(socket)}
	c.WakeLater()
	if h.writers.later.first != c {
		t.Error("it goes before the others")
	}
	c.Hurry()
	if got, _ := h.writers.next(); got != c || h.writers.later.first != nil {
		t.Error("it waits although it is in a hurry")
	}
}
