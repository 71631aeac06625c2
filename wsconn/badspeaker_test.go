package wsconn

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWhatLacksAFieldIsRefused(t *testing.T) {
	s, _ := newTalks(t, words{}, nil)
	a, b := s.dial(), s.dial()
	a.enter("r", "a")
	b.enter("r", "b")
	a.send("lack r")
	for range 3 {
		a.want("failed bad_message")
	}
	a.send("say r x")
	b.want(`heard r a "x"`)
}

// mute is a dialect that fails on every connection.
type mute struct{ words }

func (mute) Speaker(*Conn, *http.Request) Speaker { panic("no words") }

// Nothing is left of a connection that nobody speaks for: the handler drains with it.
func TestADialectThatFailsEndsItsConnectionOnly(t *testing.T) {
	s := newServer(t, nil)
	other := s.dial()
	other.join("r", "a")
	web := httptest.NewServer(s.handler.Speaking(mute{}))
	t.Cleanup(web.Close)
	broken := *s
	broken.url = web.URL
	c := broken.dial()
	if _, _, err := c.conn.Read(c.ctx); err == nil || c.ctx.Err() != nil {
		t.Errorf("the connection goes on: %v", err)
	}
	other.send(`{"type":"ping"}`)
	other.want(`{"type":"pong"}`)
	if n := s.handler.Stats.Connections.Load(); n != 1 {
		t.Errorf("%d connections are counted", n)
	}
	s.handler.writers.mu.Lock()
	defer s.handler.writers.mu.Unlock()
	if n := s.handler.writers.conns; n != 1 {
		t.Errorf("writers stay for %d connections", n)
	}
}
