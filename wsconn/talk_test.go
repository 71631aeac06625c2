package wsconn

import (
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// A client may take its time to answer a close frame. It is in no room meanwhile.
func TestMembershipsEndWhenTheServerClosesTheConnection(t *testing.T) {
	s, _ := newTalks(t, words{}, nil)
	slow := s.dialRaw("")
	slow.write(masked(0x81, "join r slow"))
	slow.want(0x81, "joined r")
	slow.write(masked(0x81, "join closes slow"))
	slow.want(0x81, "joined closes")
	if err := s.hub.Kick(t.Context(), "closes", "slow"); err != nil {
		t.Fatal(err)
	}
	for !gone(t, s.hub, "r", "slow") {
		time.Sleep(5 * time.Millisecond)
	}
	if n := s.handler.Stats.Connections.Load(); n != 1 {
		t.Errorf("%d connections are open: the membership has ended only with its connection", n)
	}
	slow.write(masked(0x81, "join s slow")) // behind the close frame
	slow.wantClose(wire.CloseKicked)
}

// However much is on its way to a client, its close frame is the last, and nothing stays
// behind.
func TestNothingComesBehindTheCloseFrame(t *testing.T) {
	s, _ := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.Rate, o.RateChanges = -1, -1 })
	loud := s.dial()
	loud.enter("r", "loud")
	loud.enter("s", "loud")
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, text := range []string{"say r x", "say s x"} {
				if loud.conn.Write(t.Context(), websocket.MessageText, []byte(text)) != nil {
					return
				}
			}
		}
	})
	for range 30 {
		c := s.dialRaw("")
		for _, room := range []string{"r", "s", "closes"} {
			c.write(masked(0x81, "join "+room+" c"))
		}
		for c.next() != "joined closes" {
		}
		if err := s.hub.Kick(t.Context(), "closes", "c"); err != nil {
			t.Fatal(err)
		}
		c.wantClose(wire.CloseKicked)
		_ = c.conn.Close()
		for !gone(t, s.hub, "r", "c") || !gone(t, s.hub, "s", "c") {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	done.Wait()
	loud.send("leave r")
	for loud.text() != "left r" {
	}
	for end := time.Now().Add(patience); s.hub.Stats().OutboxBytes.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes wait for nobody", s.hub.Stats().OutboxBytes.Load())
		}
	}
}

// next returns the next message.
func (c *raw) next() string {
	c.t.Helper()
	_, text, err := c.frame()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}
