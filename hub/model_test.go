package hub

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/wire"
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

	received int             // messages that have arrived since joined
	expected []string        // that must arrive, in this order: message data and error codes
	known    map[string]bool // who has been listed
	told     []string        // the last list that arrived
	locked   bool            // the room, as it was last told
	begun    bool            // joined has arrived
}

// modelClient is a connection: what was written to it arrives later, or never.
type modelClient struct {
	*Client

	box      *Outbox
	small    bool // a small outbox, that may overflow
	member   *modelMember
	inFlight []*wire.Frame
	expected []string // answers that must arrive while it is in no room
	resuming bool     // resumed must be the next that arrives
	pinging  bool     // a ping is under way; there is never more than one
}

func (*modelClient) Wake()    {}
func (*modelClient) Closing() {}
func (*modelClient) Probe()   {}

// model is the state of a run: the real loop beside what should be.
type model struct {
	t       *rapid.T
	loop    *loop
	clients []*modelClient
	members []*modelMember // of all rooms, also those without a connection
	locked  map[string]bool
	sent    int
}

const (
	largeBox = 1 << 20
	smallBox = 1500
)

func newModel(t *rapid.T) *model {
	h := &Hub{Stats: new(Stats), drained: make(chan struct{}), closing: make(chan struct{})}
	close(h.closing) // timers have nobody to call: the script lets time pass
	l := newLoop(h, Options{Logger: zap.NewNop(), ResumeWindow: time.Hour})
	l.now = time.Now()
	return &model{t: t, loop: l, locked: map[string]bool{}}
}

// expect notes an answer, where it will be looked for.
func (c *modelClient) expect(what string) {
	if c.member != nil {
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
		// What it was to see it still will, in the same order as what follows.
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
	c := &modelClient{box: new(Outbox), small: rapid.Bool().Draw(m.t, "small")}
	limit := largeBox
	if c.small {
		limit = smallBox
	}
	c.box.Init(c, m.loop.hub.Stats, limit)
	c.Client = NewClient(uint64(m.sent), netip.Addr{}, c.box)
	m.clients = append(m.clients, c)
	m.do(Register{c.Client})
	return c
}

// do has the loop apply a command, and finds out who was evicted by it.
func (m *model) do(c Command) {
	c.apply(m.loop)
	m.dropClosed()
}

// finish ends a batch.
func (m *model) finish() {
	m.loop.finish()
	m.dropClosed()
}

// dropClosed finds out whom the hub has closed, which may bring it to close others.
func (m *model) dropClosed() {
	for {
		i := slices.IndexFunc(m.clients, func(c *modelClient) bool { return c.Client.closed })
		if i < 0 {
			return
		}
		c := m.clients[i]
		if !c.small && c.box.CloseCode() != wire.CloseKicked {
			m.t.Fatalf("a client with a large outbox was closed with %d", c.box.CloseCode())
		}
		m.drop(c)
	}
}

// drop forgets a client whose connection the hub has closed. Its membership ends
// with the batch.
func (m *model) drop(c *modelClient) {
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if c.member != nil {
		m.remove(c.member)
	}
	m.loop.settle() // the real one leaves before anything else happens to it
	m.unregister(c)
}

// unregister is the end of a connection: its writer finds out too.
func (m *model) unregister(c *modelClient) {
	Unregister{c.Client, ReasonLost}.apply(m.loop)
	c.box.Failed()
}

var (
	roomNames = rapid.SampledFrom([]string{"r", "s"})
	ids       = rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
)

func (m *model) join() {
	c := m.pick()
	if c == nil {
		return
	}
	room, id := roomNames.Draw(m.t, "room"), ids.Draw(m.t, "id")
	session := ""
	if !c.small && rapid.Bool().Draw(m.t, "resumable") {
		session = NewSession(0)
	}
	m.sent++
	ref := fmt.Sprint("join ", m.sent)
	moderator := rapid.Bool().Draw(m.t, "moderator")
	in := false
	switch {
	case c.member != nil:
		c.expect("already_joined")
	case m.find(room, id) != nil:
		c.expect("duplicate_id")
	case m.locked[room] && !moderator:
		c.expect("room_locked")
	default:
		in = true
		c.member = &modelMember{
			room: room, id: id, ref: ref, client: c, session: session, moderator: moderator, known: map[string]bool{},
		}
		c.member.expected, c.expected = append(c.expected, ref), nil
		m.members = append(m.members, c.member)
	}
	grant := &Grant{Rights: wire.DefaultRights}
	if moderator {
		grant.Rights |= wire.MayModerate
	}
	done := make(chan bool, 1)
	m.do(&Join{
		Client: c.Client, Room: room, ID: id, Session: session, Grant: grant, Done: done,
		Welcome: (&wire.JoinedMessage{Room: room, From: id, Session: session, Ref: ref}).Frame(),
	})
	if got := <-done; got != in {
		m.t.Fatalf("join of %s as %s: %v, the model says %v", room, id, got, in)
	}
	if in && c.member != nil {
		c.member.real = c.Client.member
	}
}

// kick removes a member, of whoever's connection.
func (m *model) kick() {
	c := m.pick()
	if c == nil {
		return
	}
	to := ids.Draw(m.t, "kicked")
	var target *modelMember
	if m.mayOrder(c) {
		if target = m.find(c.member.room, to); target == nil {
			c.expect("target_not_found")
		}
	}
	k := &Kick{To: to}
	k.Client = c.Client
	if target != nil && target.client == nil {
		m.remove(target)
	}
	m.do(k)
}

func (m *model) lock() {
	c := m.pick()
	if c == nil {
		return
	}
	k := &Lock{Locked: rapid.Bool().Draw(m.t, "locked")}
	k.Client = c.Client
	if m.mayOrder(c) {
		m.locked[c.member.room] = k.Locked
	}
	m.do(k)
}

// mayOrder reports whether a client may give orders, or what it is answered.
func (m *model) mayOrder(c *modelClient) bool {
	switch {
	case c.member == nil:
		c.expect("not_joined")
	case !c.member.moderator:
		c.expect("forbidden")
	default:
		return true
	}
	return false
}

func (m *model) leave() {
	c := m.pick()
	if c == nil {
		return
	}
	if c.member != nil {
		m.remove(c.member)
	}
	m.do(Leave{c.Client})
}

// send forwards to one or to all, now and then a lot.
func (m *model) send() {
	c := m.pick()
	if c == nil {
		return
	}
	to := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "nobody"}).Draw(m.t, "to")
	for range rapid.SampledFrom([]int{1, 1, 1, 30}).Draw(m.t, "times") {
		if c.Client.closed {
			return
		}
		m.sendOne(c, to)
	}
}

func (m *model) sendOne(c *modelClient, to string) {
	m.sent++
	data := fmt.Sprint(m.sent)
	text := fmt.Sprintf(`{"type":"message","to":%q,"data":%s}`, to, data)
	if to == "" {
		text = fmt.Sprintf(`{"type":"message","data":%s}`, data)
	}
	room, id := "", ""
	from := c.member
	switch {
	case from == nil:
		c.expect("not_joined")
	case to == "":
		room, id = from.room, from.id
		for _, mm := range m.members {
			if mm.room == from.room && mm != from {
				mm.expected = append(mm.expected, data)
			}
		}
	default:
		room, id = from.room, from.id
		if mm := m.find(room, to); mm != nil {
			mm.expected = append(mm.expected, data)
		} else {
			c.expect("target_not_found")
		}
	}
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		m.t.Fatal(r)
	}
	s := wire.NewSuffixes(room, id)
	m.do(NewForward(c.Client, &e, e.Forward(&s)))
}

// lose cuts a connection: what is in flight never arrives.
func (m *model) lose() {
	c := m.pick()
	if c == nil {
		return
	}
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if mm := c.member; mm != nil && mm.session != "" {
		mm.client = nil
		mm.lostTimes++
	} else if mm != nil {
		m.remove(mm)
	}
	m.unregister(c)
}

// resume takes up a membership, of a lost connection or of one that is alive.
func (m *model) resume() {
	var resumable []*modelMember
	for _, mm := range m.members {
		if mm.session != "" && mm.begun {
			resumable = append(resumable, mm)
		}
	}
	if len(resumable) == 0 {
		return
	}
	mm := rapid.SampledFrom(resumable).Draw(m.t, "resumed")
	c := m.connect()
	c.small = false
	c.box.limit = largeBox
	if old := mm.client; old != nil {
		old.member = nil
		m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == old })
		defer m.unregister(old)
	}
	mm.client, c.member, c.resuming = c, mm, true
	done := make(chan Resumed, 1)
	m.do(&Resume{Client: c.Client, Session: mm.session, Received: uint64(mm.received), Done: done})
	if r := <-done; r.ID != mm.id || r.Room != mm.room {
		m.t.Fatalf("%s in %s was not resumed after %d messages", mm.id, mm.room, mm.received)
	}
}

// expire lets the time of a lost connection run out.
func (m *model) expire() {
	for _, mm := range m.members {
		if mm.client == nil {
			m.remove(mm)
			m.do(expire{mm.real, mm.lostTimes})
			return
		}
	}
}

// write puts frames in flight.
func (m *model) write() {
	c := m.pick()
	if c == nil {
		return
	}
	for range rapid.IntRange(1, 20).Draw(m.t, "frames") {
		if !c.writeOne() {
			return
		}
	}
}

func (c *modelClient) writeOne() bool {
	frames, skip := c.box.Take(nil, 1)
	if len(frames) == 0 {
		return false
	}
	frames[0].Retain(1)
	c.inFlight = append(c.inFlight, frames[0])
	c.box.Wrote(frames[0].Size()-skip, time.Now())
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
		c.pinging = c.box.Urgent(wire.WSPing(nil))
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
			"send":    func(*rapid.T) { m.send() },
			"send2":   func(*rapid.T) { m.send() },
			"lose":    func(*rapid.T) { m.lose() },
			"resume":  func(*rapid.T) { m.resume() },
			"expire":  func(*rapid.T) { m.expire() },
			"write":   func(*rapid.T) { m.write() },
			"receive": func(*rapid.T) { m.receive() },
			"ping":    func(*rapid.T) { m.ping() },
			"finish":  func(*rapid.T) { m.finish() },
		})
		m.check()
	})
}
