package calls

import (
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// Report takes what a member says of its call with another. A report about no call is
// ignored, and so is one about a call of an earlier member with the same id.
func (t *Tracker) Report(now time.Time, room, from, to string, r *wire.Report) {
	p := t.pairs[keyOf(room, from, to)]
	if p == nil {
		return
	}
	c := p.live
	last := isLast(r.Outcome)
	if old := p.closing; old != nil && !old.gone[old.side(from)] && (c == nil || last && !old.Done[old.side(from)]) {
		c = old
	}
	if c == nil {
		return
	}
	t.take(now, c, from, r)
	if c == p.closing && last {
		t.done(c, p, from)
	}
}

// Knows reports whether two have a call that is live, or ended a moment ago.
func (t *Tracker) Knows(room, a, b string) bool { return t.pairs[keyOf(room, a, b)] != nil }

// isLast reports whether no other outcome follows that a client reports of a call.
func isLast(o wire.Outcome) bool { return o != wire.NoOutcome && o != wire.OutcomeConnected }

// take notes a report of one side.
func (t *Tracker) take(now time.Time, c *call, from string, r *wire.Report) {
	i := c.side(from)
	side := &c.Call.Sides[i]
	before := side.Outcome
	side.Last = r
	c.step(event.CallStep{Time: now, What: event.StepReport, By: from, Report: r})
	c.Samples[i].add(r)
	if r.Reason != "" && (c.Failed == [2]int{} || r.Outcome == wire.OutcomeFailed) { // that of a failure stays
		c.Call.Cause = r.Reason
	}
	if replaces(r.Outcome, before) {
		side.Outcome = r.Outcome
	}
	switch {
	case isConnected(r):
		side.Connected = true
		t.connected(c, r)
	case r.Outcome == wire.OutcomeFailed && before != wire.OutcomeFailed && c.Failed[i] < maxFailures:
		c.Failed[i]++
		t.sink.Failed(&c.Call, i)
	}
}

// replaces reports whether a side that has reported one outcome and then another means the
// later: what it says of the end of a call that has failed, or was declined, says less.
func replaces(o, before wire.Outcome) bool {
	switch o {
	case wire.NoOutcome:
		return false
	case wire.OutcomeConnected, wire.OutcomeFailed:
		return true
	}
	return !isLast(before)
}

// connected takes from a report of a connected call what no other has told yet.
func (t *Tracker) connected(c *call, r *wire.Report) {
	if setup, ok := r.Figure(wire.SetupMS); ok && !c.Timed {
		c.Timed, c.Call.Setup = true, milliseconds(setup)
		t.sink.SetUp(&c.Call)
	}
	if c.Call.Path == wire.NoPath && c.Call.Protocol == wire.NoProtocol && (r.Path != wire.NoPath || r.Protocol != wire.NoProtocol) {
		c.Call.Path, c.Call.Protocol = r.Path, r.Protocol
		t.sink.Routed(&c.Call)
	}
}

// isConnected reports whether a report says that the call is, or was, connected.
func isConnected(r *wire.Report) bool {
	lasted, _ := r.Figure(wire.DurationMS)
	return r.Outcome == wire.OutcomeConnected || r.Outcome == wire.OutcomeEnded && lasted > 0
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// conclude says what became of a call that has ended, and how well it went.
func (c *call) conclude() {
	c.Call.Outcome = c.outcome()
	c.Call.Quality = quality(&c.Samples)
}

func (c *call) outcome() wire.Outcome {
	caller, callee := &c.Call.Sides[0], &c.Call.Sides[1]
	connected := caller.Connected || callee.Connected
	failed := caller.Outcome == wire.OutcomeFailed || callee.Outcome == wire.OutcomeFailed
	switch {
	case connected && failed:
		return wire.OutcomeDropped
	case connected:
		return wire.OutcomeConnected
	case failed:
		return wire.OutcomeFailed
	}
	// The callee says why it did not take the call, the caller why it gave up.
	for _, o := range []wire.Outcome{callee.Outcome, caller.Outcome} {
		if o == wire.OutcomeDeclined || o == wire.OutcomeBusy {
			return o
		}
	}
	if o := caller.Outcome; c.Call.Answered.IsZero() && (o == wire.OutcomeUnanswered || o == wire.OutcomeCanceled) {
		return o
	}
	return c.signaled()
}

// signaled is the outcome of a call of which nobody has reported more than signaling
// says.
func (c *call) signaled() wire.Outcome {
	switch {
	case !c.Call.Answered.IsZero():
		return wire.OutcomeAnswered
	case c.Call.By == c.Call.From:
		return wire.OutcomeCanceled
	case c.Call.Reason == event.ReasonHangup:
		return wire.OutcomeDeclined
	}
	return wire.OutcomeUnanswered
}
