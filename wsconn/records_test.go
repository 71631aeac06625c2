package wsconn

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
)

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

// Bytes right behind the request are read, be they in the request's record or in one of
// their own.
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
	for w.running > 0 { // until nobody writes
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
		w.mu.Lock()
	}
	w.running = w.limit // nobody begins to
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
	c, _ := w.next() // this test writes
	g := gathers.Get().(*gather)
	c.writeOnce(g)
	gathers.Put(g)
	w.mu.Lock()
	w.running = 0
	w.mu.Unlock()
	a.until(fmt.Sprintf(`"%dx`, messages-1))
	if n := line.records.Load() - before; n != 1 {
		t.Errorf("%d messages of 500 bytes came in %d records, want 1", messages, n)
	}
}
