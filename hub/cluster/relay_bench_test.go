package cluster

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/wire"
)

// relayed is less than the size of a message that is passed on, and more than that of any other.
const relayed = 200

// sink is a connection that takes all there is at once, and counts the messages that are passed on.
type sink struct {
	out    actor.Outbox
	client *actor.Client
	took   chan struct{}
	frames []*frame.Frame
}

func (s *sink) Wake()                   { go s.write() }
func (s *sink) Closing()                {}
func (s *sink) Probe()                  {}
func (s *sink) Challenge(time.Duration) {}
func (s *sink) Abort()                  {}

func (s *sink) write() {
	for more := true; more; {
		frames, skip := s.out.Take(s.frames[:0], 1<<20)
		bytes := -skip
		for _, f := range frames {
			bytes += f.Size()
			if f.Size() > relayed {
				<-s.took
			}
		}
		more, _ = s.out.Wrote(bytes, time.Now())
	}
}

// BenchmarkRelay passes messages of 300 bytes from a member whose room another node owns to one of the
// owner's connections, and back, with as many under way as a packet may have.
func BenchmarkRelay(b *testing.B) {
	m := newMemory()
	nodes := map[string]*Node{}
	for _, name := range []string{"a", "b"} {
		n, err := New(Options{Name: name, Backplane: m.join(name), QueueBytes: 64 << 20, Hub: hub.Options{ResumeWindow: window}})
		if err != nil {
			b.Fatal(err)
		}
		defer n.Close()
		nodes[name] = n
	}
	for _, n := range nodes {
		for !n.Ready() {
			time.Sleep(5 * time.Millisecond)
		}
	}
	room := ""
	for i := 0; room == ""; i++ {
		is := make(chan bool, 1)
		name := fmt.Sprint("room", i)
		nodes["a"].post(func() {
			is <- len(nodes["a"].control.nodes) == 2 && nodes["a"].control.desired(PartitionOf(name)) == "a" &&
				nodes["a"].control.owner.parts[PartitionOf(name)].state == partReady
		})
		if <-is {
			room = name
		} else if i%1000 == 999 {
			time.Sleep(100 * time.Millisecond)
		}
	}
	for _, way := range []struct{ title, from, to string }{{"to the owner", "b", "a"}, {"from the owner", "a", "b"}} {
		b.Run(way.title, func(b *testing.B) { relay(b, room, nodes[way.from], nodes[way.to]) })
	}
}

func relay(b *testing.B, room string, from, to *Node) {
	took := make(chan struct{}, 500)
	member := func(n *Node, id string) *sink {
		s := &sink{took: took}
		s.out.Init(s, &counters, 16<<20)
		s.client = actor.NewClient(1, netip.Addr{}, &s.out)
		_ = n.Do(actor.Register{Client: s.client})
		done := make(chan bool, 1)
		j := &actor.Join{Client: s.client, Room: room, ID: id, Quiet: true, Done: done, Asked: actor.Asked{At: time.Now()}}
		j.Welcome = frame.Text((&wire.Joined{Room: room, From: id}).Text())
		if _ = n.Do(j); !<-done {
			b.Fatal(id, " is not in")
		}
		return s
	}
	ann, bob := member(from, "ann"), member(to, "bob")
	text := []byte(fmt.Sprintf(`{"type":"message","to":"bob","data":"%0250d"}`, 7))
	suffixes := wire.NewSuffixes(room, "ann")
	b.ReportAllocs()
	for b.Loop() {
		var e wire.Envelope
		if r := e.Parse(text); r != nil {
			b.Fatal(r)
		}
		took <- struct{}{}
		_ = from.Do(actor.NewForward(ann.client, &e, frame.Forward(&e, &suffixes)))
	}
	for len(took) > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	for s, n := range map[*sink]*Node{ann: from, bob: to} {
		_ = n.Do(actor.Unregister{Client: s.client})
	}
}
