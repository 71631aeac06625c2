package wsconn

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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

// A client's bytes count as a sign of life also when their turn comes: each time
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
