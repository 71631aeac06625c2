package socket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// collector keeps what comes.
type collector struct {
	messages chan string
	closed   chan Close
	open     int // owned by who calls: Begin without Finish
}

func newCollector() *collector {
	return &collector{messages: make(chan string, 1000), closed: make(chan Close, 1)}
}

func (c *collector) Begin(at time.Time) {
	c.open++
	if c.open != 1 || time.Since(at) > patience {
		panic("Begin out of turn")
	}
}
func (c *collector) Message(text []byte) { c.messages <- string(text) }
func (c *collector) Finish()             { c.open-- }
func (c *collector) Closed(why Close)    { c.closed <- why }

func (c *collector) next(t *testing.T) string {
	t.Helper()
	select {
	case m := <-c.messages:
		return m
	case why := <-c.closed:
		t.Fatalf("the connection ended: %s", why)
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return ""
}

func (c *collector) end(t *testing.T) Close {
	t.Helper()
	select {
	case why := <-c.closed:
		return why
	case <-time.After(patience):
		t.Fatal("the connection did not end")
		return Close{}
	}
}

// dial connects to a server that does what serve says.
func dial(t *testing.T, tls bool, serve func(*websocket.Conn)) (*Conn, *collector) {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		serve(c)
	})
	start := httptest.NewServer
	if tls {
		start = httptest.NewTLSServer
	}
	s := start(handler)
	t.Cleanup(s.Close)
	u, err := url.Parse(strings.Replace(s.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	d := &Dialer{}
	if tls {
		d.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
	}
	if err := d.Resolve(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := d.Dial(ctx, u)
	if err != nil {
		t.Fatal(err)
	}
	h := newCollector()
	var serving sync.WaitGroup
	serving.Go(func() { c.Serve(h) })
	t.Cleanup(func() { c.Cut(); serving.Wait() })
	return c, h
}

// echo sends everything back.
func echo(c *websocket.Conn) {
	for {
		typ, text, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), typ, text) != nil {
			return
		}
	}
}

func say(c *Conn, text string) bool {
	ok := c.Done(append(c.Append(), text...))
	c.Flush()
	return ok
}

// Messages of all sizes come back as they went, over TCP and over TLS.
func TestEcho(t *testing.T) {
	for name, tls := range map[string]bool{"ws": false, "wss": true} {
		t.Run(name, func(t *testing.T) {
			c, h := dial(t, tls, echo)
			for _, n := range []int{0, 1, 125, 126, 127, 4096, 65535, 65536, 300_000} {
				text := strings.Repeat("x", n)
				if !say(c, text) {
					t.Fatalf("%d bytes were not taken", n)
				}
				if got := h.next(t); got != text {
					t.Errorf("%d bytes came back as %d", n, len(got))
				}
			}
			for range 100 { // many at once
				c.Done(append(c.Append(), "again"...))
			}
			c.Flush()
			for range 100 {
				if got := h.next(t); got != "again" {
					t.Fatalf("got %q", got)
				}
			}
			c.Close(patience)
			if why := h.end(t); why.Code != wire.CloseNormal || !why.Ours {
				t.Errorf("ended with %+v", why)
			}
			if say(c, "too late") {
				t.Error("a closed connection takes messages")
			}
		})
	}
}

// Messages that a server does not read wait, and come in order once it reads.
func TestBackpressure(t *testing.T) {
	resume := make(chan struct{})
	c, h := dial(t, false, func(s *websocket.Conn) {
		<-resume
		echo(s)
	})
	piece := strings.Repeat("y", 100_000)
	n := 0
	for say(c, piece) { // until it is held to read no more
		n++
	}
	if c.Queued() > MaxQueue || n < MaxQueue/len(piece) {
		t.Errorf("%d bytes wait after %d messages", c.Queued(), n)
	}
	close(resume)
	for range n {
		if got := h.next(t); got != piece {
			t.Fatalf("got %d bytes", len(got))
		}
	}
}

func TestClose(t *testing.T) {
	_, h := dial(t, false, func(s *websocket.Conn) { _ = s.Close(4003, "too slow") })
	if why := h.end(t); why.Code != 4003 || why.Reason != "too slow" || why.Ours {
		t.Errorf("ended with %+v", why)
	}
	_, h = dial(t, false, func(s *websocket.Conn) { _ = s.CloseNow() })
	if why := h.end(t); why.Code != wire.CloseAbnormal || why.Err == nil || why.Ours {
		t.Errorf("ended with %+v", why)
	}
	cut := make(chan error, 1)
	c, h := dial(t, false, func(s *websocket.Conn) {
		_, _, err := s.Read(context.Background())
		cut <- err
	})
	c.Cut()
	if why := h.end(t); why.Code != wire.CloseAbnormal || !why.Ours {
		t.Errorf("ended with %+v", why)
	}
	if err := <-cut; websocket.CloseStatus(err) != -1 {
		t.Errorf("the server got a close frame: %v", err)
	}
}

// A server's pings are answered, and its fragments put together.
func TestControlFrames(t *testing.T) {
	pinged := make(chan error, 1)
	_, h := dial(t, false, func(s *websocket.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.CloseRead(ctx)
		pinged <- s.Ping(ctx)
		w, err := s.Writer(ctx, websocket.MessageText)
		if err != nil {
			return
		}
		for range 3 {
			_, _ = w.Write(bytes.Repeat([]byte("z"), 50_000))
		}
		_ = w.Close()
	})
	if err := <-pinged; err != nil {
		t.Error(err)
	}
	if got := h.next(t); got != strings.Repeat("z", 150_000) {
		t.Errorf("got %d bytes", len(got))
	}
}

// raw is a server that says what it is told to, whatever is asked.
func raw(t *testing.T, answer string) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := make([]byte, 4096)
			_, _ = c.Read(r)
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return &url.URL{Scheme: "ws", Host: l.Addr().String(), Path: "/"}
}

func TestHandshakeRefused(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n":            `403 Forbidden: "no!\n"`,
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n": "Sec-WebSocket-Accept",
		"SSH-2.0-OpenSSH\r\n": "handshake",
		"":                    "handshake",
	} {
		u := raw(t, answer)
		d := &Dialer{}
		if err := d.Resolve(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := d.Dial(ctx, u)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
	}
	u := raw(t, "HTTP/1.1 503 Service Unavailable\r\n\r\n")
	d := &Dialer{}
	_ = d.Resolve(t.Context(), u)
	var refused *HandshakeError
	if _, err := d.Dial(t.Context(), u); !errors.As(err, &refused) || refused.Status != 503 {
		t.Errorf("%v", err)
	}
}

// Connections are made from the addresses that are asked for, in turn.
func TestSources(t *testing.T) {
	from := make(chan string, 4)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		from <- host
	}))
	defer s.Close()
	u, _ := url.Parse(strings.Replace(s.URL, "http", "ws", 1))
	d := &Dialer{Sources: []netip.Addr{netip.MustParseAddr("127.0.0.5"), netip.MustParseAddr("127.0.0.6")}}
	if err := d.Resolve(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for range 4 {
		_, _ = d.Dial(t.Context(), u)
		got[<-from]++
	}
	if got["127.0.0.5"] != 2 || got["127.0.0.6"] != 2 {
		t.Errorf("%v", got)
	}
}

// A slow reader leaves what comes in the socket.
func TestPace(t *testing.T) {
	c, h := dial(t, false, echo)
	c.SetPace(1 << 20)
	text := strings.Repeat("s", 20_000)
	say(c, text)
	if got := h.next(t); got != text {
		t.Errorf("got %d bytes", len(got))
	}
}

// A server that breaks the protocol is found out.
func TestBrokenFrames(t *testing.T) {
	for name, frame := range map[string]string{
		"masked": "\x81\x81\x00\x00\x00\x00x", "reserved bit": "\xc1\x01x", "continuation of nothing": "\x80\x01x",
		"unknown opcode": "\x83\x01x", "long form of a short length": "\x81\x7e\x00\x01x", "too long": "\x81\x7f\x00\x00\x00\x01\x00\x00\x00\x00",
	} {
		ours, theirs := net.Pipe()
		tcp := &net.TCPConn{}
		c := newConn(ours, tcp, []byte(frame))
		h := newCollector()
		c.Serve(h)
		_ = theirs.Close()
		if why := h.end(t); why.Err == nil {
			t.Errorf("%s: ended with %+v", name, why)
		}
	}
}
