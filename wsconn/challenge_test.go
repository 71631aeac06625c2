package wsconn

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
)

// A challenge is answered in time, or cuts the connection.
func TestChallenge(t *testing.T) {
	o := Options{JoinTimeout: -1, PingInterval: time.Hour, PingTimeout: 10 * time.Second}
	challenged := func(t *testing.T, o Options, test func(t *testing.T, c *raw, server *conn)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newPiped(t, o)
			c, server := s.connect(func(c net.Conn) net.Conn { return c })
			test(t, c, server)
			_ = c.conn.Close()
			if err := s.handler.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	pinged := func(t *testing.T, c *raw) string {
		t.Helper()
		first, payload, err := c.frame()
		if err != nil || first != 0x89 {
			t.Fatalf("got %#x %v, want a ping", first, err)
		}
		return payload
	}
	wantEnd := func(t *testing.T, c *raw) {
		t.Helper()
		if first, _, err := c.frame(); err == nil {
			t.Errorf("the connection goes on with %#x", first)
		}
	}
	t.Run("no answer", func(t *testing.T) {
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			start := time.Now()
			server.Challenge(2 * time.Second)
			pinged(t, c)
			elapsed(t, start, 0)
			wantEnd(t, c)
			elapsed(t, start, 2*time.Second)
		})
	})
	t.Run("no pings otherwise", func(t *testing.T) {
		o := o
		o.PingInterval = -1
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			start := time.Now()
			server.Challenge(2 * time.Second)
			pinged(t, c)
			wantEnd(t, c)
			elapsed(t, start, 2*time.Second)
		})
	})
	t.Run("answered, again and again", func(t *testing.T) {
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			for range 3 {
				server.Challenge(2 * time.Second)
				payload := pinged(t, c)
				time.Sleep(2*time.Second - 1)
				c.write(masked(0x8A, payload))
				time.Sleep(time.Minute)
				c.write(masked(0x81, ping))
				c.want(0x81, pong)
			}
		})
	})
	t.Run("while a ping is under way", func(t *testing.T) {
		o := o
		o.PingInterval = 20 * time.Second
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			first := pinged(t, c)
			server.Challenge(2 * time.Second)
			second := pinged(t, c)
			if first == second {
				t.Error("the challenge is no ping of its own")
			}
			start := time.Now()
			c.write(masked(0x8A, first)) // came before it: a sign of life, and no answer
			wantEnd(t, c)
			elapsed(t, start, 4*time.Second)
		})
	})
	t.Run("answers the ping that is under way too", func(t *testing.T) {
		o := o
		o.PingInterval = 20 * time.Second
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			pinged(t, c)
			server.Challenge(2 * time.Second)
			c.write(masked(0x8A, pinged(t, c)))
			start := time.Now()
			c.write(masked(0x8A, pinged(t, c)))
			if d := time.Since(start); d < 10*time.Second {
				t.Errorf("another ping after %s", d)
			}
		})
	})
	t.Run("one at a time", func(t *testing.T) {
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			start := time.Now()
			server.Challenge(2 * time.Second)
			server.Challenge(time.Hour)
			pinged(t, c)
			time.Sleep(time.Second)
			server.Challenge(2 * time.Second)
			server.Challenge(0)
			wantEnd(t, c)
			elapsed(t, start, 2*time.Second)
		})
	})
	t.Run("of a connection that is closing", func(t *testing.T) {
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			server.Closing()
			server.Challenge(time.Second)
			start := time.Now()
			wantEnd(t, c)
			elapsed(t, start, closeTimeout)
		})
	})
	t.Run("sends, and does not answer yet", func(t *testing.T) {
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			server.Challenge(2 * time.Second)
			payload := pinged(t, c)
			for range 5 {
				time.Sleep(1500 * time.Millisecond)
				c.write(masked(0x8A, "")) // such as a piece of a long message
			}
			c.write(masked(0x8A, payload))
			time.Sleep(time.Minute)
			c.write(masked(0x81, ping))
			c.want(0x81, pong)
		})
	})
	t.Run("while a join is decided", func(t *testing.T) {
		o := o
		o.Gate = slowGate{takes: time.Minute}
		o.PingInterval = 900 * time.Millisecond // the timer fires while the challenge stands still
		challenged(t, o, func(t *testing.T, c *raw, server *conn) {
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			synctest.Wait()
			server.Challenge(2 * time.Second)
			payload := pinged(t, c)
			c.write(masked(0x8A, payload)) // is read once the join is decided
			for {
				_, text, err := c.frame()
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(text, `{"type":"joined","room":"r","from":"a"`) {
					break
				}
			}
		})
	})
}

// A connection that the hub closes as soon as it hears of it ends in bounded time,
// although its client does nothing.
func TestClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, hub.Options{})
		defer h.Close()
		handler := newHandler(t, h, Options{JoinTimeout: -1, PingInterval: -1})
		_, first := net.Pipe()
		handler.start(first, nil, netip.Addr{})
		go func() { _ = h.Shutdown(context.Background()) }() // it lasts for as long as the first
		synctest.Wait()
		ours, theirs := net.Pipe()
		start := time.Now()
		handler.start(theirs, nil, netip.Addr{})
		_, _ = io.Copy(io.Discard, ours)
		elapsed(t, start, closeTimeout)
	})
}
