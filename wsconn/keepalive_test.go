package wsconn

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// slowGate decides after some time.
type slowGate struct {
	takes time.Duration
	err   error
}

func (g slowGate) Join(context.Context, *JoinRequest) (*Admission, error) {
	time.Sleep(g.takes)
	return &Admission{}, g.err
}

func (g slowGate) Renew(context.Context, *RenewRequest) (*Admission, error) {
	time.Sleep(g.takes)
	return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights}}, g.err
}

// obedient reads all that comes and answers pings; what else comes is passed on, and
// the channel is closed at the end.
func obedient(c *raw) <-chan string {
	texts := make(chan string, 1000)
	go func() {
		defer close(texts)
		for {
			first, payload, err := c.frame()
			switch {
			case err != nil:
				return
			case first == 0x89:
				go func() { _, _ = c.conn.Write([]byte(masked(0x8A, payload))) }()
			default:
				texts <- payload
			}
		}
	}()
	return texts
}

// While a join is decided a client that answers its pings is not cut, and it does not
// miss the time to join by.
func TestClocksStandStill(t *testing.T) {
	o := Options{JoinTimeout: 30 * time.Second, PingInterval: 10 * time.Second, PingTimeout: 2 * time.Second}
	t.Run("admitted", func(t *testing.T) {
		o.Gate = slowGate{takes: time.Minute}
		inTime(t, o, func(t *testing.T, c *raw) {
			texts := obedient(c)
			time.Sleep(29 * time.Second)
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			if got := <-texts; got != `{"type":"joined","room":"r","from":"a","limits":{"message_bytes":65536}}` {
				t.Errorf("got %q", got)
			}
			time.Sleep(time.Hour)
			c.write(masked(0x81, `{"type":"token","token":"t"}`))
			for text := range texts {
				if strings.Contains(text, `"token"`) {
					break
				}
			}
			c.write(masked(0x81, ping))
			if got := <-texts; got != pong {
				t.Errorf("after a renewal: %q", got)
			}
		})
	})
	t.Run("pings close together", func(t *testing.T) { // another falls due just after the first has
		o := o
		o.Gate = slowGate{takes: time.Minute}
		o.PingInterval = 2500 * time.Millisecond
		inTime(t, o, func(t *testing.T, c *raw) {
			texts := obedient(c)
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			if got := <-texts; !strings.HasPrefix(got, `{"type":"joined","room":"r","from":"a"`) {
				t.Errorf("got %q", got)
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		o.Gate = slowGate{takes: time.Minute, err: ErrNoTokens}
		inTime(t, o, func(t *testing.T, c *raw) {
			start := time.Now()
			texts := obedient(c)
			time.Sleep(20 * time.Second)
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			if got := <-texts; !strings.Contains(got, "unavailable") {
				t.Errorf("got %q", got)
			}
			if got := <-texts; !strings.HasPrefix(got, "\x0f\xa7") {
				t.Errorf("got %q, want the close code 4007", got)
			}
			elapsed(t, start, 90*time.Second)
		})
	})
	t.Run("silent", func(t *testing.T) { // the clock of pongs goes on afterwards
		o.Gate = slowGate{takes: time.Minute}
		inTime(t, o, func(t *testing.T, c *raw) {
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			start := time.Now()
			for {
				if _, _, err := c.frame(); err != nil {
					break
				}
			}
			if d := time.Since(start); d > time.Minute+12*time.Second {
				t.Errorf("cut after %s", d)
			}
		})
	})
}

// A connection that is closing ends in time also while a join is decided.
func TestClosingWhileDeciding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{JoinTimeout: -1, PingInterval: -1, Gate: slowGate{takes: time.Minute}})
		c, server := s.connect(func(c net.Conn) net.Conn { return c })
		c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		synctest.Wait()
		start := time.Now()
		server.Closing()
		if _, _, err := c.frame(); err == nil {
			t.Error("the connection goes on")
		}
		elapsed(t, start, closeTimeout)
		_ = c.conn.Close()
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// expiringGate lets everybody in for a while, and takes long to renew.
type expiringGate struct{ stay, takes time.Duration }

func (g expiringGate) Join(context.Context, *JoinRequest) (*Admission, error) {
	return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: time.Now().Add(g.stay)}}, nil
}

func (g expiringGate) Renew(ctx context.Context, _ *RenewRequest) (*Admission, error) {
	time.Sleep(g.takes)
	until := time.Now().Add(time.Hour)
	return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: until}, Expires: until}, nil
}

// A token that runs out ends the membership, also while a fresh one is decided on; one
// that was renewed in time does not.
func TestExpiryWhileDeciding(t *testing.T) {
	for _, takes := range []time.Duration{time.Second, time.Minute} {
		o := Options{JoinTimeout: -1, PingInterval: -1, Gate: expiringGate{5 * time.Second, takes}}
		inTime(t, o, func(t *testing.T, c *raw) {
			start := time.Now()
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			c.write(masked(0x81, `{"type":"token","token":"t"}`))
			if takes > 5*time.Second {
				c.wantClose(wire.CloseTokenExpired)
				return
			}
			for {
				_, text, err := c.frame()
				if err != nil {
					t.Fatalf("closed after %s: %v", time.Since(start), err)
				}
				if strings.HasPrefix(text, `{"type":"token"`) {
					break
				}
			}
			time.Sleep(time.Minute)
			c.write(masked(0x81, ping))
			c.want(0x81, pong)
		})
	}
}

// slowLine30 reads 30 kbit a second.
type slowLine30 struct{ net.Conn }

func (s slowLine30) Read(b []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return s.Conn.Read(b[:min(len(b), 375)])
}

// behindProxy reads at once whatever comes, and passes it on with 30 kbit a second.
func behindProxy(c net.Conn) net.Conn {
	r, w := io.Pipe()
	chunks := make(chan []byte, 1<<16)
	go func() {
		defer close(chunks)
		for {
			b := make([]byte, 375)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			chunks <- b[:n]
		}
	}()
	go func() {
		for b := range chunks {
			_, _ = w.Write(b)
		}
		_ = w.Close()
	}()
	return slowLine30{proxied{c, r}}
}

type proxied struct {
	net.Conn

	r *io.PipeReader
}

func (p proxied) Read(b []byte) (int, error) { return p.r.Read(b) }

// A client on a slow line gets messages that take longer than a pong may, also from
// behind a proxy that takes them at once.
func TestSlowLine(t *testing.T) {
	for name, line := range map[string]func(net.Conn) net.Conn{
		"direct":         func(c net.Conn) net.Conn { return slowLine30{c} },
		"behind a proxy": behindProxy,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newPiped(t, Options{})
				slow, _ := s.connect(line)
				texts := obedient(slow)
				slow.write(masked(0x81, `{"type":"join","room":"r","from":"slow"}`))
				fast := s.dial()
				go func() {
					for range obedient(fast) {
					}
				}()
				time.Sleep(time.Second)
				fast.write(masked(0x81, `{"type":"join","room":"r","from":"fast"}`))
				long := strings.Repeat("x", 64_000)
				for range 8 {
					time.Sleep(11 * time.Second) // in all phases of the pings
					fast.write(masked(0x81, `{"type":"message","to":"slow","data":"`+long+`"}`))
					for text := range texts {
						if strings.Contains(text, long) {
							break
						}
					}
				}
				slow.write(masked(0x81, `{"type":"ping","ref":"still here"}`))
				alive := false
				for text := range texts {
					if alive = strings.Contains(text, "still here"); alive {
						break
					}
				}
				if !alive {
					t.Error("it was cut")
				}
				_ = slow.conn.Close()
				_ = fast.conn.Close()
				for range texts {
				}
				if err := s.handler.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The same over TCP, where acknowledgements say what has arrived.
func TestSlowSocket(t *testing.T) {
	if _, _, ok := transportOfSocket(t); !ok {
		t.Skip("this system does not say what has arrived")
	}
	s := newServer(t, func(o *Options, _ *hub.Options) {
		o.PingInterval, o.PingTimeout = 200*time.Millisecond, time.Second
	})
	slow, fast := s.dialRaw(""), s.dial()
	_ = slow.conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	slow.r.Reset(slowSocket{slow.conn})
	slow.write(masked(0x81, `{"type":"join","room":"r","from":"slow"}`))
	fast.join("r", "fast")
	texts := obedient(slow)
	long := strings.Repeat("x", 60_000)
	for range 2 {
		fast.send(`{"type":"message","to":"slow","data":%q}`, long)
	}
	n := 0
	for text := range texts {
		if strings.Contains(text, long) {
			if n++; n == 2 {
				break
			}
		}
	}
	if n < 2 {
		t.Errorf("it was cut after %d messages", n)
	}
	_ = slow.conn.Close()
	for range texts {
	}
}

// slowSocket reads 512 kbit a second.
type slowSocket struct{ net.Conn }

func (s slowSocket) Read(b []byte) (int, error) {
	time.Sleep(16 * time.Millisecond)
	return s.Conn.Read(b[:min(len(b), 1024)])
}

// A client that has stopped is cut in bounded time: one that takes nothing more, and
// one whose system takes all while nobody answers.
func TestStoppedClient(t *testing.T) {
	const interval, timeout = 25 * time.Second, 10 * time.Second
	for name, most := range map[string]time.Duration{
		"takes nothing":    interval + timeout,
		"answers nothing":  interval + timeout + slowLine(longestOnWay),
		"took half of all": interval + 2*timeout,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newPiped(t, Options{JoinTimeout: -1})
				stopped, server := s.connect(func(c net.Conn) net.Conn { return c })
				long := bytes.Repeat([]byte("x"), 64_000)
				for range 10 {
					_ = server.client.Reply(wire.PongText(string(long)))
				}
				synctest.Wait()
				start := time.Now()
				switch name {
				case "answers nothing":
					_, _ = io.Copy(io.Discard, stopped.conn)
				case "took half of all":
					_, _ = io.CopyN(io.Discard, stopped.conn, 300_000)
					time.Sleep(interval)
					_, _ = io.CopyN(io.Discard, stopped.conn, 20_000)
				}
				synctest.Wait()
				_ = s.handler.Stats.Connections.Add(1) // start does not count it
				for s.handler.Stats.Connections.Load() > 0 {
					time.Sleep(time.Millisecond)
				}
				if d := time.Since(start); d > most+2*time.Millisecond {
					t.Errorf("cut after %s, want %s", d, most)
				}
			})
		})
	}
}

// What a client has answered for needs no more patience: when it stops later, it is
// cut after the timeout.
func TestAnsweredNeedsNoGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{JoinTimeout: -1})
		c, server := s.connect(func(c net.Conn) net.Conn { return c })
		_ = server.client.Reply(wire.PongText(strings.Repeat("x", 60_000)))
		synctest.Wait()
		var at time.Time
		for pings := 0; ; {
			first, payload, err := c.frame()
			if err != nil {
				break
			}
			if at = time.Now(); first == 0x89 && pings == 0 {
				pings++
				c.write(masked(0x8A, payload))
			}
		}
		if d := time.Since(at); d < 10*time.Second || d > 10*time.Second+slowLine(100) {
			t.Errorf("cut %s after the ping that it did not answer", d)
		}
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

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

// Each look at a wait: what goes on, and for how long.
func TestWait(t *testing.T) {
	const window, grace = 10 * time.Second, 7 * time.Second
	start := time.Unix(1e9, 0)
	for _, c := range []struct {
		name  string
		begin traffic
		looks []traffic
		late  time.Duration   // of the first look
		want  []time.Duration // from each look to the next; 0: the end
	}{
		{"silence", traffic{}, []traffic{{}}, 0, []time.Duration{0}},
		{"a byte", traffic{read: 5}, []traffic{{read: 6}, {read: 6}}, 0, []time.Duration{window, 0}},
		{"what it sent waits here", traffic{}, []traffic{{reading: true}, {}}, 0, []time.Duration{window, 0}},
		{"the process stood still", traffic{}, []traffic{{}, {}}, stalled + 1, []time.Duration{window, 0}},
		{"the process was a little late", traffic{}, []traffic{{}}, stalled, []time.Duration{0}},
		{
			"a backlog that goes on", traffic{arrived: 100, ahead: 50},
			[]traffic{{arrived: 101, ahead: 49}, {arrived: 149, ahead: 1}, {arrived: 150}, {arrived: 150}}, 0,
			[]time.Duration{window, window, window + grace, 0},
		},
		{"a backlog that stands", traffic{arrived: 100, ahead: 50}, []traffic{{arrived: 100, ahead: 60}}, 0, []time.Duration{0}},
		{
			"a backlog that stands later", traffic{arrived: 100, ahead: 50},
			[]traffic{{arrived: 101, ahead: 49}, {arrived: 101, ahead: 49}}, 0,
			[]time.Duration{window, 0},
		},
		{
			"more behind the ping does not help", traffic{arrived: 100, ahead: 50},
			[]traffic{{arrived: 151, ahead: 500}, {arrived: 300, ahead: 500}}, 0,
			[]time.Duration{window + grace, 0},
		},
		{
			"all has gone before the ping is reached", traffic{arrived: 100, ahead: 50},
			[]traffic{{arrived: 120}, {arrived: 120}}, 0,
			[]time.Duration{window + grace, 0},
		},
		{
			"all before the ping has arrived, just so", traffic{arrived: 100, ahead: 50},
			[]traffic{{arrived: 150, ahead: 10}, {arrived: 160, ahead: 10}}, 0,
			[]time.Duration{window + grace, 0},
		},
		{
			"what comes after that does not help", traffic{arrived: 100, ahead: 50},
			[]traffic{{arrived: 120}, {arrived: 121, ahead: 5}}, 0,
			[]time.Duration{window + grace, 0},
		},
		{"the ping has arrived", traffic{arrived: 100}, []traffic{{arrived: 110}, {arrived: 110}}, 0, []time.Duration{grace, 0}},
		{"the ping has not arrived", traffic{arrived: 100}, []traffic{{arrived: 100, ahead: 10}}, 0, []time.Duration{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w wait
			w.begin(start, window, c.begin)
			w.grace = grace
			if w.by != start.Add(window) {
				t.Fatalf("the first look is at %s", w.by.Sub(start))
			}
			now := w.by.Add(c.late)
			for i, look := range c.looks {
				want := c.want[i]
				if on := w.goesOn(now, look); on != (want > 0) {
					t.Fatalf("look %d: goes on %v", i, on)
				}
				if got := w.by.Sub(now); want > 0 && got != want {
					t.Errorf("look %d: the next after %s, want %s", i, got, want)
				}
				now = w.by
			}
		})
	}
}

// A pause is taken out of a wait, as far as the wait lay in it.
func TestWaitPaused(t *testing.T) {
	start := time.Unix(1e9, 0)
	var w wait
	w.shift(start, start.Add(time.Hour))
	if !w.by.IsZero() {
		t.Error("a pause begins a wait")
	}
	const window, pause = 10 * time.Second, time.Minute
	for name, c := range map[string]struct{ begun, ends time.Duration }{
		"begun before the pause": {-4 * time.Second, window - 4*time.Second + pause},
		"begun in it":            {4 * time.Second, window + pause},
	} {
		w.begin(start.Add(c.begun), window, traffic{})
		w.shift(start, start.Add(pause))
		if got := w.by.Sub(start); got != c.ends {
			t.Errorf("%s: ends %s after its beginning, want %s", name, got, c.ends)
		}
	}
}

// A pause after a look is taken out of what comes after the look.
func TestWaitPausedLater(t *testing.T) {
	start := time.Unix(1e9, 0)
	var w wait
	w.begin(start, 10*time.Second, traffic{})
	looked := start.Add(10 * time.Second)
	if !w.goesOn(looked, traffic{read: 1}) {
		t.Fatal("it does not go on")
	}
	w.shift(start, looked.Add(5*time.Second)) // a pause that the look lay in
	if got := w.by.Sub(looked); got != 15*time.Second {
		t.Errorf("ends %s after the look", got)
	}
}

// The slowest line takes 22 s for the longest message.
func TestSlowestLine(t *testing.T) {
	for bytes, want := range map[uint64]time.Duration{
		0: 0, 3000: time.Second, 64 << 10: 65536 * time.Second / 3000, 1 << 40: 65536 * time.Second / 3000,
	} {
		if got := slowLine(bytes); got != want {
			t.Errorf("%d bytes: %s, want %s", bytes, got, want)
		}
	}
}

// transportOfSocket asks for what has arrived over a socket of this machine, of 1000
// bytes that are read there.
func transportOfSocket(t *testing.T) (arrived, under uint64, ok bool) {
	t.Helper()
	far, near := socketPair(t, nil)
	defer near.Close()
	before, _, _ := transport(near)
	if _, err := near.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(far, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // until the acknowledgement has come
		arrived, under, ok = transport(tls.Client(near, &tls.Config{MinVersion: tls.VersionTLS13}))
		if !ok || under == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return arrived - before, under, ok
}

// TCP tells what has arrived, also below TLS; other connections tell nothing.
func TestTransport(t *testing.T) {
	arrived, under, ok := transportOfSocket(t)
	if want := runtime.GOOS == "linux"; ok != want {
		t.Fatalf("told: %v, want %v", ok, want)
	}
	if ok && (arrived != 1000 || under != 0) {
		t.Errorf("%d bytes have arrived, %d are under way", arrived, under)
	}
	pipe, far := net.Pipe()
	defer far.Close()
	if _, _, ok := transport(pipe); ok {
		t.Error("a pipe tells what has arrived")
	}
}

// What the client has sent counts as a sign of life also when its turn comes: each time
// that the read loop goes on after it has held the client back.
func TestTurnsAreSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{})
		client, c := s.connect(func(c net.Conn) net.Conn { return c })
		client.write(masked(0x8A, "12345678"))
		synctest.Wait()
		last := c.traffic()
		if last.read != 14 || last.reading {
			t.Errorf("after 14 bytes: %+v", last)
		}
		for range 3 {
			go c.lull.wait(time.Second)
			synctest.Wait()
			if !c.traffic().reading {
				t.Error("the client's bytes do not wait for their turn")
			}
			time.Sleep(2 * time.Second)
			if now := c.traffic(); now.read <= last.read || now.reading {
				t.Errorf("after a turn %+v, before it %+v", now, last)
			}
			last = c.traffic()
		}
		_ = client.conn.Close()
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// All that was queued for a client that does not read is ahead or has arrived, wherever
// it is at the moment: in the queue, or with TCP.
func TestNothingOfTheTrafficIsLost(t *testing.T) {
	s := newServer(t, nil)
	client, theirs := socketPair(t, nil)
	if _, _, ok := transport(theirs); !ok {
		t.Skip("this system does not say what has arrived")
	}
	if _, reason := s.handler.admit(netip.Addr{}); reason != "" {
		t.Fatal(reason)
	}
	c := s.handler.start(theirs, nil, netip.Addr{})
	begun := c.traffic()
	if _, err := client.Write([]byte(masked(0x81, `{"type":"join","room":"r","from":"a"}`))); err != nil {
		t.Fatal(err)
	}
	for s.hub.Stats().Members.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for c.client.Unwritten() < 200_000 { // until TCP takes no more
		if err := s.hub.Announce(t.Context(), "r", json.RawMessage(`"`+strings.Repeat("x", 60_000)+`"`)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		now, queued := c.traffic(), c.bytesOut.Load()+uint64(c.client.Unwritten())
		if now.arrived+now.ahead-begun.arrived-begun.ahead == queued && now.ahead > uint64(c.client.Unwritten()) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d bytes %d have arrived and %d are ahead", queued, now.arrived-begun.arrived, now.ahead)
		}
	}
}
