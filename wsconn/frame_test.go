package wsconn

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

const (
	ping = `{"type":"ping"}`
	pong = `{"type":"pong"}`
)

// Messages come in any number of frames and in any number of pieces.
func TestFraming(t *testing.T) {
	for _, c := range []struct{ name, bytes string }{
		{"one frame", masked(0x81, ping)},
		{"two fragments", masked(0x01, ping[:5]) + masked(0x80, ping[5:])},
		{"empty fragments", masked(0x01, "") + masked(0x00, ping) + masked(0x80, "")},
		{"a character in two fragments", masked(0x01, "{\"type\":\"ping\",\"x\":\"\xc3") + masked(0x80, "\xa9\"}")},
		{"a ping between fragments", masked(0x01, ping[:5]) + masked(0x8A, "") + masked(0x80, ping[5:])},
		{"a long form", masked(0x81, ping+strings.Repeat(" ", 200))},
		{"a longer form", masked(0x81, ping+strings.Repeat(" ", 66000))},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, func(o *Options, _ *hub.Options) { o.MaxMessageBytes = 70000 })
			whole := s.dialRaw("")
			whole.write(c.bytes)
			whole.want(0x81, pong)
			early := s.dialRaw(c.bytes) // behind the handshake
			early.want(0x81, pong)
			if len(c.bytes) > 1000 {
				return
			}
			dripping := s.dialRaw("")
			for i := range len(c.bytes) {
				dripping.write(c.bytes[i : i+1])
			}
			dripping.want(0x81, pong)
		})
	}
}

func TestControlFrames(t *testing.T) {
	s := newServer(t, nil)
	c := s.dialRaw("")
	c.write(masked(0x89, "are you there"))
	c.want(0x8A, "are you there")
	c.write(masked(0x8A, "nobody asked"))
	c.write(masked(0x81, ping))
	c.want(0x81, pong)
	c.write(masked(0x88, "\x03\xe8bye"))
	c.wantClose(wire.CloseNormal)
	for code, payload := range map[wire.CloseCode]string{wire.CloseNoStatus: "", 3000: "\x0b\xb8", 3999: "\x0f\x9f"} {
		c := s.dialRaw(masked(0x88, payload))
		c.wantClose(code)
	}
}

func TestViolations(t *testing.T) {
	const limit = 1000
	for _, c := range []struct {
		name, bytes string
		want        wire.CloseCode
	}{
		{"binary", masked(0x82, "x"), wire.CloseUnsupportedData},
		{"invalid UTF-8", masked(0x81, "{\"type\":\"ping\",\"x\":\"\xff\"}"), wire.CloseInvalidUTF8},
		{"half a character", masked(0x81, "\xc3"), wire.CloseInvalidUTF8},
		{"surrogate", masked(0x81, "\"\xed\xa0\x80\""), wire.CloseInvalidUTF8},
		{"too big", masked(0x81, strings.Repeat(" ", limit+1)), wire.CloseTooBig},
		{"too big by what the header says", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", wire.CloseTooBig},
		{"too big in fragments", masked(0x01, strings.Repeat(" ", limit)) + masked(0x80, " "), wire.CloseTooBig},
		{"not masked", "\x81\x02{}", wire.CloseProtocolError},
		{"reserved bit", masked(0xC1, ping), wire.CloseProtocolError},
		{"reserved opcode", masked(0x83, ping), wire.CloseProtocolError},
		{"reserved control opcode", masked(0x8B, ""), wire.CloseProtocolError},
		{"continuation of nothing", masked(0x80, ping), wire.CloseProtocolError},
		{"text in the middle of a message", masked(0x01, "{") + masked(0x81, ping), wire.CloseProtocolError},
		{"ping in fragments", masked(0x09, ""), wire.CloseProtocolError},
		{"ping too long", masked(0x89, strings.Repeat("x", 126)), wire.CloseProtocolError},
		{"length not in its shortest form", "\x81\xfe\x00\x02\x00\x00\x00\x00{}", wire.CloseProtocolError},
		{"length with the top bit", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", wire.CloseProtocolError},
		{"close frame of one byte", masked(0x88, "x"), wire.CloseProtocolError},
		{"close code that must not be sent", masked(0x88, "\x03\xee"), wire.CloseProtocolError},
		{"close code out of range", masked(0x88, "\x00\x01"), wire.CloseProtocolError},
		{"close reason not UTF-8", masked(0x88, "\x03\xe8\xff"), wire.CloseInvalidUTF8},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, func(o *Options, _ *hub.Options) { o.MaxMessageBytes = limit })
			other := s.dial()
			other.join("r", "other")
			bad := s.dialRaw("")
			bad.write(masked(0x81, `{"type":"join","room":"r","from":"bad"}`))
			other.sees("bad")
			bad.write(c.bytes)
			bad.wantClose(c.want)
			other.want(`{"type":"room_members","room":"r","members":["other"]}`)
		})
	}
}

// A message of just the limit is taken.
func TestLargestMessage(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { o.MaxMessageBytes = 1000 })
	c := s.dialRaw(masked(0x81, ping+strings.Repeat(" ", 1000-len(ping))))
	c.want(0x81, pong)
}

func TestHandshake(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.AllowOrigins = []string{"*.example.com", "https://exact.test"}
	})
	for _, c := range []struct {
		name, method string
		change       map[string]string
		want         int
	}{
		{"no origin", "GET", nil, 101},
		{"same origin", "GET", map[string]string{"Origin": s.url}, 101},
		{"allowed host", "GET", map[string]string{"Origin": "https://app.example.com"}, 101},
		{"allowed scheme and host", "GET", map[string]string{"Origin": "https://exact.test"}, 101},
		{"other scheme", "GET", map[string]string{"Origin": "http://exact.test"}, 403},
		{"other host", "GET", map[string]string{"Origin": "https://evil.test"}, 403},
		{"host that ends alike", "GET", map[string]string{"Origin": "https://evilexample.com"}, 403},
		{"null origin", "GET", map[string]string{"Origin": "null"}, 403},
		{"no upgrade", "GET", map[string]string{"Upgrade": ""}, 426},
		{"no connection", "GET", map[string]string{"Connection": ""}, 426},
		{"old version", "GET", map[string]string{"Sec-WebSocket-Version": "8"}, 400},
		{"no key", "GET", map[string]string{"Sec-WebSocket-Key": ""}, 400},
		{"short key", "GET", map[string]string{"Sec-WebSocket-Key": "AAAA"}, 400},
		{"post", "POST", nil, 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, s.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket",
				"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			} {
				req.Header.Set(name, value)
			}
			for name, value := range c.change {
				req.Header.Set(name, value)
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			defer resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("%d, want %d", resp.StatusCode, c.want)
			}
		})
	}
}

func TestSubprotocol(t *testing.T) {
	s := newServer(t, nil)
	for offered, want := range map[string]string{"": "", "other": "", "other, parley.v1": "parley.v1"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, resp, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{Subprotocols: strings.Split(offered, ", ")})
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != want {
			t.Errorf("offered %q, got %q", offered, got)
		}
		_ = conn.CloseNow()
	}
}

func TestMaxConnections(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { o.MaxConnections = 1 })
	first := s.dial()
	_, resp, err := websocket.Dial(t.Context(), s.url, nil)
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("past the limit: %v", err)
	}
	if err := first.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	for { // its place is free as soon as its goroutine has ended
		conn, _, err := websocket.Dial(t.Context(), s.url, nil)
		if err == nil {
			_ = conn.CloseNow()
			return
		}
	}
}

func TestDrain(t *testing.T) {
	s := newServer(t, nil)
	c := s.dial()
	c.join("r", "a")
	drained := make(chan error)
	go func() { drained <- s.handler.Shutdown(t.Context()) }()
	c.wantClose(wire.CloseGoingAway)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	_, resp, err := websocket.Dial(t.Context(), s.url, nil)
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while draining: %v", err)
	}
}

// FuzzReader holds the frame reader against any bytes: it ends, reads no message
// over the limit, and what it reads of valid frames is what they say.
func FuzzReader(f *testing.F) {
	f.Add([]byte(masked(0x81, ping)), 3)
	f.Add([]byte(masked(0x01, "a")+masked(0x89, "b")+masked(0x80, "c")), 1)
	f.Add([]byte(masked(0x88, "\x03\xe8")), 100)
	f.Add([]byte("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), 7)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		const limit = 500
		read := func(step int) (messages []string, err error) {
			var r reader
			r.init(&pieces{bytes: stream, step: max(step, 1)}, nil, limit, &new(Handler).Stats.BytesIn)
			for {
				h, payload, err := r.next()
				if err != nil {
					return messages, err
				}
				if len(payload) > limit {
					t.Fatalf("a payload of %d bytes", len(payload))
				}
				messages = append(messages, string(h.Opcode)+string(bytes.Clone(payload)))
			}
		}
		whole, err := read(len(stream))
		some, err2 := read(step)
		if strings.Join(whole, "|") != strings.Join(some, "|") || err.Error() != err2.Error() {
			t.Errorf("in one piece: %q %v; in pieces of %d: %q %v", whole, err, step, some, err2)
		}
	})
}

// pieces is a connection that gives a few bytes at a time.
type pieces struct {
	idleConn

	bytes []byte
	step  int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.bytes[:min(p.step, len(p.bytes))])
	p.bytes = p.bytes[n:]
	return n, nil
}

// A close frame has no code, or one that RFC 6455 and its registry let an endpoint send,
// with a reason in UTF-8.
func TestCloseCodes(t *testing.T) {
	for _, c := range []struct {
		first, last int
		valid       bool
	}{
		{0, 999, false}, {1000, 1003, true}, {1004, 1006, false}, {1007, 1014, true}, {1015, 2999, false}, {3000, 4999, true}, {5000, 65535, false},
	} {
		for code := c.first; code <= c.last; code++ {
			payload := []byte{byte(code >> 8), byte(code), 'x'}
			got, err := parseClose(payload)
			if (err == nil) != c.valid || c.valid && int(got) != code {
				t.Errorf("%d: %d, %v", code, got, err)
			}
		}
	}
	for payload, want := range map[string]error{"": nil, "\x03": errClosePayload, "\x03\xe8\xff": errUTF8, "\x03\xe8": nil} {
		if _, err := parseClose([]byte(payload)); err != want {
			t.Errorf("%q: %v", payload, err)
		}
	}
}
