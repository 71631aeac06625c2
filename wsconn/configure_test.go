package wsconn

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// Options change while the handler serves: origins, limits on connections and ICE servers
// for everybody, rates and sizes for connections that come, and no connection ends.
func TestConfigure(t *testing.T) {
	s := newServer(t, nil)
	old := s.dial()
	old.join("r", "old")
	from := func(origin string) error {
		conn, _, err := websocket.Dial(old.ctx, s.url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			_ = conn.CloseNow()
		}
		return err
	}
	if from("https://app.test") == nil {
		t.Error("another page may connect")
	}
	o := Options{
		AllowOrigins: []string{"app.test"}, MaxMessageBytes: 1000, QueueBytes: 1 << 20, Rate: 1, Burst: 2,
		ICEServers: func(id string, _ time.Time) json.RawMessage { return json.RawMessage(`["` + id + `"]`) },
	}
	if err := s.handler.Configure(o); err != nil {
		t.Fatal(err)
	}
	if err := from("https://app.test"); err != nil {
		t.Errorf("the page that may connect: %v", err)
	}
	old.send(`{"type":"ice"}`)
	old.want(`{"type":"ice","ice_servers":["old"]}`)
	fresh := s.dial()
	fresh.send(`{"type":"join","room":"s","from":"fresh"}`)
	if text := fresh.text(); !strings.Contains(text, `"message_bytes":1000`) {
		t.Errorf("a new connection is told %s", text)
	}
	fresh.sees("fresh")
	for range 3 {
		fresh.send(`{"type":"ping"}`)
		old.send(`{"type":"ping"}`)
	}
	fresh.want(`{"type":"pong"}`)
	fresh.wantError(wire.CodeRateLimited)
	for range 3 {
		old.want(`{"type":"pong"}`)
	}
	old.send(`{"type":"message","to":"old","data":%q}`, strings.Repeat("x", 2000))
	if text := old.text(); !strings.Contains(text, "xxx") {
		t.Errorf("a connection from before got %s", text)
	}
}

// Settings that can't be used change nothing.
func TestConfigureBadly(t *testing.T) {
	s := newServer(t, func(o *Options, _ *hub.Options) { o.MaxConnections = 1 })
	for name, o := range map[string]Options{
		"origin": {AllowOrigins: []string{"["}, MaxConnections: 9},
		"queue":  {QueueBytes: 1, MaxConnections: 9},
		"rate":   {Burst: -1, MaxConnections: 9},
	} {
		if err := s.handler.Configure(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	first := s.dial()
	_, answer, err := websocket.Dial(first.ctx, s.url, nil)
	if err == nil || answer == nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Error("the limit on connections has changed")
	}
	if err := s.handler.Configure(Options{MaxConnections: 2}); err != nil {
		t.Fatal(err)
	}
	s.dial().join("r", fmt.Sprint(2))
}
