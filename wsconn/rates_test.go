package wsconn

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/wire"
)

// limited returns rates at time 0 of their own.
func limited(t testing.TB, o Options) (*rates, time.Time) {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	r, now := new(rates), time.Unix(1e9, 0)
	r.init(&o, now)
	return r, now
}

// permits counts how many messages are permitted at time now, and returns why the
// next is not.
func permits(r *rates, now time.Time, bytes int, typ wire.Type) (n int, refusal *wire.Refusal) {
	for n < 10_000 {
		if refusal = r.permit(now, bytes, typ); refusal != nil {
			break
		}
		n++
	}
	return n, refusal
}

// A client may send Burst at once and Rate a second, of messages, bytes and changes,
// and is told which limit it has met.
func TestPermit(t *testing.T) {
	for _, c := range []struct {
		name          string
		o             Options
		bytes         int
		typ           wire.Type
		burst, second int
		refusal       *wire.Refusal
	}{
		{"messages", Options{Rate: 10, Burst: 20}, 1, wire.TypeOffer, 20, 10, errRateLimited},
		{"bytes", Options{MaxMessageBytes: 100, RateBytes: 1000, BurstBytes: 5000}, 100, wire.TypeMessage, 50, 10, errBytesLimited},
		{"joins", Options{RateChanges: 2, BurstChanges: 7}, 1, wire.TypeJoin, 7, 2, errChangeLimited},
		{"leaves", Options{RateChanges: 2, BurstChanges: 7}, 1, wire.TypeLeave, 7, 2, errChangeLimited},
		{"renames", Options{RateChanges: 2, BurstChanges: 7}, 1, wire.TypeRename, 7, 2, errChangeLimited},
		{"updates", Options{RateChanges: 2, BurstChanges: 7}, 1, wire.TypeUpdate, 7, 2, errChangeLimited},
		{"no changes", Options{Rate: 10, Burst: 20, RateChanges: 2, BurstChanges: 7}, 1, wire.TypePing, 20, 10, errRateLimited},
		{"no limit of messages", Options{Rate: -1, RateBytes: -1}, 1, wire.TypeOffer, 10_000, 10_000, nil},
		{"no limit of changes", Options{RateChanges: -1, Rate: 10, Burst: 20}, 1, wire.TypeJoin, 20, 10, errRateLimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, now := limited(t, c.o)
			if n, refusal := permits(r, now, c.bytes, c.typ); n != c.burst || refusal != c.refusal {
				t.Errorf("%d at once, then %v; want %d, %v", n, refusal, c.burst, c.refusal)
			}
			now = now.Add(time.Second)
			if n, _ := permits(r, now, c.bytes, c.typ); n != c.second {
				t.Errorf("%d after a second, want %d", n, c.second)
			}
			// A clock that is behind brings no second share.
			if n, _ := permits(r, now.Add(-time.Second), c.bytes, c.typ); n != 0 && c.refusal != nil {
				t.Errorf("%d at an earlier time", n)
			}
			if n, _ := permits(r, now, c.bytes, c.typ); n != 0 && c.refusal != nil {
				t.Errorf("%d after an earlier time", n)
			}
		})
	}
}

// Every limit has a sentence of its own, with the same code.
func TestLimitSentences(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range []*wire.Refusal{errRateLimited, errBytesLimited, errChangeLimited} {
		if r.Code != wire.CodeRateLimited || seen[r.Text] {
			t.Errorf("%v %q", r.Code, r.Text)
		}
		seen[r.Text] = true
	}
}

// Refusals have the limits of messages and bytes: the client waits for those beyond.
func TestRefusalsArePaced(t *testing.T) {
	o := Options{MaxMessageBytes: 1000, Rate: 10, Burst: 20, RateBytes: 5000, BurstBytes: 40_000}
	r, _ := limited(t, o)
	for i := range 20 {
		if wait, tooLong := r.refuse(100); wait != 0 || tooLong {
			t.Fatalf("refusal %d waits %s", i, wait)
		}
	}
	for i := range 3 {
		if wait, _ := r.refuse(100); wait != time.Duration(i+1)*100*time.Millisecond {
			t.Errorf("refusal %d over the limit waits %s", i, wait)
		}
	}
	r, _ = limited(t, o)
	for range 15 {
		r.refuse(1000)
	}
	r, _ = limited(t, Options{MaxMessageBytes: 1000, Rate: -1, RateBytes: 5000, BurstBytes: 40_000})
	for i := range 40 {
		if wait, _ := r.refuse(1000); wait != 0 {
			t.Fatalf("refusal %d waits %s", i, wait)
		}
	}
	if wait, _ := r.refuse(1000); wait != 200*time.Millisecond {
		t.Errorf("1000 bytes more wait %s", wait)
	}
	r, _ = limited(t, Options{Rate: -1, RateBytes: -1})
	for range 10_000 {
		if wait, _ := r.refuse(1000); wait != 0 {
			t.Fatalf("without limits a refusal waits %s", wait)
		}
	}
}

// Refusals that go on for ten seconds are too many; a second without one ends the
// count.
func TestRefusalsGoOn(t *testing.T) {
	for _, c := range []struct {
		name  string
		pause time.Duration // between refusals
		want  time.Duration // after which it is too long; 0: never
	}{
		{"dense", 500 * time.Millisecond, 10 * time.Second},
		{"a second apart", time.Second, 10 * time.Second},
		{"more than a second apart", time.Second + 1, 0},
	} {
		r, start := limited(t, Options{})
		got := time.Duration(0)
		for d := time.Duration(0); d < time.Minute && got == 0; d += c.pause {
			r.at(start.Add(d))
			if _, tooLong := r.refuse(1); tooLong {
				got = d
			}
		}
		if got != c.want {
			t.Errorf("%s: too long after %s, want %s", c.name, got, c.want)
		}
	}
}

// Frames that are no message wait once there are four for each message that may be
// sent.
func TestFramesArePaced(t *testing.T) {
	r, now := limited(t, Options{Rate: 10, Burst: 20})
	for i := range 80 {
		if wait := r.frame(now); wait != 0 {
			t.Fatalf("frame %d waits %s", i, wait)
		}
	}
	if wait := r.frame(now); wait != 25*time.Millisecond {
		t.Errorf("frame 81 waits %s", wait)
	}
	r, now = limited(t, Options{Rate: -1})
	for range 10_000 {
		if wait := r.frame(now); wait != 0 {
			t.Fatalf("without a limit a frame waits %s", wait)
		}
	}
}

// paced are options whose clocks don't disturb a test of limits.
func paced(o Options) Options {
	o.MaxMessageBytes, o.PingInterval, o.JoinTimeout = 1000, -1, -1
	return o
}

// A flood is not read faster than twice the limit, and each of its messages is
// answered in order.
func TestFloodIsHeldBack(t *testing.T) {
	inTime(t, paced(Options{Rate: 10, Burst: 20}), func(t *testing.T, c *raw) {
		start := time.Now()
		go func() {
			for i := 0; ; i++ {
				if _, err := c.conn.Write([]byte(masked(0x81, fmt.Sprintf(`{"type":"ping","ref":"%d"}`, i)))); err != nil {
					return
				}
			}
		}()
		for i := 0; time.Since(start) < 5*time.Second; i++ {
			_, text, err := c.frame()
			if err != nil || !strings.Contains(text, fmt.Sprintf(`"ref":"%d"`, i)) {
				t.Fatalf("answer %d: %s %v", i, text, err)
			}
			if most := 2*20 + int(2*10*time.Since(start)/time.Second) + 2; i > most {
				t.Fatalf("%d messages were read in %s", i, time.Since(start))
			}
		}
	})
}

// Four times what a client may send at once is answered, if not all granted, and
// the connection goes on.
func TestHonestBurst(t *testing.T) {
	inTime(t, paced(Options{}), func(t *testing.T, c *raw) {
		const n = 4 * 1000
		go func() {
			for range n {
				if _, err := c.conn.Write([]byte(masked(0x81, ping))); err != nil {
					return
				}
			}
		}()
		for i := range n {
			if first, text, err := c.frame(); err != nil || first != 0x81 {
				t.Fatalf("answer %d: %#x %s %v", i, first, text, err)
			}
		}
	})
}

// No frame is free: pings, pongs nobody asked for and empty fragments are read as fast
// as the limit allows.
func TestControlFlood(t *testing.T) {
	for name, frame := range map[string]string{
		"pings": masked(0x89, "x"), "pongs": masked(0x8A, "x"), "empty fragments": masked(0x00, ""),
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, paced(Options{Rate: 10, Burst: 20}), func(t *testing.T, c *raw) {
				go func() {
					for { // what comes of it
						if _, _, err := c.frame(); err != nil {
							return
						}
					}
				}()
				if frame[0] == 0 {
					c.write(masked(0x01, ""))
				}
				start := time.Now()
				n := 0
				for ; time.Since(start) < 5*time.Second; n++ {
					c.write(frame)
				}
				if most := 4*(20+5*10) + 2; n > most {
					t.Errorf("%d frames were read in 5 s, want %d", n, most)
				}
			})
		})
	}
}

// A client that is held back for long is closed at once when the server closes it:
// it is read again, and its end is seen.
func TestCloseWhileHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, paced(Options{RateBytes: 1}))
		c := s.dial()
		text := masked(0x81, `{"type":"ping","ref":"x"}`+strings.Repeat(" ", 900))
		c.write(text)
		c.want(0x81, `{"type":"pong","ref":"x"}`)
		c.write(text)
		if _, answer, err := c.frame(); err != nil || !strings.Contains(answer, errBytesLimited.Text) {
			t.Fatalf("%s %v", answer, err)
		}
		c.write(text) // is refused in a quarter of an hour
		synctest.Wait()
		start := time.Now()
		drained := make(chan error)
		go func() { drained <- s.handler.Shutdown(context.Background()) }()
		if first, _, err := c.frame(); err != nil || first != 0x88 {
			t.Fatalf("got %#x %v, want a close frame", first, err)
		}
		c.write(masked(0x88, "\x03\xe9"))
		_ = c.conn.Close()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		elapsed(t, start, 0)
	})
}

// A client that is held back for longer than a ping may go unanswered is not cut: its
// answers lie unread.
func TestHeldBackIsAlive(t *testing.T) {
	o := paced(Options{RateBytes: 1, PingTimeout: 10 * time.Second})
	o.PingInterval = 20 * time.Second
	inTime(t, o, func(t *testing.T, c *raw) {
		texts := obedient(c)
		text := masked(0x81, `{"type":"ping"}`+strings.Repeat(" ", 900))
		c.write(text)
		if got := <-texts; got != pong {
			t.Errorf("got %q", got)
		}
		for range 2 { // the second waits for a quarter of an hour
			c.write(text)
			if got := <-texts; !strings.Contains(got, errBytesLimited.Text) {
				t.Errorf("got %q", got)
			}
		}
	})
}

// The wait ends when the connection does, and none begins after that.
func TestLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lull
		start := time.Now()
		if !l.wait(time.Minute) {
			t.Error("a wait was ended by nobody")
		}
		elapsed(t, start, time.Minute)
		done := make(chan bool)
		go func() { done <- l.wait(time.Hour) }()
		time.Sleep(time.Minute)
		l.end()
		if <-done {
			t.Error("the wait was not ended")
		}
		elapsed(t, start, 2*time.Minute)
		l.end()
		if l.wait(time.Hour) {
			t.Error("a wait began after the end")
		}
		elapsed(t, start, 2*time.Minute)
	})
}

// BenchmarkPermit is what the limits cost each message.
func BenchmarkPermit(b *testing.B) {
	r, now := limited(b, Options{Rate: 1e9, RateBytes: 1e12})
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if r.permit(now, 300, wire.TypeOffer) != nil {
			b.Fatal("refused")
		}
	}
}
