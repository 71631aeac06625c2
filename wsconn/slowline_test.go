package wsconn

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

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

// A client that has answered needs no more patience: when it stops later, it is
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
