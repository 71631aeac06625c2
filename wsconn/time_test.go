package wsconn

import (
	"bufio"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// inTime runs a test in a bubble of its own time, with a connection to a handler.
func inTime(t *testing.T, o Options, test func(t *testing.T, c *raw)) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		defer h.Close()
		handler := NewHandler(h, o)
		ours, theirs := net.Pipe()
		handler.start(theirs, nil, netip.Addr{})
		c := &raw{t, ours, bufio.NewReader(ours)}
		test(t, c)
		_ = ours.Close()
		if err := handler.Drain(t.Context()); err != nil {
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
	o := Options{MaxMessageBytes: 1000, QueueBytes: 1 << 20, JoinTimeout: time.Minute}
	inTime(t, o, func(t *testing.T, c *raw) {
		start := time.Now()
		c.wantClose(wire.CloseNoJoin)
		elapsed(t, start, time.Minute+closeTimeout) // this client does not answer the close frame
	})
	inTime(t, o, func(t *testing.T, c *raw) {
		c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		c.want(0x81, `{"type":"joined","room":"r","from":"a"}`)
		c.want(0x81, `{"type":"room_members","room":"r","members":["a"]}`)
		time.Sleep(time.Hour)
		left := time.Now()
		c.write(masked(0x81, `{"type":"leave"}`))
		c.wantClose(wire.CloseNoJoin)
		elapsed(t, left, time.Minute+closeTimeout)
	})
}

func TestPings(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, QueueBytes: 1 << 20, PingInterval: 20 * time.Second, PingTimeout: 5 * time.Second}
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
	t.Run("not answered", func(t *testing.T) {
		inTime(t, o, func(t *testing.T, c *raw) {
			if first, _, err := c.frame(); err != nil || first != 0x89 {
				t.Fatalf("got %#x %v", first, err)
			}
			sent := time.Now()
			c.write(masked(0x8A, "something else"))
			c.write(masked(0x81, ping)) // is no answer to the ping
			c.want(0x81, pong)
			if _, _, err := c.frame(); err == nil {
				t.Error("the connection goes on")
			}
			elapsed(t, sent, 5*time.Second)
		})
	})
}

func TestRate(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, QueueBytes: 1 << 20, Rate: 10, Burst: 20}
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
	o := Options{MaxMessageBytes: 1000, QueueBytes: 1 << 20, Rate: 1, Burst: 1}
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
