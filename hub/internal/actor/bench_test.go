package actor

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

// drop is a receiver that forgets what it gets.
type drop struct{}

func (drop) Send(f *frame.Frame, _ uint64) bool        { f.Release(); return true }
func (drop) SendList(List) bool                        { return true }
func (drop) Overdrawn() bool                           { return false }
func (drop) Verdict(uint64, int, bool) Verdict         { return Open }
func (drop) Mark() uint64                              { return 0 }
func (drop) Behind(uint64) bool                        { return false }
func (drop) Reset(bool, Turn)                          {}
func (drop) Suspend()                                  {}
func (drop) Discard()                                  {}
func (drop) Missed(uint64) ([]*frame.Frame, bool)      { return nil, false }
func (drop) Acked() uint64                             { return 0 }
func (drop) Sent() uint64                              { return 0 }
func (drop) Seen() map[uint64]uint64                   { return nil }
func (drop) Adopt(*Membership, uint64, []*frame.Frame) {}
func (drop) Backlog() int                              { return 0 }
func (drop) Challenge(time.Duration)                   {}
func (drop) Flush()                                    {}
func (drop) FlushLater()                               {}
func (drop) Close(wire.CloseCode, string)              {}
func (drop) Abort()                                    {}

// fill makes a loop, which nobody runs, with rooms of a size.
func fill(rooms, size int) (*loop, []*Client) { return fillWith(Options{}, rooms, size) }

func fillWith(o Options, rooms, size int) (*loop, []*Client) {
	h := &Hub{Stats: new(stats.Hub), drained: make(chan struct{}), closing: make(chan struct{})}
	close(h.closing) // the timers of held rooms have nobody to call
	o.Logger = zap.NewNop()
	l := newLoop(h, o)
	l.now = time.Now()
	done := make(chan bool, 1)
	var clients []*Client
	for r := range rooms {
		for m := range size {
			c := NewClient(uint64(len(clients)), netip.Addr{}, drop{})
			clients = append(clients, c)
			id := fmt.Sprintf("m%03d", m)
			room := fmt.Sprintf("room%d", r)
			(&Join{Client: c, Room: room, ID: id, Done: done, Welcome: frame.Text(wire.PongText(""))}).apply(l)
			<-done
		}
	}
	l.finish()
	return l, clients
}

// forwardOf returns what makes the command for a message of c to a member.
func forwardOf(b *testing.B, to string) func(c *Client) *Forward {
	e := new(wire.Envelope)
	text := fmt.Appendf(nil, `{"type":"candidate","to":%q,"candidate":"candidate:842163049 1 udp 1677729535 192.0.2.17 46154 typ srflx"}`, to)
	if to == "" {
		text = []byte(`{"type":"message","data":"to all"}`)
	}
	if r := e.Parse(text); r != nil {
		b.Fatal(r)
	}
	s := wire.NewSuffixes("room", "m000")
	return func(c *Client) *Forward { return NewForward(c, e, frame.Forward(e, &s)) }
}

// BenchmarkRoute is the loop's own cost of a routed message, in batches of 16,
// with more and more rooms; with calls it is that of a hub that follows them.
func BenchmarkRoute(b *testing.B) {
	for _, calls := range []bool{false, true} {
		benchmarkRoute(b, calls)
	}
}

func benchmarkRoute(b *testing.B, calls bool) {
	for _, rooms := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("calls=%v/rooms=%d", calls, rooms), func(b *testing.B) {
			l, clients := fillWith(Options{TrackCalls: calls}, rooms, 2)
			forward := forwardOf(b, "m001")
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				forward(clients[n*2%len(clients)]).apply(l)
				if n++; n%16 == 0 {
					l.finish()
				}
			}
		})
	}
}

// BenchmarkBroadcast is one message to everybody else in a room.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []int{3, 10, 100, 500} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			l, clients := fill(1, size)
			forward := forwardOf(b, "")
			b.ReportAllocs()
			for b.Loop() {
				forward(clients[0]).apply(l)
				l.finish()
			}
		})
	}
}

// BenchmarkMembership is a change of a room and all members told of it.
func BenchmarkMembership(b *testing.B) {
	for _, size := range []int{3, 10, 100, 500} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			l, clients := fill(1, size)
			r := clients[0].member.room
			b.ReportAllocs()
			for b.Loop() {
				l.change(r, change{what: lockTurned})
				l.tellAll(r)
				l.finish()
			}
		})
	}
}

// BenchmarkCrowd is a join of a large room whose members take changes, and a leave, until all
// are told. It reports the longest batch too.
func BenchmarkCrowd(b *testing.B) {
	for _, size := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			l := still(Options{})
			var boxes []*Outbox
			for i := range size {
				c, box := l.connect(1 << 20)
				l.joinWith(c, &Join{ID: fmt.Sprintf("m%05d", i), Changes: true})
				boxes = append(boxes, box)
			}
			x, box := l.connect(1 << 20)
			boxes = append(boxes, box)
			var longest time.Duration
			batch := func(first func()) {
				begun := time.Now()
				first()
				l.finish()
				longest = max(longest, time.Since(begun))
			}
			tell := func(first func()) {
				l.now = l.now.Add(time.Minute)
				for batch(first); len(l.rounds) > 0; {
					batch(func() {})
				}
			}
			empty := func() {
				b.StopTimer()
				for _, box := range boxes {
					read(box)
				}
				b.StartTimer()
			}
			tell(func() {})
			empty()
			longest = 0
			for b.Loop() {
				tell(func() { l.join(x, "r", "x", "") })
				empty()
				tell(func() { l.apply(Leave{x}) })
				empty()
			}
			b.ReportMetric(float64(longest.Nanoseconds()), "longest-ns")
		})
	}
}

// BenchmarkOutbox is a frame's way through an outbox, with more and more that wait
// together.
func BenchmarkOutbox(b *testing.B) {
	for _, waiting := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			o, _ := newOutbox(1 << 20)
			f := pong("x")
			var frames []*frame.Frame
			now := time.Now()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				f.Retain(1)
				o.Send(f, 1)
				if n++; n%waiting > 0 {
					continue
				}
				o.Flush()
				for more := true; more; {
					var bytes int
					frames, _ = o.Take(frames[:0], 64<<10)
					for _, f := range frames {
						bytes += f.Size()
					}
					more, _ = o.Wrote(bytes, now)
				}
			}
		})
	}
}

// BenchmarkHandOver is a command's way from a connection to the loop and back.
func BenchmarkHandOver(b *testing.B) {
	h := newHub(b, Options{})
	c := make(syncCommand, 1)
	b.ReportAllocs()
	for b.Loop() {
		_ = h.Do(c)
		<-c
	}
}

// The cost of one slice of a listing for the loop, which everything else waits for.
func BenchmarkListSlice(b *testing.B) {
	l, _ := fill(10_000, 2)
	infos := make([]RoomInfo, 0, sliceSize)
	for b.Loop() {
		infos = infos[:0]
		for _, r := range l.roomList[:sliceSize] {
			infos = append(infos, r.info())
		}
	}
}
