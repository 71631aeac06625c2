// Package daemon tests the built daemon from outside.
package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m) }

// client is a WebSocket client of the daemon.
type client struct {
	t    testing.TB
	ctx  context.Context
	conn *websocket.Conn
}

// dial connects to a URL; httpClient may be nil.
func dial(t testing.TB, url string, httpClient *http.Client) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), parleyd.Patience)
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() {
		_ = conn.CloseNow()
		cancel()
	})
	return &client{t, ctx, conn}
}

func connect(t testing.TB, d *parleyd.Daemon) *client {
	t.Helper()
	return dial(t, "ws://"+d.Address+"/ws", nil)
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatal(err)
	}
}

// message is what the daemon sends.
type message struct {
	Type, From, Code, Re, Ref, Error string
	Needs, Session, Expires          string
	Locked                           bool
	Members                          []string
	Names                            map[string]string
	Data                             any
	ICEServers                       []struct {
		URLs                 []string
		Username, Credential string
	} `json:"ice_servers"`
}

func (c *client) next() (m message) {
	c.t.Helper()
	_, text, err := c.conn.Read(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// until reads on to a message of which is holds.
func (c *client) until(is func(m message) bool) message {
	c.t.Helper()
	for {
		if m := c.next(); is(m) {
			return m
		}
	}
}

func (c *client) join(room, id string) message {
	c.t.Helper()
	c.send(`{"type":"join","room":%q,"from":%q}`, room, id)
	joined := c.until(func(m message) bool { return m.Type == "joined" })
	c.sees(id)
	return joined
}

func (c *client) sees(id string) {
	c.t.Helper()
	c.until(func(m message) bool { return m.Type == "room_members" && slices.Contains(m.Members, id) })
}

// wantClose reads on to the end of the connection, which must have this code.
func (c *client) wantClose(code websocket.StatusCode) {
	c.t.Helper()
	for {
		if _, _, err := c.conn.Read(c.ctx); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				c.t.Errorf("closed with %d (%v), want %d", got, err, code)
			}
			return
		}
	}
}
