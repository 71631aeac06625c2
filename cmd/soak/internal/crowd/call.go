package crowd

import (
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// call is a call between two members: an offer, an answer, and candidates that each
// side gathers bit by bit. Owned by the worker.
type call struct {
	members [2]*member // who offers, who answers
	gens    [2]uint32
	offered int64    // when the offer was due
	think   int64    // how long the callee waits with its answer
	left    [2]uint8 // candidates that are yet to be sent
}

// A side of a call.
const (
	caller = 0
	callee = 1
)

// Times of a call, in nanoseconds.
const (
	thinkLeast = int64(50_000_000)  // an answer takes this long at least,
	thinkMost  = int64(400_000_000) // and at most
)

// gathering is when candidates of a side come, after its description: those of the
// host at once, those that a STUN server finds, those of a TURN server.
var gathering = [...]struct {
	after, spread int64 // nanoseconds
	share         float64
}{{10_000_000, 30_000_000, .5}, {50_000_000, 100_000_000, .3}, {150_000_000, 250_000_000, 1}}

// startCall begins a call, and reports false where its offer can't be sent.
func (w *worker) startCall(a, b *member, due int64) bool {
	c := &call{members: [2]*member{a, b}, gens: [2]uint32{a.gen, b.gen}, offered: due,
		think: thinkLeast + w.random.Int64N(thinkMost-thinkLeast)}
	for side := range c.left {
		c.left[side] = uint8(plan.MinCandidates + w.random.IntN(plan.MaxCandidates-plan.MinCandidates+1))
	}
	seq, ok := a.send(b, payload.Offer, due)
	if !ok {
		return false
	}
	w.tally.Calls++
	a.room.offers[offerKey{a.number, b.number, seq}] = c
	w.gather(c, caller, due)
	return true
}

// gather schedules the candidates of a side.
func (w *worker) gather(c *call, side uint8, since int64) {
	for i, g := range gathering {
		w.plan(since+g.after+w.random.Int64N(g.spread), event{do: trickle, call: c, arg: side<<4 | uint8(i)})
	}
}

// stands reports whether a side can go on with the call, as far as it knows.
func (c *call) stands(side uint8) bool {
	m := c.members[side]
	return m.gen == c.gens[side] && m.ready() && m.knows(c.members[1-side])
}

// waits reports whether a side is without a connection: then it goes on when it has
// resumed.
func (c *call) waits(side uint8) bool {
	m := c.members[side]
	return m.gen == c.gens[side] && m.state == lost
}

// retryTime is how often a side that waits looks again, in nanoseconds.
const retryTime = int64(100_000_000)

// plan schedules something of a call.
func (w *worker) plan(due int64, e event) {
	w.planned++
	w.wheel.add(due, e)
}

// trickle sends candidates of one side.
func (w *worker) trickle(c *call, due int64, side, part uint8) {
	if c.waits(side) {
		w.plan(due+retryTime, event{do: trickle, call: c, arg: side<<4 | part})
		return
	}
	if !c.stands(side) {
		c.left[side] = 0
		return
	}
	n := c.left[side]
	if int(part) < len(gathering)-1 {
		n = uint8(float64(n)*gathering[part].share + .5)
	}
	c.left[side] -= n
	for sent := range n {
		if _, ok := c.members[side].send(c.members[1-side], payload.Candidate, due); !ok {
			w.tally.Unsent += uint64(n - sent)
			return
		}
	}
}

// answer sends the callee's answer.
func (w *worker) answer(c *call, due int64) {
	if c.waits(callee) {
		w.plan(due+retryTime, event{do: answer, call: c})
		return
	}
	if !c.stands(callee) {
		w.tally.Abandoned++
		return
	}
	a, b := c.members[caller], c.members[callee]
	seq, ok := b.send(a, payload.Answer, due)
	if !ok {
		w.tally.Unsent += 1 + uint64(c.left[callee])
		return
	}
	a.room.offers[offerKey{b.number, a.number, seq}] = c
	w.gather(c, callee, due)
}

// inCall goes on with the call that an offer or an answer belongs to.
func (m *member) inCall(from *member, s *payload.Stamp, at int64) {
	if s.Kind != payload.Offer && s.Kind != payload.Answer {
		return
	}
	w := m.worker()
	key := offerKey{from.number, m.number, s.Seq}
	c := m.room.offers[key]
	if c == nil {
		return
	}
	delete(m.room.offers, key)
	if s.Kind == payload.Offer {
		w.plan(at+c.think, event{do: answer, call: c})
		return
	}
	w.tally.Answered++
	if c.offered > max(m.backAt, from.backAt) { // no time without a connection is in it
		record(w.tally.Setup, at-c.offered-c.think)
	}
}
