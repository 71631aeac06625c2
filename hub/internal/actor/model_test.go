package actor

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
)

// The hub against a model: random scripts of joins, leaves, lost connections,
// resumes, floods and forwards, in batches of any size, with clients that read as
// much as they like. Whatever a client sees must fit the guarantees of the
// protocol. All runs in one goroutine, so that a failure shrinks to a short script.

// modelMember is a membership as the model has it: who is it, what must it still
// see, and what does it know.
type modelMember struct {
	room, id  string
	ref       string       // of its join
	client    *modelClient // nil: the connection was lost
	session   string
	lostTimes int
	real      *member
	moderator bool
	subject   bool // its token names its id
	name      string
	meta      string
	handled   uint64 // messages of the client since the join

	received int      // messages that have arrived since joined
	expected []string // that must arrive, in this order: message data and error codes
	told     message  // the room as the last list or changes that arrived have it
	begun    bool     // joined has arrived
	newList  bool     // a further list must arrive

	changes bool // it is told of changes
	quiet   bool // it is told nothing
	key     string
	listed  bool              // a list has arrived
	joins   map[string][]join // of others, of which it has not been told
	entered map[string][]int  // of others, the number of the last message before each join
	learned map[string]int    // how often changes have told it of a join
}

// modelClient is a connection: what was written to it arrives later, or never.
type modelClient struct {
	*Client

	box      *Outbox
	member   *modelMember
	inFlight []*frame.Frame
	arrived  int
	expected []string // answers that must arrive while it is in no room
	resuming bool     // resumed must be the next that arrives
	pinging  bool     // a ping is under way; there is never more than one
	mayStall bool     // it may be closed since it reads nothing
}

// sendersOf returns whose messages and lists wait in an outbox, its own client's
// included, and of whom there are some that count against its limit.
func sendersOf(o *Outbox) map[uint64]bool {
	senders := map[uint64]bool{}
	for _, e := range o.frames[o.head:] {
		senders[e.sender()] = senders[e.sender()] || e.counted() > 0
	}
	delete(senders, 0)
	return senders
}

func (*modelClient) Wake()                   {}
func (*modelClient) Closing()                {}
func (*modelClient) Probe()                  {}
func (*modelClient) Challenge(time.Duration) {}
func (*modelClient) Abort()                  {}

// model is the state of a run: the real loop beside what should be.
type model struct {
	t       *rapid.T
	loop    *loop
	clients []*modelClient
	members []*modelMember // of all rooms, also those without a connection
	locked  map[string]bool
	late    []Command // that other goroutines give to the loop later
	// Whose messages waited in each outbox before the present command, and who sends
	// with it.
	before     map[*Outbox]map[uint64]bool
	wasShared  map[*Outbox]int // what waited of messages to whole rooms
	wasCounted map[*Outbox]int // what waited of messages to one
	sender     uint64
	sent       int
}

const (
	largeBox = 1 << 20
	smallBox = 5000
)

func newModel(t *rapid.T) *model {
	h := &Hub{Stats: new(stats.Hub), drained: make(chan struct{}), closing: make(chan struct{})}
	close(h.closing) // timers have nobody to call: the script lets time pass
	o := Options{Logger: zap.NewNop(), ResumeWindow: time.Hour}
	if rapid.Bool().Draw(t, "bounded") {
		o.FanOut, o.FanOutBurst = 1, 20_000
	}
	l := newLoop(h, o)
	l.now = time.Now()
	l.slice = rapid.SampledFrom([]int{1, 2, sliceMembers}).Draw(t, "slice")
	return &model{t: t, loop: l, locked: map[string]bool{}}
}

// expect notes an answer, where it will be looked for.
func (c *modelClient) expect(what string) {
	if c.member != nil {
		c.member.handled++
		c.member.expected = append(c.member.expected, what)
	} else {
		c.expected = append(c.expected, what)
	}
}

func (m *model) find(room, id string) *modelMember {
	i := slices.IndexFunc(m.members, func(mm *modelMember) bool { return mm.room == room && mm.id == id })
	if i < 0 {
		return nil
	}
	return m.members[i]
}

// remove ends a membership in the model.
func (m *model) remove(mm *modelMember) {
	m.members = slices.DeleteFunc(m.members, func(x *modelMember) bool { return x == mm })
	if len(m.idsIn(mm.room)) == 0 {
		delete(m.locked, mm.room)
	}
	if mm.client != nil {
		// It still sees what it was to see, in the same order as what follows.
		mm.client.expected = append(mm.client.expected, mm.expected...)
		mm.client.member = nil
	}
}

// pick draws a client that is not closed; nil if there is none.
func (m *model) pick() *modelClient {
	if len(m.clients) == 0 {
		return nil
	}
	return rapid.SampledFrom(m.clients).Draw(m.t, "client")
}

func (m *model) connect() *modelClient {
	c := &modelClient{box: new(Outbox)}
	limit := rapid.SampledFrom([]int{smallBox, largeBox}).Draw(m.t, "limit")
	c.box.Init(c, m.loop.hub.Stats, limit)
	c.Client = NewClient(uint64(m.sent), netip.Addr{}, c.box)
	m.clients = append(m.clients, c)
	m.do(Register{c.Client})
	return c
}

// do has the loop apply a command, and finds out who was evicted by it.
func (m *model) do(c Command) {
	m.look()
	m.loop.apply(c)
	m.dropClosed()
}

// look notes whose messages wait.
func (m *model) look() {
	m.before, m.sender = map[*Outbox]map[uint64]bool{}, 0
	m.wasShared, m.wasCounted = map[*Outbox]int{}, map[*Outbox]int{}
	for _, c := range m.clients {
		m.before[c.box], m.wasShared[c.box], m.wasCounted[c.box] = sendersOf(c.box), c.box.shared, c.box.counted
	}
	for _, mm := range m.members {
		if mm.client == nil {
			o := mm.real.out.(*Outbox)
			m.before[o], m.wasCounted[o] = sendersOf(o), o.counted
		}
	}
}

// finish ends a batch.
func (m *model) finish() {
	m.look()
	m.loop.finish()
	m.dropClosed()
}

var (
	roomNames = rapid.SampledFrom([]string{"r", "s"})
	ids       = rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
)

// Receivers that are no ids: all members, the sender too, and one of the others.
const (
	everybody = "*"
	anybody   = "?"
)

// write puts frames in flight.
func (m *model) write() {
	c := m.pick()
	if c == nil {
		return
	}
	for range rapid.IntRange(1, 20).Draw(m.t, "frames") {
		if !m.writeOne(c) {
			return
		}
	}
}

func (m *model) writeOne(c *modelClient) bool {
	frames, skip := c.box.Take(nil, 1)
	if len(frames) == 0 {
		return false
	}
	f := frames[0]
	f.Retain(1)
	c.inFlight = append(c.inFlight, f)
	if _, caughtUp := c.box.Wrote(f.Size()-skip, time.Now()); caughtUp {
		m.late = append(m.late, CaughtUp{c.Client})
	}
	return true
}

// receive has frames arrive.
func (m *model) receive() {
	c := m.pick()
	if c == nil {
		return
	}
	for range min(len(c.inFlight), rapid.IntRange(1, 20).Draw(m.t, "frames")) {
		m.receiveOne(c)
	}
}

func (m *model) ping() {
	if c := m.pick(); c != nil && !c.pinging {
		c.pinging = c.box.Urgent(frame.Ping(nil), c.Client.sender)
	}
}

// hold has the rooms tell only those who join, as rooms do that have sent too much of late,
// or ends that.
func (m *model) hold() {
	until := m.loop.now.Add(time.Duration(rapid.IntRange(0, 1).Draw(m.t, "held")) * time.Second)
	for _, r := range m.loop.rooms {
		r.heldTo = until
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range 3 {
			m.connect()
		}
		t.Repeat(map[string]func(*rapid.T){
			"connect": func(*rapid.T) { m.connect() },
			"join":    func(*rapid.T) { m.join() },
			"join2":   func(*rapid.T) { m.join() },
			"kick":    func(*rapid.T) { m.kick() },
			"lock":    func(*rapid.T) { m.lock() },
			"leave":   func(*rapid.T) { m.leave() },
			"update":  func(*rapid.T) { m.update() },
			"tooFar":  func(*rapid.T) { m.tooFar() },
			"goAway":  func(*rapid.T) { m.goAway() },
			"stall":   func(*rapid.T) { m.stall() },
			"catchUp": func(*rapid.T) { m.catchUp() },
			"send":    func(*rapid.T) { m.send() },
			"send2":   func(*rapid.T) { m.send() },
			"count":   func(*rapid.T) { m.count() },
			"lose":    func(*rapid.T) { m.lose() },
			"resume":  func(*rapid.T) { m.resume() },
			"expire":  func(*rapid.T) { m.expire() },
			"write":   func(*rapid.T) { m.write() },
			"receive": func(*rapid.T) { m.receive() },
			"ping":    func(*rapid.T) { m.ping() },
			"hold":    func(*rapid.T) { m.hold() },
			"finish":  func(*rapid.T) { m.finish() },
		})
		m.check()
	})
}
