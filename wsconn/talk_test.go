package wsconn

import (
	"testing"
	"time"

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
