package wsconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must come; only failures take this long.
const patience = 20 * time.Second

// server is a hub behind a handler on a free port.
type server struct {
	t       testing.TB
	hub     *hub.Hub
	handler *Handler
	url     string
	address string
	secure  *http.Client // nil: the server is plain
}

// overTLS has newServer serve TLS, over a listener of UnderTLS.
var overTLS bool

func newServer(t testing.TB, change func(*Options, *hub.Options)) *server {
	t.Helper()
	o, ho := Options{}, hub.Options{}
	if change != nil {
		change(&o, &ho)
	}
	h := newHub(t, ho)
	s := &server{t: t, hub: h, handler: newHandler(t, h, o)}
	web := httptest.NewUnstartedServer(s.handler)
	if overTLS {
		web.Listener = UnderTLS(web.Listener)
		web.TLS = &tls.Config{DynamicRecordSizingDisabled: true}
		web.StartTLS()
		s.secure = web.Client()
	} else {
		web.Start()
	}
	s.url, s.address = web.URL, web.Listener.Addr().String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.handler.Shutdown(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		web.Close()
		h.Close()
	})
	return s
}

func newHub(t testing.TB, o hub.Options) *hub.Hub {
	t.Helper()
	h, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newHandler(t testing.TB, h *hub.Hub, o Options) *Handler {
	t.Helper()
	handler, err := NewHandler(h, o)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// client speaks the protocol as a browser would.
type client struct {
	t    testing.TB
	ctx  context.Context
	conn *websocket.Conn
}

// dial connects a client that is cut off at the end of the test.
func (s *server) dial() *client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	conn, _, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{HTTPClient: s.secure})
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	s.t.Cleanup(func() {
		_ = conn.CloseNow()
		cancel()
	})
	return &client{s.t, ctx, conn}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatal(err)
	}
}

// text returns the next message as it came.
func (c *client) text() string {
	c.t.Helper()
	_, text, err := c.conn.Read(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *client) want(text string) {
	c.t.Helper()
	if got := c.text(); got != text {
		c.t.Errorf("got  %s\nwant %s", got, text)
	}
}

// wantError reads the next message, which must be an error with this code, and
// returns it.
func (c *client) wantError(code wire.Code) map[string]any {
	c.t.Helper()
	text := c.text()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil || m["type"] != "error" || m["code"] != code.String() || m["error"] == "" {
		c.t.Errorf("got %s, want the error %s", text, code)
	}
	return m
}

// wantClose reads on until the connection is closed, with this code.
func (c *client) wantClose(code wire.CloseCode) {
	c.t.Helper()
	for {
		if _, _, err := c.conn.Read(c.ctx); err != nil {
			if got := websocket.CloseStatus(err); got != websocket.StatusCode(code) {
				c.t.Errorf("closed with %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}

// join enters a room and reads what comes of it.
func (c *client) join(room, id string) {
	c.t.Helper()
	c.send(`{"type":"join","room":%q,"from":%q}`, room, id)
	if text, want := c.text(), fmt.Sprintf(`{"type":"joined","room":%q,"from":%q,`, room, id); !strings.HasPrefix(text, want) {
		c.t.Errorf("got  %s\nwant %s…", text, want)
	}
	c.sees(id)
}

// sees reads on until it is told of this member.
func (c *client) sees(id string) {
	c.t.Helper()
	for {
		var m struct {
			Type    string
			Members []string
		}
		if err := json.Unmarshal([]byte(c.text()), &m); err != nil {
			c.t.Fatal(err)
		}
		if m.Type == "room_members" && slices.Contains(m.Members, id) {
			return
		}
	}
}

// raw is a client that sends any bytes.
type raw struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// handshake is a valid request but for its end.
const handshake = "GET / HTTP/1.1\r\nHost: parley\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func (s *server) dialRaw(early string) *raw {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.secure != nil {
		conn = tls.Client(conn, s.config())
	}
	return s.raw(conn, early)
}

// config returns the TLS configuration of clients.
func (s *server) config() *tls.Config {
	config := s.secure.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com" // as httptest's certificate says
	return config
}

// raw makes a client of a connection.
func (s *server) raw(conn net.Conn, early string) *raw {
	s.t.Helper()
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, handshake+"\r\n"+early); err != nil {
		s.t.Fatal(err)
	}
	return s.upgraded(conn)
}

// upgraded reads the answer to the request.
func (s *server) upgraded(conn net.Conn) *raw {
	s.t.Helper()
	c := &raw{s.t, conn, bufio.NewReader(conn)}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("handshake: %v %v", resp, err)
	}
	return c
}

func (c *raw) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// masked makes a client's frame; first is its first byte.
func masked(first byte, payload string) string {
	return string(wire.AppendMasked(nil, first, [4]byte{0x12, 0x34, 0x56, 0x78}, []byte(payload)))
}

// frame reads a frame of the server.
func (c *raw) frame() (first byte, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return 0, "", err
	}
	n := int(h[1])
	if n == 126 {
		var l [2]byte
		if _, err := io.ReadFull(c.r, l[:]); err != nil {
			return 0, "", err
		}
		n = int(binary.BigEndian.Uint16(l[:]))
	}
	b := make([]byte, n)
	_, err = io.ReadFull(c.r, b)
	return h[0], string(b), err
}

// want reads the next frame.
func (c *raw) want(first byte, payload string) {
	c.t.Helper()
	f, p, err := c.frame()
	if err != nil || f != first || p != payload {
		c.t.Errorf("got %#x %q %v, want %#x %q", f, p, err, first, payload)
	}
}

// wantClose reads on until a close frame with this code, and the end.
func (c *raw) wantClose(code wire.CloseCode) {
	c.t.Helper()
	for {
		first, p, err := c.frame()
		if err != nil {
			c.t.Errorf("no close frame: %v", err)
			return
		}
		if first != 0x88 {
			continue
		}
		got := wire.CloseNoStatus
		if len(p) >= 2 {
			got = wire.CloseCode(binary.BigEndian.Uint16([]byte(p)))
		}
		if got != code || got != wire.CloseNoStatus && strings.TrimSpace(p[2:]) == "" && code >= 4000 {
			c.t.Errorf("close frame %d %q, want %d with a reason", got, p, code)
		}
		break
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		c.t.Errorf("after the close frame: %v", err)
	}
}

// socketPair returns the two ends of a TCP connection; near is as the listener accepts it,
// which wrap has wrapped; nil: it is plain. far is closed at the end of the test.
func socketPair(t *testing.T, wrap func(net.Listener) net.Listener) (far, near net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	if far, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if wrap != nil {
		listener = wrap(listener)
	}
	if near, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return far, near
}
