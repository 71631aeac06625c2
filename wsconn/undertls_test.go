package wsconn

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// What holds for plain sockets holds for TLS.
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

// recordLine is a client's TCP connection under TLS.
type recordLine struct {
	net.Conn

	piece   int          // bytes written at a time; 0: all
	held    []byte       // written, not sent yet; nil: everything is sent at once
	records atomic.Int64 // with application data, that have come
	header  []byte       // of the record that comes
	left    int          // of its body
}

func (l *recordLine) Write(b []byte) (int, error) {
	if l.held != nil {
		l.held = append(l.held, b...)
		return len(b), nil
	}
	for rest := b; len(rest) > 0; {
		n := len(rest)
		if l.piece > 0 {
			n = min(n, l.piece)
		}
		if _, err := l.Conn.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// send sends what was held.
func (l *recordLine) send() error {
	held := l.held
	l.held = nil
	_, err := l.Conn.Write(held)
	return err
}

func (l *recordLine) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	for came := b[:n]; len(came) > 0; {
		if l.left == 0 {
			k := min(5-len(l.header), len(came))
			l.header, came = append(l.header, came[:k]...), came[k:]
			if len(l.header) == 5 {
				if l.header[0] == 23 { // application data
					l.records.Add(1)
				}
				l.left, l.header = int(binary.BigEndian.Uint16(l.header[3:])), nil
			}
			continue
		}
		k := min(l.left, len(came))
		l.left, came = l.left-k, came[k:]
	}
	return n, err
}

// dialLine connects a client over a recordLine.
func (s *server) dialLine() (*raw, *recordLine) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &recordLine{Conn: conn}
	return s.raw(tls.Client(l, s.config()), ""), l
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

// Messages of all sizes come through, however TCP cuts the records, and however the
// records cut the frames.
func TestRecordsInPieces(t *testing.T) {
	s := newSecureServer(t, func(o *Options, _ *hub.Options) { o.Rate, o.RateBytes = -1, -1 })
	a, line := s.dialLine()
	a.join("a")
	b, _ := s.dialLine()
	b.join("b")
	for i, c := range []struct{ size, record, piece int }{
		{1, 0, 0}, {1, 0, 1}, {300, 1, 0}, {300, 7, 3}, {5_000, 100, 33}, {16_000, 0, 1000}, {17_000, 0, 0},
		{60_000, 0, 0}, {60_000, 5_000, 4_999}, {60_000, 0, 20_000},
	} {
		line.piece = c.piece
		body := fmt.Sprintf(`%d%s`, i, strings.Repeat("x", c.size))
		frame := masked(0x81, `{"type":"message","to":"b","data":"`+body+`"}`)
		for len(frame) > 0 {
			n := len(frame)
			if c.record > 0 {
				n = min(n, c.record)
			}
			a.write(frame[:n])
			frame = frame[n:]
		}
		b.until(`"data":"` + body + `"`)
	}
}

// What comes right behind the request is read, be it in the request's record or in one of
// its own.
func TestEarlyRecords(t *testing.T) {
	s := newSecureServer(t, nil)
	s.dialRaw(masked(0x81, ping)).want(0x81, pong)

	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	l := &recordLine{Conn: conn}
	secure := tls.Client(l, s.config())
	defer secure.Close()
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	l.held = []byte{}
	for _, text := range []string{handshake + "\r\n", masked(0x81, ping), masked(0x81, ping)} {
		if _, err := secure.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.send(); err != nil {
		t.Fatal(err)
	}
	c := s.upgraded(secure)
	c.want(0x81, pong)
	c.want(0x81, pong)
}

// Frames that wait together leave in one record.
func TestOneRecord(t *testing.T) {
	s := newSecureServer(t, nil)
	a, line := s.dialLine()
	a.join("a")
	w := &s.handler.writers
	w.mu.Lock()
	for w.running > 0 { // until those that write have ended
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
		w.mu.Lock()
	}
	w.running = w.limit // nobody writes
	w.mu.Unlock()
	const messages = 20
	for i := range messages {
		if err := s.hub.Announce(t.Context(), "r", json.RawMessage(fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", 500)))); err != nil {
			t.Fatal(err)
		}
	}
	before := line.records.Load()
	w.mu.Lock()
	w.running = 1
	w.mu.Unlock()
	w.run() // this test writes
	a.until(fmt.Sprintf(`"%dx`, messages-1))
	if n := line.records.Load() - before; n != 1 {
		t.Errorf("%d messages of 500 bytes came in %d records, want 1", messages, n)
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
	waiting := func() bool { // all writers have gone, and not all is written
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

// A connection that waits for a message holds no buffer over TLS either. What TLS keeps of
// the handshake is given up with the first wait, what it keeps of a long record with a
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

// What is no plain socket is left as it is, and so is what is no TLS.
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

// What the plain socket does not take is kept and written by flush, in order, with what is
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

// What went to many waits its turn over TLS as over plain sockets.
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
