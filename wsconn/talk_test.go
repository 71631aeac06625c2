package wsconn

import (
	"fmt"
	"strings"
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

// still is a connection that nobody writes.
type still struct{}

func (still) Wake()                   {}
func (still) Closing()                {}
func (still) Probe()                  {}
func (still) Challenge(time.Duration) {}
func (still) Abort()                  {}

func TestNothingComesBehindTheCloseFrame(t *testing.T) {
	h := newHub(t, hub.Options{})
	defer h.Close()
	handler := newHandler(t, h, Options{})
	c := &Conn{c: &conn{h: handler}, of: handler.Speaking(words{}), speaker: &speaker{}, writing: true}
	m := &Membership{conn: c, client: h.Connect(hub.Connection{QueueBytes: 1 << 20, Writer: still{}}), Data: "r"}
	own := &c.c.client
	*own = h.Connect(hub.Connection{QueueBytes: 1 << 20, Writer: still{}})
	for _, err := range []error{
		own.Start(), m.client.Start(), m.client.Reply(wire.PongText("1")),
		own.Reply([]byte("last")), own.Close(wire.CloseNormal, "", ""), m.client.Reply(wire.PongText("2")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Rooms(t.Context()); err != nil { // all is done now
		t.Fatal(err)
	}
	c.ready = []*Membership{nil}
	g := new(hub.Gathering)
	out := string(c.gather(g))
	if want := "\x81\x04last\x88\x02\x03\xe8"; out != want {
		t.Fatalf("%q is written, want %q", out, want)
	}
	c.wake(m)
	if c.wrote(len(out)) || c.gather(g) != nil {
		t.Error("more is to be written behind the close frame")
	}
	if n := m.client.Gather(g); n != nil {
		t.Errorf("%q still waits", n)
	}
}

// However memberships and connections end, under whatever traffic, nothing waits for them in
// the end.
func TestNothingStaysInQueues(t *testing.T) {
	s, d := newTalks(t, words{}, func(o *Options, _ *hub.Options) { o.Rate, o.RateChanges = -1, -1 })
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			for n := range 12 {
				c := s.dial()
				for _, text := range []string{
					"join r %d", "join s %d", "say r x", "join closes %d", "call r 5", "say s x", "leave s", "join s %d", "insist r y", "mark r 1",
				} {
					if strings.Contains(text, "%d") {
						text = fmt.Sprintf(text, 100*i+n)
					}
					if c.conn.Write(c.ctx, websocket.MessageText, []byte(text)) != nil {
						break
					}
				}
				switch n % 4 {
				case 0:
					_ = c.conn.CloseNow()
				case 1:
					_ = c.conn.Close(websocket.StatusNormalClosure, "")
				case 2:
					c.readTo("joined closes")
					_ = s.hub.Kick(t.Context(), "closes", fmt.Sprint(100*i+n))
					c.readTo("")
				case 3:
					_ = c.conn.Write(c.ctx, websocket.MessageText, []byte("close"))
					c.readTo("")
				}
			}
		})
	}
	done.Wait()
	for end := time.Now().Add(patience); d.Stats.Connections.Load() != 0 || s.hub.Stats().OutboxBytes.Load() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are open, %d bytes wait", d.Stats.Connections.Load(), s.hub.Stats().OutboxBytes.Load())
		}
	}
}

// readTo reads on until a message comes, or the connection is over.
func (c *client) readTo(text string) {
	for {
		if _, got, err := c.conn.Read(c.ctx); err != nil || string(got) == text {
			return
		}
	}
}
