package wsconn

import (
	"bufio"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// piped is a handler in a bubble of its own time, whose connections are pipes.
type piped struct {
	t       *testing.T
	hub     *hub.Hub
	handler *Handler
}

func newPiped(t *testing.T, o Options) *piped {
	t.Helper()
	h := newHub(t, hub.Options{})
	t.Cleanup(func() { _ = h.Close() })
	return &piped{t, h, newHandler(t, h, o)}
}

func (s *piped) dial() *raw {
	c, _ := s.connect(func(c net.Conn) net.Conn { return c })
	return c
}

// connect connects a client that reads through a line, and returns the server's side
// too.
func (s *piped) connect(line func(net.Conn) net.Conn) (*raw, *conn) {
	ours, theirs := net.Pipe()
	c := s.handler.start(theirs, nil, netip.Addr{})
	s.t.Cleanup(func() { _ = ours.Close() })
	through := line(ours)
	return &raw{s.t, through, bufio.NewReader(through)}, c
}

// inTime runs a test in a bubble of its own time, with a connection to a handler.
func inTime(t *testing.T, o Options, test func(t *testing.T, c *raw)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, o)
		c := s.dial()
		test(t, c)
		_ = c.conn.Close()
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// elapsed checks a time against what it must be, give or take nothing: time here
// stands still while the code works.
func elapsed(t *testing.T, since time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(since); got != want {
		t.Errorf("after %s, want %s", got, want)
	}
}

func TestJoinTimeout(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, JoinTimeout: time.Minute, PingInterval: -1}
	inTime(t, o, func(t *testing.T, c *raw) {
		start := time.Now()
		c.wantClose(wire.CloseNoJoin)
		elapsed(t, start, time.Minute+closeTimeout) // this client does not answer the close frame
	})
	inTime(t, o, func(t *testing.T, c *raw) {
		c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		c.want(0x81, `{"type":"joined","room":"r","from":"a","limits":{"message_bytes":1000}}`)
		c.want(0x81, `{"type":"room_members","room":"r","members":["a"]}`)
		time.Sleep(time.Hour)
		left := time.Now()
		c.write(masked(0x81, `{"type":"leave"}`))
		c.wantClose(wire.CloseNoJoin)
		elapsed(t, left, time.Minute+closeTimeout)
	})
}

func TestPings(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, PingInterval: 20 * time.Second, PingTimeout: 5 * time.Second, JoinTimeout: -1}
	t.Run("answered", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			last := time.Now()
			for i := range 10 {
				first, payload, err := c.frame()
				if err != nil || first != 0x89 {
					t.Fatalf("got %#x %v", first, err)
				}
				if i > 0 {
					elapsed(t, last, 20*time.Second)
				} else if d := time.Since(last); d < 10*time.Second || d > 20*time.Second {
					t.Errorf("first ping after %s", d)
				}
				last = time.Now()
				c.write(masked(0x8A, payload))
			}
		})
	})
	pinged := func(t *testing.T, c *raw) (payload string, at time.Time) {
		t.Helper()
		first, payload, err := c.frame()
		if err != nil || first != 0x89 {
			t.Fatalf("got %#x %v, want a ping", first, err)
		}
		return payload, time.Now()
	}
	wantEnd := func(t *testing.T, c *raw) {
		t.Helper()
		if first, _, err := c.frame(); err == nil {
			t.Errorf("the connection goes on with %#x", first)
		}
	}
	t.Run("not answered", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			_, at := pinged(t, c)
			wantEnd(t, c)
			elapsed(t, at, 5*time.Second)
		})
	})
	t.Run("another's answer", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			_, at := pinged(t, c)
			c.write(masked(0x8A, "something else")) // a sign of life, as all bytes are
			wantEnd(t, c)
			elapsed(t, at, 10*time.Second)
		})
	})
	t.Run("sends and does not answer", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			_, at := pinged(t, c)
			for range 4 {
				time.Sleep(3500 * time.Millisecond)
				c.write(masked(0x8A, ""))
			}
			wantEnd(t, c)
			elapsed(t, at, 20*time.Second)
		})
	})
	t.Run("in the middle of a message", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			payload, at := pinged(t, c)
			long := masked(0x81, ping+strings.Repeat(" ", 900))
			for len(long) > 0 { // for 40 s
				n := min(len(long), 100)
				c.write(long[:n])
				long = long[n:]
				time.Sleep(4 * time.Second)
			}
			c.write(masked(0x8A, payload))
			c.want(0x81, pong)
			_, next := pinged(t, c)
			if d := next.Sub(at); d%(20*time.Second) != 0 {
				t.Errorf("the next ping came after %s, out of step", d)
			}
		})
	})
}

func TestRate(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, Rate: 10, Burst: 20, PingInterval: -1, JoinTimeout: -1}
	inTime(t, o, func(t *testing.T, c *raw) {
		for range 20 {
			c.write(masked(0x81, ping))
			c.want(0x81, pong)
		}
		refused := `{"type":"error","code":"rate_limited","error":"you send too many messages a second","re":"ping","ref":"x"}`
		start := time.Now()
		c.write(masked(0x81, `{"type":"ping","ref":"x"}`))
		c.want(0x81, refused)
		time.Sleep(100 * time.Millisecond)
		c.write(masked(0x81, ping))
		c.want(0x81, pong)

		// Over the rate on and on: after 10 s of refusals it is closed.
		c.write(masked(0x81, `{"type":"ping","ref":"x"}`))
		c.want(0x81, refused)
		const step = 50 * time.Millisecond // every other one is refused
		first := byte(0)
		for first != 0x88 && time.Since(start) < 2*rateGrace {
			time.Sleep(step)
			c.write(masked(0x81, ping))
			var err error
			if first, _, err = c.frame(); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d < rateGrace || d > rateGrace+2*step {
			t.Errorf("closed after %s", d)
		}
	})
}

// A client that pauses between bursts is refused, but not closed.
func TestRateForgets(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, Rate: 1, Burst: 1, PingInterval: -1, JoinTimeout: -1}
	inTime(t, o, func(t *testing.T, c *raw) {
		for range 20 {
			for range 3 {
				c.write(masked(0x81, ping))
				if _, p, err := c.frame(); err != nil || p == "" {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Second)
		}
	})
}

// synctestPair is inTime with two connections.
func synctestPair(t *testing.T, o Options, test func(t *testing.T, a, b *raw)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, o)
		a, b := s.dial(), s.dial()
		test(t, a, b)
		_ = a.conn.Close()
		_ = b.conn.Close()
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
