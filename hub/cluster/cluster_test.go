package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/actor"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
	"github.com/parley-rtc/parley/hub/wire"
)

func TestMain(m *testing.M) {
	broken = func(invariant string) { panic(invariant) }
	spoiled = spoil
	goleak.VerifyTestMain(m)
}

const (
	patience = 20 * time.Second
	window   = 10 * time.Second
)

// start makes a node of the cluster that a backplane joins.
func start(t *testing.T, m *memory, name string) *Node {
	t.Helper()
	n, err := New(Options{
		Name: name, Backplane: m.join(name), QueueBytes: 1 << 20,
		Hub: hub.Options{ResumeWindow: window, KickBan: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// await waits for something to be so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

// cluster starts nodes, waits until all are ready, and ends them after the test.
func cluster(t *testing.T, m *memory, names ...string) map[string]*Node {
	t.Helper()
	nodes := map[string]*Node{}
	for _, name := range names {
		nodes[name] = start(t, m, name)
	}
	t.Cleanup(func() {
		for _, n := range nodes {
			n.Close()
		}
	})
	for name, n := range nodes {
		await(t, name+" is ready", n.Ready)
	}
	for name, n := range nodes {
		await(t, "rooms are spread", func() bool {
			spread := make(chan bool, 1)
			n.post(func() {
				is := len(n.control.nodes) == len(names)
				for p := range n.control.owner.parts {
					is = is && (n.control.desired(p) == name) == (n.control.owner.parts[p].state == partReady)
				}
				spread <- is
			})
			return <-spread
		})
	}
	return nodes
}

// message is what a client reads.
type message struct {
	Type, Room, From, Code, Ref, Session string
	Members, Joined, Left                []string
	Locked                               bool
	Missed, Count, Alike                 int
	Data                                 json.RawMessage
}

// client is a connection of a node whose outbox is read at once.
type client struct {
	t      *testing.T
	n      *Node
	client *actor.Client
	out    actor.Outbox
	room   string
	id     string

	changes bool   // it asks to be told of changes
	quiet   bool   // likewise, of nothing
	key     string // see actor.Join

	late sync.Mutex // held: it does not read

	mu     sync.Mutex
	come   *sync.Cond
	all    []message
	read   int
	closed wire.CloseCode
}

var counters stats.Hub

func connect(t *testing.T, n *Node) *client {
	c := &client{t: t, n: n}
	c.come = sync.NewCond(&c.mu)
	c.out.Init(c, &counters, 1<<20)
	c.client = actor.NewClient(1, netip.Addr{}, &c.out)
	_ = n.Do(actor.Register{Client: c.client})
	return c
}

// Wake implements actor.Writer.
func (c *client) Wake() { go c.write() }

// Closing implements actor.Writer.
func (c *client) Closing() {}

// Probe implements actor.Writer.
func (c *client) Probe() {}

// Challenge implements actor.Writer.
func (c *client) Challenge(time.Duration) {}

// Abort implements actor.Writer.
func (c *client) Abort() {}

func (c *client) write() {
	for {
		frames, skip := c.out.Take(nil, 1)
		if len(frames) == 0 {
			return
		}
		c.late.Lock()
		c.record(frames[0])
		c.late.Unlock()
		if more, _ := c.out.Wrote(frames[0].Size()-skip, time.Now()); !more {
			return
		}
	}
}

func (c *client) record(f *frame.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.come.Broadcast()
	if f.Bytes()[0] == 0x88 {
		c.closed = wire.CloseCode(f.Payload()[0])<<8 | wire.CloseCode(f.Payload()[1])
		return
	}
	var m message
	if err := json.Unmarshal(f.Payload(), &m); err != nil {
		c.t.Errorf("%s: %v", f.Payload(), err)
	}
	c.all = append(c.all, m)
}

// until reads on to a message of which is holds.
func (c *client) until(what string, is func(m message) bool) (found message) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	timer := time.AfterFunc(patience, c.come.Broadcast)
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.read == len(c.all) {
			if !time.Now().Before(deadline) {
				c.t.Fatalf("%s: no %s; had %+v", c.id, what, c.all)
			}
			c.come.Wait()
		}
		c.read++
		if m := c.all[c.read-1]; is(m) {
			return m
		}
	}
}

func (c *client) sees(members ...string) {
	c.t.Helper()
	c.until(fmt.Sprint("members ", members), func(m message) bool {
		return m.Type == "room_members" && slices.Equal(m.Members, members)
	})
}

func (c *client) join(room, id string, g *actor.Grant, resumable bool) bool {
	in, _ := actor.Await(c.t.Context(), c.n, c.joins(room, id, g, resumable))
	if in {
		c.room, c.id = room, id
	}
	return in
}

// joins begins to join, and returns what tells the outcome.
func (c *client) joins(room, id string, g *actor.Grant, resumable bool) <-chan bool {
	j := &actor.Join{Client: c.client, Room: room, ID: id, Grant: g, Changes: c.changes, Quiet: c.quiet, Key: c.key, Refused: frame.Refused{Re: "join"}}
	j.Asked.At = time.Now()
	if resumable {
		j.Session = c.n.NewSession(room)
	}
	j.Welcome = frame.Text((&wire.Joined{Room: room, From: id, Session: j.Session}).Text())
	done := make(chan bool, 1)
	j.Done = done
	_ = c.n.Do(j)
	return done
}

func (c *client) send(to string, data string) {
	text := fmt.Sprintf(`{"type":"message","to":%q,"data":%s}`, to, data)
	if to == "" {
		text = fmt.Sprintf(`{"type":"message","data":%s}`, data)
	}
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		c.t.Error(r)
		return
	}
	s := wire.NewSuffixes(c.room, c.id)
	_ = c.n.Do(actor.NewForward(c.client, &e, frame.Forward(&e, &s)))
}

func (c *client) end() { _ = c.n.Do(actor.Unregister{Client: c.client, Reason: event.ReasonLost}) }

func TestRoomAcrossNodes(t *testing.T) {
	m := newMemory()
	nodes := cluster(t, m, "a", "b", "c")
	for i := range 20 {
		room := fmt.Sprint("room", i)
		ann, bob := connect(t, nodes["a"]), connect(t, nodes["b"])
		if !ann.join(room, "ann", nil, false) || !bob.join(room, "bob", nil, false) {
			t.Fatal("not let in")
		}
		ann.sees("ann", "bob")
		bob.sees("ann", "bob")
		ann.send("bob", "1")
		bob.until("message", func(m message) bool { return m.Type == "message" && m.From == "ann" && string(m.Data) == "1" })
		bob.send("", "2")
		ann.until("message", func(m message) bool { return m.Type == "message" && m.From == "bob" })
		double := connect(t, nodes["c"])
		if double.join(room, "ann", nil, false) {
			t.Error("an id was taken twice")
		}
		double.until("duplicate_id", func(m message) bool { return m.Code == "duplicate_id" })
		bob.end()
		ann.sees("ann")
		ann.send("bob", "3")
		ann.until("error", func(m message) bool { return m.Code == "target_not_found" })
		ann.end()
		double.end()
	}
}
