package actor

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
)

// A connected member that has not been written in time what waited when a sender was
// refused for it is closed, however little it reads; one that has is not, and neither
// is one without a connection.
func TestTricklingReader(t *testing.T) {
	for name, c := range map[string]struct {
		reads  func(l *loop, client *Client, box *Outbox)
		closed bool
	}{
		"reads nothing":        {func(*loop, *Client, *Outbox) {}, true},
		"reads one message":    {func(_ *loop, _ *Client, box *Outbox) { readOne(box) }, true},
		"reads all":            {func(_ *loop, _ *Client, box *Outbox) { read(box) }, false},
		"loses its connection": {func(l *loop, client *Client, _ *Outbox) { l.apply(Unregister{client, event.ReasonLost}) }, false},
	} {
		l := still(Options{ResumeWindow: time.Minute})
		a, _ := l.connect(1 << 20)
		l.join(a, "r", "a", "")
		slow, box := l.connect(8 << 10)
		session := NewSession(0)
		l.join(slow, "r", "slow", session)
		l.finish()
		for range 100 {
			l.apply(forwardIn(a, "r", "a", `{"type":"message","data":1}`))
		}
		m := slow.member
		if !m.watched {
			t.Fatal("nobody looks at a queue for which a sender is refused")
		}
		w := watch{m, box, box.Mark()}
		c.reads(l, slow, box)
		l.apply(w)
		l.finish()
		if closed := m.room == nil; closed != c.closed {
			t.Errorf("%s: closed %v", name, closed)
		}
	}
}

func readOne(o *Outbox) {
	frames, skip := o.Take(nil, 1)
	o.Wrote(frames[0].Size()-skip, time.Now())
}

// A receiver that reads is not closed by the largest burst that one sender may send
// with the default limits, to it alone or to the room.
func TestReaderSurvivesABurst(t *testing.T) {
	for _, text := range []string{`{"type":"message","to":"a","data":%q}`, `{"type":"message","data":%q}`} {
		l := still(Options{FanOut: 8 << 20, FanOutBurst: 32 << 20})
		a, box := l.connect(1 << 20)
		l.join(a, "r", "a", "")
		b, _ := l.connect(1 << 30)
		l.join(b, "r", "b", "")
		l.finish()
		read(box)
		message := fmt.Sprintf(text, strings.Repeat("x", 60_000))
		for sent := 0; sent < 4<<20; sent += len(message) {
			l.apply(forwardIn(b, "r", "b", message))
		}
		l.finish()
		if a.member != nil && a.member.watched { // the look comes after it has read
			w := watch{a.member, box, box.Mark()}
			read(box)
			l.apply(w)
		}
		if a.closed {
			t.Errorf("closed with %d", box.CloseCode())
		}
	}
}

// paced is a writer that writes so many bytes a second.
type paced struct {
	out  Outbox
	rate float64
	wg   sync.WaitGroup
}

func (p *paced) Wake() {
	p.wg.Go(func() {
		for {
			frames, skip := p.out.Take(nil, 1)
			if len(frames) == 0 {
				return
			}
			for left := frames[0].Size() - skip; left > 0; {
				n := min(left, 16<<10)
				time.Sleep(time.Duration(float64(n) / p.rate * 1e9))
				left -= n
				if more, _ := p.out.Wrote(n, time.Now()); !more {
					return
				}
			}
		}
	})
}

func (p *paced) Closing() {}

func (p *paced) Probe() {}

func (p *paced) Challenge(time.Duration) {}

func (p *paced) Abort() {}

// A receiver that takes 400 KB a second, more than the 350 of stall.go, is closed after
// one burst of one sender and a word.
func TestReaderAt400KB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{FanOut: 8 << 20, FanOutBurst: 32 << 20})
		defer h.Close()
		p := &paced{rate: 400e3}
		p.out.Init(p, h.Stats, 1<<20)
		c := NewClient(1, noAddr, &p.out)
		welcome := func() *frame.Frame { return frame.Text([]byte(`{"type":"joined"}`)) }
		_ = h.Do(Register{c})
		_ = h.Do(&Join{Client: c, Room: "r", ID: "a", Welcome: welcome(), Done: make(chan bool, 1)})
		b := newPeer(t, h, 1<<20)
		b.join("r", "b")
		synctest.Wait()
		big := fmt.Sprintf("%q", strings.Repeat("x", 60_000))
		for sent := 0; sent < 4<<20; sent += len(big) {
			b.send("", big)
		}
		time.Sleep(3100 * time.Millisecond)
		b.send("", "1")
		time.Sleep(20 * time.Second)
		if code := p.out.CloseCode(); code != 0 {
			t.Errorf("closed with %d", code)
		}
		_ = h.Do(Unregister{c, event.ReasonLost})
		synctest.Wait()
		p.out.Discard()
		time.Sleep(time.Minute)
		p.wg.Wait()
	})
}

// The same for a receiver that is connected: eight connections of one client after each
// other, in one moment in which the receiver is not read.
func TestOneClientReconnectingClosesAReader(t *testing.T) {
	l := still(Options{})
	a, box := l.connect(1 << 20)
	l.join(a, "r", "a", "")
	l.finish()
	read(box)
	message := fmt.Sprintf(`{"type":"message","to":"a","data":%q}`, strings.Repeat("x", 50_000))
	for range 8 {
		eve, ebox := l.connect(1 << 20)
		l.join(eve, "r", "eve", "")
		for range 5 {
			l.apply(forwardIn(eve, "r", "eve", message))
		}
		l.finish()
		read(ebox)
		l.apply(Unregister{eve, event.ReasonLost})
		l.finish()
	}
	if a.closed {
		t.Errorf("closed with %d", box.CloseCode())
	}
}
