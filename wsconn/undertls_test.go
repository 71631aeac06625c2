package wsconn

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/parley-rtc/parley/hub"
)

// TLS keeps the promises of plain sockets.
func TestOverTLS(t *testing.T) {
	overTLS = true
	defer func() { overTLS = false }()
	for name, test := range map[string]func(*testing.T){
		"BaseProtocol":    TestBaseProtocol,
		"Messages":        TestMessages,
		"Burst":           TestBurst,
		"Framing":         TestFraming,
		"ControlFrames":   TestControlFrames,
		"Violations":      TestViolations,
		"LargestMessage":  TestLargestMessage,
		"CloseCodes":      TestCloseCodes,
		"Resume":          TestResume,
		"FloodIsHeldBack": TestFloodIsHeldBack,
		"HonestBurst":     TestHonestBurst,
	} {
		t.Run(name, test)
	}
}

func newSecureServer(t *testing.T, change func(*Options, *hub.Options)) *server {
	t.Helper()
	if !nonblocking {
		t.Skip("sockets are read and written in another way on this system")
	}
	overTLS = true
	defer func() { overTLS = false }()
	return newServer(t, change)
}

// join has the client join the room r.
func (c *raw) join(id string) {
	c.t.Helper()
	c.write(masked(0x81, fmt.Sprintf(`{"type":"join","room":"r","from":%q}`, id)))
	c.until(`"members":[`)
}

// until reads on until a message that contains the text.
func (c *raw) until(text string) {
	c.t.Helper()
	for {
		_, p, err := c.frame()
		if err != nil {
			c.t.Fatalf("no %.40s: %v", text, err)
		}
		if strings.Contains(p, text) {
			return
		}
	}
}

// A socket that is full is waited for without a writer, and everything comes, in order.
func TestFullSecureSocket(t *testing.T) {
	s := newSecureServer(t, func(o *Options, _ *hub.Options) { o.QueueBytes = 32 << 20 })
	a, _ := s.dialLine()
	a.join("a")
	sent := 0
	announce := func() {
		if err := s.hub.Announce(t.Context(), "r", json.RawMessage(fmt.Sprintf(`"%d %s"`, sent, strings.Repeat("x", 20_000)))); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	waiting := func() bool { // all writers wait, and not all is written
		w := &s.handler.writers
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.running == 0 && w.waiting == 0 && s.hub.Stats().OutboxBytes.Load() > 1<<20
	}
	for !waiting() {
		if sent == 3000 {
			t.Fatal("the socket is never full")
		}
		announce()
	}
	for range 20 {
		announce()
	}
	for i := range sent {
		a.until(fmt.Sprintf(`"%d x`, i))
	}
}

// heldByTLS returns how many bytes the input buffers of c take.
func heldByTLS(c *tls.Conn) (n int) {
	for _, offset := range tlsBuffers {
		n += (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), offset)).Cap()
	}
	return n
}

// A connection that waits for a message holds no buffer over TLS either. Buffers that TLS keeps of
// the handshake are given up with the first wait, those of a long record with a
// pong.
func TestWaitingOverTLSHoldsNoBuffer(t *testing.T) {
	if !nonblocking {
		t.Skip("sockets are read in another way on this system")
	}
	if len(tlsBuffers) != 2 {
		t.Fatalf("this version of Go has %d of the 2 input buffers of a TLS connection in their place: see tlsbuffers.go", len(tlsBuffers))
	}
	client, ours := tlsPair(t)
	r := reader{deep: new(deepStacks)}
	r.deep.enter()
	defer r.deep.leave()
	r.init(ours, nil, 1<<16, new(atomic.Uint64))
	read := func(want string) {
		t.Helper()
		if _, err := client.Write([]byte(masked(0x81, want))); err != nil {
			t.Fatal(err)
		}
		if _, payload, err := r.next(); err != nil || string(payload) != want {
			t.Fatalf("%.20q %v", payload, err)
		}
	}
	wait := func() {
		t.Helper()
		_ = ours.SetReadDeadline(time.Now().Add(time.Millisecond))
		if err := r.read(1); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		_ = ours.SetReadDeadline(time.Time{})
		if r.s != nil || r.sealed != nil {
			t.Error("it holds a buffer")
		}
	}
	if n := heldByTLS(ours); n < 2*tlsBufferBytes {
		t.Fatalf("TLS keeps %d bytes after the handshake: nothing to give up", n)
	}
	read(ping)
	wait()
	if n := heldByTLS(ours); n > 2*tlsBufferBytes {
		t.Errorf("TLS keeps %d bytes after the handshake, want %d at most", n, 2*tlsBufferBytes)
	}
	long := strings.Repeat("x", 15_000)
	read(long)
	wait()
	if n := heldByTLS(ours); n < len(long) {
		t.Fatalf("TLS keeps %d bytes of a long record: nothing to give up", n)
	}
	r.releaseTLS()
	if n := heldByTLS(ours); n > 2*tlsBufferBytes {
		t.Errorf("TLS keeps %d bytes after a pong, want %d at most", n, 2*tlsBufferBytes)
	}
	read(long)
	read(ping)
}

// tlsPair returns both ends of a TLS connection, of which ours is over a socket of UnderTLS.
func tlsPair(t *testing.T) (client, ours *tls.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate
	defer web.Close()
	listener := tls.NewListener(UnderTLS(inner), web.TLS)
	defer listener.Close()
	conn, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	t.Cleanup(func() { _ = client.Close() })
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours = theirs.(*tls.Conn)
	t.Cleanup(func() { _ = ours.Close() })
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	if err := errors.Join(ours.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return client, ours
}

// A field that is missing, or is something else, is left alone.
func TestBufferFields(t *testing.T) {
	type other struct {
		Name string
		In   []byte
		Ptr  *bytes.Buffer
		Buf  bytes.Buffer
	}
	fields := reflect.TypeFor[other]()
	got := bufferFields(fields, "Name", "In", "Ptr", "None", "Buf")
	if want := []uintptr{fields.Field(3).Offset}; !reflect.DeepEqual(got, want) {
		t.Errorf("offsets %v, want %v", got, want)
	}
}

// UnderTLS leaves a connection that is no plain socket, or no TLS, as it is.
func TestUnderTLSLeavesOthers(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	far, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	conn, err := UnderTLS(wrappedListener{inner, new(atomic.Int64), new(atomic.Int64)}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, is := conn.(wrappedConn); !is {
		t.Errorf("a wrapper became a %T", conn)
	}
	for _, c := range []net.Conn{conn, tls.Server(conn, nil), &socket{Conn: conn}} {
		if socketUnder(c) != nil {
			t.Errorf("a %T counts as TLS over a socket of UnderTLS", c)
		}
	}
}
