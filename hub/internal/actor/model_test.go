package actor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/frame"
	"github.com/parley-rtc/parley/hub/stats"
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

// join is that of another member, which a client is to be told of.
type join struct {
	client  *modelClient // the connection that there was
	arrived int          // messages that were on their way to it, and cannot tell of the join
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

// dropClosed finds out whom the hub has closed, which may bring it to close others.
func (m *model) dropClosed() {
	closed := func(c *modelClient) bool { return c.Client.closed }
	for i := slices.IndexFunc(m.clients, closed); i >= 0; i = slices.IndexFunc(m.clients, closed) {
		m.drop(m.clients[i])
	}
	// So have those without a connection whose queue was full.
	for _, mm := range slices.Clone(m.members) {
		if mm.client == nil && mm.real.room == nil {
			m.mayOverflow(mm.real.out.(*Outbox), mm.id+" in "+mm.room)
			m.remove(mm)
		}
	}
}

// mayOverflow fails if a queue overflowed that only one has sent to: no sender may
// cost a receiver its connection or its session.
func (m *model) mayOverflow(o *Outbox, who string) {
	senders := map[uint64]bool{m.sender: true}
	for sender, counts := range m.before[o] {
		senders[sender] = senders[sender] || counts
	}
	if m.wasShared[o] > o.allowance()-o.limit {
		return // it has not read what whole rooms were sent, for long
	}
	maps.DeleteFunc(senders, func(_ uint64, counts bool) bool { return !counts })
	if len(senders) < 2 {
		m.t.Fatalf("%s was evicted because of one sender", who)
	}
}

// drop forgets a client whose connection the hub has closed. Its membership ends
// with the batch.
func (m *model) drop(c *modelClient) {
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if c.box.CloseCode() == wire.CloseSlowConsumer && !c.mayStall && !m.before[c.box][c.sender] {
		m.mayOverflow(c.box, "a client")
	}
	if c.member != nil {
		m.remove(c.member)
	}
	m.unregister(c)
}

// unregister is the end of a connection: its writer finds out too.
func (m *model) unregister(c *modelClient) {
	m.loop.apply(Unregister{c.Client, event.ReasonLost})
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
	if rapid.Bool().Draw(m.t, "resumable") {
		session = NewSession(0)
	}
	subject, takeover := rapid.Bool().Draw(m.t, "subject"), rapid.Bool().Draw(m.t, "takeover")
	key := rapid.SampledFrom([]string{"", "k", "l"}).Draw(m.t, "key")
	m.sent++
	ref := fmt.Sprint("join ", m.sent)
	moderator := rapid.Bool().Draw(m.t, "moderator")
	in := false
	holder := m.find(room, id)
	replaces := holder != nil && (takeover && subject && holder.subject || key != "" && key == holder.key)
	switch {
	case c.member != nil:
		c.expect("already_joined")
	case holder != nil && !replaces:
		c.expect("duplicate_id")
	case m.locked[room] && !moderator && !replaces:
		c.expect("room_locked")
	default:
		in = true
		c.member = &modelMember{
			room: room, id: id, ref: ref, client: c, session: session, moderator: moderator, subject: subject,
			handled: 1, changes: rapid.Bool().Draw(m.t, "changes"), quiet: rapid.Bool().Draw(m.t, "quiet"), key: key, joins: map[string][]join{},
			entered: map[string][]int{}, learned: map[string]int{},
		}
		m.announce(c.member)
		c.member.expected, c.expected = append(c.expected, ref), nil
		m.members = append(m.members, c.member)
		if replaces {
			m.replace(holder)
		}
	}
	grant := &Grant{Rights: wire.DefaultRights}
	if subject {
		grant.Subject = id
	}
	if moderator {
		grant.Rights |= wire.MayModerate
	}
	done := make(chan bool, 1)
	m.do(&Join{
		Client: c.Client, Room: room, ID: id, Session: session, Grant: grant, Takeover: takeover, Done: done,
		Changes: in && c.member.changes, Quiet: in && c.member.quiet, Key: key,
		Welcome: frame.Text((&wire.Joined{Room: room, From: id, Session: session, Ref: ref}).Text()),
	})
	if got := <-done; got != in {
		m.t.Fatalf("join of %s as %s: %v, the model says %v", room, id, got, in)
	}
	if in && c.member != nil {
		c.member.real = c.Client.member
	}
}

// announce notes that the others are to be told of a join.
func (m *model) announce(joiner *modelMember) {
	for _, mm := range m.members {
		if mm.room != joiner.room || mm == joiner {
			continue
		}
		j := join{client: mm.client}
		if mm.client != nil {
			j.arrived = mm.client.arrived + len(mm.client.inFlight)
		}
		mm.joins[joiner.id] = append(mm.joins[joiner.id], j)
		mm.entered[joiner.id] = append(mm.entered[joiner.id], m.sent)
	}
}

// replace takes a member's place. The others are told anew, though the ids are the
// same.
func (m *model) replace(holder *modelMember) {
	for _, mm := range m.members {
		if mm.room == holder.room && mm != holder {
			mm.newList = true
		}
	}
	m.remove(holder)
}

// update changes a nickname and a profile.
func (m *model) update() {
	c := m.pick()
	if c == nil {
		return
	}
	name := rapid.SampledFrom([]string{"", "N", "M"}).Draw(m.t, "name")
	meta := rapid.SampledFrom([]string{"", "1", `{"a":[]}`}).Draw(m.t, "meta")
	if mm := c.member; mm != nil {
		mm.name, mm.meta = name, meta
		mm.handled += 2
	} else {
		c.expect("not_joined")
		c.expect("not_joined")
	}
	m.do(&Rename{Client: c.Client, Name: name})
	if c.Client.closed {
		return
	}
	u := &Update{Client: c.Client}
	if meta != "" {
		u.Meta = []byte(meta)
	}
	m.do(u)
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
		} else {
			c.member.handled++
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
		c.member.handled++
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

// Receivers that are no ids: all members, the sender too, and one of the others.
const (
	everybody = "*"
	anybody   = "?"
)

// send forwards to one, to all or to anybody, now and then a lot.
func (m *model) send() {
	c := m.pick()
	if c == nil {
		return
	}
	to := rapid.SampledFrom([]string{"", everybody, anybody, "a", "b", "c", "d", "e", "nobody"}).Draw(m.t, "to")
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
	toAll := to == "" || to == everybody
	if toAll || to == anybody {
		text = fmt.Sprintf(`{"type":"message","data":%s}`, data)
	}
	pick := Pick{Seed: uint64(m.sent) << 30, Nth: uint64(m.sent % 3)}
	var room, id string
	var receivers []*modelMember
	from := c.member
	switch {
	case from == nil:
		c.expect("not_joined")
	case toAll:
		room, id = from.room, from.id
		for _, mm := range m.members {
			if mm.room == from.room && (mm != from || to == everybody) {
				receivers = append(receivers, mm)
			}
		}
		if to == everybody {
			data = fmt.Sprint(data, " of ", len(receivers))
		}
	case to == anybody:
		room, id = from.room, from.id
		if chosen := pick.of(from.real); chosen != nil {
			receivers = append(receivers, m.find(room, chosen.id))
		}
	default:
		room, id = from.room, from.id
		if mm := m.find(room, to); mm != nil {
			receivers = append(receivers, mm)
		} else {
			c.expect("target_not_found")
		}
	}
	// Whether the hub finds the message too much is looked up, and held against what
	// the model knows, before the message can have any effect in the model.
	var e wire.Envelope
	if r := e.Parse([]byte(text)); r != nil {
		m.t.Fatal(r)
	}
	s := wire.NewSuffixes(room, id)
	congested := &m.loop.hub.Stats.Refusals[wire.CodeCongested]
	before := congested.Load()
	m.look()
	m.sender = c.sender
	f := NewForward(c.Client, &e, frame.Forward(&e, &s))
	switch f.pick = pick; to {
	case everybody:
		f.audience = ToAll
	case anybody:
		f.audience = ToAny
	}
	m.loop.apply(f)
	if congested.Load() > before {
		m.mayRefuse(c, receivers, toAll)
		c.expect("congested")
	} else if len(receivers) > 0 || from != nil && (toAll || to == anybody) {
		from.handled++
		for _, mm := range receivers {
			mm.expected = append(mm.expected, data)
		}
	}
	m.dropClosed()
}

// count asks how many members a room has, and how many have a profile.
func (m *model) count() {
	c := m.pick()
	if c == nil {
		return
	}
	meta := rapid.SampledFrom([]string{"", "1", "2"}).Draw(m.t, "counted")
	if mm := c.member; mm == nil {
		c.expect("not_joined")
	} else {
		all, alike := 0, 0
		for _, other := range m.members {
			if other.room == mm.room {
				all++
				if other.meta == meta {
					alike++
				}
			}
		}
		c.expect(fmt.Sprint("counted ", all, " ", alike))
	}
	m.do(&Count{Client: c.Client, Frame: frame.Text([]byte(`{"type":"counted"}`)), Meta: []byte(meta)})
}

// mayRefuse fails if nothing of what c has sent waits for a receiver, and there is no
// bound on copies.
func (m *model) mayRefuse(c *modelClient, receivers []*modelMember, toAll bool) {
	if m.loop.options.FanOut > 0 {
		return
	}
	if toAll {
		if !slices.ContainsFunc(receivers, func(mm *modelMember) bool { return mm.client == nil }) {
			m.t.Fatalf("a message to the whole room was refused although all are connected")
		}
		return
	}
	for _, mm := range receivers {
		o := mm.real.out.(*Outbox)
		if _, waits := m.before[o][c.sender]; waits || m.wasCounted[o] > 3*o.limit/4 {
			return
		}
	}
	m.t.Fatalf("a message was refused as congested although nothing of its sender waits")
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
	if old := mm.client; old != nil {
		old.member = nil
		m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == old })
		defer m.unregister(old)
	}
	missed, kept := mm.real.out.Missed(uint64(mm.received))
	releaseAll(missed)
	if !kept {
		// More is forgotten than has arrived, which a small queue allows.
		c.expect("session_expired")
		m.remove(mm)
		done := make(chan Resumed, 1)
		m.do(&Resume{Client: c.Client, Session: mm.session, Received: uint64(mm.received), Done: done})
		if r := <-done; r.ID != "" || mm.real.room != nil {
			m.t.Fatalf("%s in %s was resumed, although messages are forgotten", mm.id, mm.room)
		}
		return
	}
	mm.client, c.member, c.resuming = c, mm, true
	done := make(chan Resumed, 1)
	m.do(&Resume{Client: c.Client, Session: mm.session, Received: uint64(mm.received), Done: done})
	if r := <-done; r.ID != mm.id || r.Room != mm.room || r.Handled != mm.handled {
		m.t.Fatalf("%s in %s was resumed after %d messages as %+v; %d were handled", mm.id, mm.room, mm.received, r, mm.handled)
	}
}

// tooFar asks for a session with more messages than there were. Nothing may come of
// it.
func (m *model) tooFar() {
	c := m.pick()
	if c == nil || len(m.members) == 0 {
		return
	}
	mm := rapid.SampledFrom(m.members).Draw(m.t, "lied about")
	if mm.session == "" {
		return
	}
	if c.member != nil {
		c.expect("already_joined")
	} else {
		c.expect("session_expired")
	}
	m.do(&Resume{Client: c.Client, Session: mm.session, Received: 1 << 40})
}

// goAway is a close frame with 1001 from a client, or a proxy.
func (m *model) goAway() {
	c := m.pick()
	if c == nil {
		return
	}
	mm := c.member
	stays := mm != nil && mm.session != ""
	m.clients = slices.DeleteFunc(m.clients, func(x *modelClient) bool { return x == c })
	if stays {
		mm.client = nil
		mm.lostTimes++
	} else if mm != nil {
		m.remove(mm)
	}
	done := make(chan bool, 1)
	m.do(&GoAway{c.Client, done})
	if <-done != stays {
		m.t.Fatalf("the membership stays: %v, the model says the opposite", !stays)
	}
	m.unregister(c)
}

// stall is a look at a queue of which nothing has been read for a while.
func (m *model) stall() {
	c := m.pick()
	if c == nil || c.member == nil {
		return
	}
	c.mayStall = true
	m.do(watch{c.member.real, c.box, c.box.Mark()})
	c.mayStall = false
}

// catchUp applies what other goroutines have handed over.
func (m *model) catchUp() {
	late := m.late
	m.late = nil
	for _, c := range late {
		m.do(c)
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
