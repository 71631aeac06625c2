// Package dialecttest serves a dialect on a free port, and speaks to it as a client would.
package dialecttest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/wsconn"
)

// Patience bounds what must come; only failures take this long.
const Patience = 20 * time.Second

// Server is a hub behind a handler of a dialect.
type Server struct {
	T       testing.TB
	Hub     *hub.Hub
	Handler *wsconn.Handler
	Speaks  *wsconn.DialectHandler
	URL     string
}

// Serve serves a dialect until the test ends. change may be nil.
func Serve(t testing.TB, d wsconn.Dialect, change func(*wsconn.Options, *hub.Options)) *Server {
	t.Helper()
	var o wsconn.Options
	var ho hub.Options
	if change != nil {
		change(&o, &ho)
	}
	h, err := hub.New(ho)
	if err != nil {
		t.Fatal(err)
	}
	return Over(t, h, d, o)
}

// Over serves a dialect over a hub.
func Over(t testing.TB, h *hub.Hub, d wsconn.Dialect, o wsconn.Options) *Server {
	t.Helper()
	handler, err := wsconn.NewHandler(h, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{T: t, Hub: h, Handler: handler, Speaks: handler.Speaking(d)}
	web := httptest.NewServer(s.Speaks)
	s.URL = web.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := handler.Shutdown(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		web.Close()
		_ = h.Close()
	})
	return s
}

// Client is a WebSocket of a client.
type Client struct {
	T    testing.TB
	Conn *websocket.Conn
	ctx  context.Context
}

// Dial opens a WebSocket that is cut off at the end of the test. rest is what follows the
// server's address, such as "?id=a".
func (s *Server) Dial(rest string) *Client {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	conn, _, err := websocket.Dial(ctx, s.URL+rest, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	conn.SetReadLimit(-1)
	s.T.Cleanup(func() {
		_ = conn.CloseNow()
		cancel()
	})
	return &Client{s.T, conn, ctx}
}

// Send sends a text message.
func (c *Client) Send(text string) {
	c.T.Helper()
	if err := c.Conn.Write(c.ctx, websocket.MessageText, []byte(text)); err != nil {
		c.T.Fatal(err)
	}
}

// Read returns the next message.
func (c *Client) Read() string {
	c.T.Helper()
	_, text, err := c.Conn.Read(c.ctx)
	if err != nil {
		c.T.Fatal(err)
	}
	return string(text)
}

// Want reads the next message, which must be these very bytes.
func (c *Client) Want(text string) {
	c.T.Helper()
	if got := c.Read(); got != text {
		c.T.Errorf("got  %s\nwant %s", got, text)
	}
}

// WantJSON reads the next message, which must be the same JSON value.
func (c *Client) WantJSON(text string) {
	c.T.Helper()
	got := c.Read()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(got), &a), json.Unmarshal([]byte(text), &b)); err != nil || !reflect.DeepEqual(a, b) {
		c.T.Errorf("got  %s\nwant %s", got, text)
	}
}

// WantClose reads on until the connection is closed, with this code.
func (c *Client) WantClose(code int) {
	c.T.Helper()
	for {
		if _, _, err := c.Conn.Read(c.ctx); err != nil {
			if got := websocket.CloseStatus(err); int(got) != code {
				c.T.Errorf("closed with %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}

// Close closes the connection with a close frame.
func (c *Client) Close() { _ = c.Conn.Close(websocket.StatusNormalClosure, "") }

// SendBinary sends a binary message.
func (c *Client) SendBinary(data string) {
	c.T.Helper()
	if err := c.Conn.Write(c.ctx, websocket.MessageBinary, []byte(data)); err != nil {
		c.T.Fatal(err)
	}
}
