package crowd

import (
	"math"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// Traffic is what members do.
type Traffic struct {
	Calls     float64 // started a second, in all rooms together
	Meshes    float64 // rooms a second in which everybody calls everybody
	PerMesh   float64 // messages that make one of them
	Messages  float64 // to everybody in a room, a second
	Churn     float64 // members a second that leave and come back
	Cuts      float64 // connections a second that are cut
	SlowShare float64 // of members that join from now on, 0 to 1
	SlowRate  int     // bytes a second that those read
	BadShare  float64 // of members that join from now on, 0 to 1: on bad links
	Tolerant  bool    // errors, lost connections and delays are counted and are no faults
	Rejoin    bool    // who loses the membership comes back
	Breaks    bool    // connections are expected to break, and to be refused for a while
}

// traffic is a worker's share of it.
type traffic struct {
	Traffic
	gen  uint32              // counts changes: the schedule of an earlier traffic does nothing
	next [newCut + 1]float64 // when the next of each is due, between the ticks too
}

// action is what an event does.
type action uint8

const (
	join action = iota
	resume
	heartbeat
	renew
	answer
	trickle
	newCall
	newMesh
	newMessage
	newLeave
	newCut
	cutAgain
	settleDoubt
	settleDenials
	checkAnswers
	mustRefuse
	giveUp
)

// SetTraffic changes what members do from now on. Calls under way go on.
func (c *Crowd) SetTraffic(t Traffic) {
	rooms := 0
	for _, w := range c.workers {
		w.mu.Lock()
		rooms += len(w.open())
		w.mu.Unlock()
	}
	for _, w := range c.workers {
		w.mu.Lock()
		part := float64(len(w.open())) / float64(max(rooms, 1))
		share := t
		for _, rate := range []*float64{&share.Calls, &share.Meshes, &share.Messages, &share.Churn, &share.Cuts} {
			*rate *= part
		}
		now := c.now()
		w.tally.Unsent += w.traffic.behind(now)
		w.traffic = traffic{Traffic: share, gen: w.traffic.gen + 1}
		for _, do := range []action{newCall, newMesh, newMessage, newLeave, newCut} {
			if rate := w.traffic.rate(do); rate > 0 {
				// The first comes at a random time of the interval: workers and
				// machines that start together do not beat together.
				w.traffic.next[do] = float64(now) + w.random.Float64()*1e9/rate
				w.wheel.add(int64(w.traffic.next[do]), event{do: do, gen: w.traffic.gen})
			}
		}
		w.mu.Unlock()
	}
}

// rate returns how many of something begin a second.
func (t *traffic) rate(do action) float64 {
	return map[action]float64{newCall: t.Calls, newMesh: t.Meshes, newMessage: t.Messages, newLeave: t.Churn, newCut: t.Cuts}[do]
}

// behind returns how many messages were due and have not begun: what a new traffic ends
// is never sent.
func (t *traffic) behind(now int64) uint64 {
	n := 0.0
	for do, messages := range map[action]float64{newCall: plan.MessagesPerCall, newMesh: t.PerMesh, newMessage: 1} {
		if rate := t.rate(do); rate > 0 && float64(now) > t.next[do] {
			n += math.Floor((float64(now)-t.next[do])/1e9*rate) * messages
		}
	}
	return uint64(n)
}

// do does what is due.
func (w *worker) do(due int64, e event) {
	switch e.do {
	case answer:
		w.planned--
		w.answer(e.call, due)
		return
	case trickle:
		w.planned--
		w.trickle(e.call, due, e.arg>>4, e.arg&15)
		return
	case newCall, newMesh, newMessage, newLeave, newCut:
		if e.gen == w.traffic.gen {
			w.begin(e.do, due)
		}
		return
	}
	m := e.member
	if e.gen != m.gen {
		return
	}
	switch e.do {
	case join:
		m.join(due)
	case resume:
		m.resumes()
	case cutAgain:
		m.cut()
	case settleDoubt:
		m.doubtDue(e.other, w.crowd.now())
	case settleDenials:
		m.denialsDue(w.crowd.now())
	case checkAnswers:
		m.checkAnswers(w.crowd.now())
	case mustRefuse:
		m.mustRefuse()
	case giveUp:
		m.givesUp(w.crowd.now())
	case heartbeat:
		if m.link != nil {
			m.link.conn.Done(append(m.link.conn.Append(), w.crowd.Dialect.Heartbeat...))
			w.touch(m.link)
			m.beat(due)
		}
	case renew:
		m.renew(due)
	}
}

// begin starts something new, and schedules the next.
func (w *worker) begin(do action, due int64) {
	interval := 1e9 / w.traffic.rate(do)
	next := &w.traffic.next[do]
	for range eventsAtOnce {
		w.beginOne(do, due)
		if *next += interval; int64(*next)/tick > due/tick {
			break
		}
	}
	w.wheel.add(int64(*next), event{do: do, gen: w.traffic.gen})
}

func (w *worker) beginOne(do action, due int64) {
	r := w.rooms[w.random.IntN(len(w.open()))]
	switch do {
	case newCall:
		if a, b := w.pair(r); a == nil || !w.startCall(a, b, due) {
			w.tally.Unsent += plan.MessagesPerCall
		}
	case newMesh:
		for i, a := range r.members[:r.size] {
			for _, b := range r.members[:i] {
				if !a.ready() || !a.knows(b) || !w.startCall(a, b, due) {
					w.tally.Unsent += plan.MessagesPerCall
				}
			}
		}
	case newMessage:
		if m := w.anyOf(r.members); m == nil || !m.say(due) {
			w.tally.Unsent++
		}
	case newLeave:
		if m := w.anyOf(r.members); m != nil {
			m.returns = true
			m.leave()
		}
	case newCut:
		if m := w.anyOf(r.members); m != nil {
			if m.bad {
				m.recuts = uint8(1 + w.random.IntN(recutsMost))
			}
			m.cut()
		}
	}
}

// open returns the rooms that are in use: the first ones.
func (w *worker) open() []*room { return w.rooms[:w.inUse] }

// Times that a member who has left stays away, in nanoseconds.
const (
	restLeast  = 500_000_000
	restSpread = 1_500_000_000
)

// ready reports whether a member can send.
func (m *member) ready() bool { return m.state == present && m.link != nil }

// anyOf returns a member that can send; nil where a few tries find none.
func (w *worker) anyOf(members []*member) *member {
	for range 8 {
		if m := members[w.random.IntN(len(members))]; m.ready() {
			return m
		}
	}
	return nil
}

// pair returns a member of a room that can send, and another that it knows of.
func (w *worker) pair(r *room) (a, b *member) {
	if r.size < 2 {
		return nil, nil
	}
	for range 8 {
		i, j := w.random.IntN(r.size), w.random.IntN(r.size-1)
		if j >= i {
			j++
		}
		if a, b = r.members[i], r.members[j]; a.ready() && a.knows(b) {
			return a, b
		}
	}
	return nil, nil
}

// TrafficOf returns what makes a phase's traffic at a rate of messages a second.
func TrafficOf(p *plan.Phase, rate float64) Traffic {
	t := Traffic{Churn: p.Churn, Cuts: p.Cuts, SlowShare: p.SlowShare / 100, SlowRate: p.SlowRate, BadShare: p.BadShare / 100}
	t.Rejoin = p.Churn > 0 || p.Cuts > 0 || p.SlowShare > 0 || p.ExpectBreaks > 0 || p.Profile == plan.Flood
	t.Breaks = p.ExpectBreaks > 0
	t.Tolerant = p.Profile == plan.Flood
	const perCall = plan.MessagesPerCall
	switch p.Profile {
	case plan.Idle:
	case plan.Mesh:
		t.PerMesh = perCall * float64(p.Peers*(p.Peers-1)/2)
		t.Meshes = rate / t.PerMesh
	case plan.BigRoom, plan.Rolling:
		t.Calls, t.Messages = rate/(perCall+1), rate/(perCall+1)
	default:
		t.Calls = rate / perCall
	}
	return t
}
