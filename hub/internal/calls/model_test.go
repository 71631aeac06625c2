package calls

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// modelCall is a call as the model has it: it keeps all that was said, and concludes in the
// end.
type modelCall struct {
	from, to  string
	offered   map[string]bool
	answered  bool
	ended     bool
	reason    string
	by        string
	connected map[string]bool
	words     map[string]wire.Outcome
}

// model follows the calls of a few members in the plainest way.
type model struct {
	*scene
	t    *rapid.T
	all  []*modelCall          // in the order in which they began
	live map[string]*modelCall // by the pair
}

var ids = []string{"a", "b", "c"}

func TestMain(m *testing.M) {
	// More than rapid's 100: the flag on the command line, if it is given, comes later.
	_ = flag.Set("rapid.checks", "500")
	os.Exit(m.Run())
}

func pairName(a, b string) string { return min(a, b) + max(a, b) }

func (m *model) end(c *modelCall, reason, by string) {
	c.ended, c.reason, c.by = true, reason, by
	delete(m.live, pairName(c.from, c.to))
}

func (m *model) two() (from, to string) {
	from = rapid.SampledFrom(ids).Draw(m.t, "from")
	to = rapid.SampledFrom(slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == from })).Draw(m.t, "to")
	return from, to
}

func (m *model) Offer(*rapid.T) {
	from, to := m.two()
	m.offer(from, to)
	c := m.live[pairName(from, to)]
	if c == nil {
		c = &modelCall{from: from, to: to, offered: map[string]bool{}, connected: map[string]bool{}, words: map[string]wire.Outcome{}}
		m.all = append(m.all, c)
		m.live[pairName(from, to)] = c
	}
	c.offered[from] = true
}

func (m *model) Answer(*rapid.T) {
	from, to := m.two()
	m.answer(from, to)
	if c := m.live[pairName(from, to)]; c != nil && c.offered[to] {
		c.answered = true
	}
}

func (m *model) Hangup(*rapid.T) {
	from, to := m.two()
	m.hangup(from, to)
	if c := m.live[pairName(from, to)]; c != nil {
		m.end(c, event.ReasonHangup, from)
	}
}

func (m *model) Leave(*rapid.T) {
	id := rapid.SampledFrom(ids).Draw(m.t, "id")
	m.leave(id)
	for _, c := range m.all {
		if !c.ended && (c.from == id || c.to == id) {
			m.end(c, event.ReasonLeft, id)
		}
	}
}

// Report reports while there is a call: what counts for one that has ended is not modeled.
func (m *model) Report(*rapid.T) {
	from, to := m.two()
	c := m.live[pairName(from, to)]
	if p := m.pairs[keyOf("r", from, to)]; p != nil && p.closing != nil {
		return
	}
	data := rapid.SampledFrom([]string{`{}`, `{"outcome":"connected"}`, `{"outcome":"failed"}`, `{"outcome":"busy"}`}).Draw(m.t, "data")
	m.report(from, to, data)
	r, _ := wire.ParseReport([]byte(data))
	o := r.Outcome
	if c == nil || o == wire.NoOutcome {
		return
	}
	if o != wire.OutcomeBusy || c.words[from] != wire.OutcomeFailed { // a call that has failed stays failed
		c.words[from] = o
	}
	c.connected[from] = c.connected[from] || o == wire.OutcomeConnected
}

func (m *model) Wait(*rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Millisecond, LastWords, RingTime / 3}).Draw(m.t, "time")
	started := map[string]time.Time{}
	for _, c := range m.open {
		if c.Call.Ended.IsZero() {
			started[pairName(c.Call.From, c.Call.To)] = c.due
		}
	}
	m.pass(d)
	for pair, due := range started {
		if c := m.live[pair]; c != nil && !c.answered && !due.After(m.now) {
			m.end(c, event.ReasonNoAnswer, "")
		}
	}
}

// Move takes all calls to another tracker, as if a room moved to another node.
func (m *model) Move(*rapid.T) {
	records := m.Export(func(room string) bool { return room == "r" })
	if len(m.open) != 0 || len(m.pairs) != 0 || len(m.members) != 0 || m.ringing.Len() != 0 || m.closing.Len() != 0 {
		m.t.Fatal("an export leaves something behind")
	}
	next := New(m.diary, m.newID)
	next.finished = m.finished
	m.Tracker = next
	for _, r := range records {
		b, err := json.Marshal(r)
		if err != nil {
			m.t.Fatal(err)
		}
		var there Record
		if err := json.Unmarshal(b, &there); err != nil {
			m.t.Fatal(err)
		}
		next.Import(m.now, there, [2]bool{})
	}
}

// Check compares what is live, and that nothing is kept of those who have no call.
func (m *model) Check() {
	live := 0
	for _, c := range m.open {
		if c.Call.Ended.IsZero() {
			live++
			want := m.live[pairName(c.Call.From, c.Call.To)]
			if want == nil || want.from != c.Call.From || want.answered != !c.Call.Answered.IsZero() {
				m.t.Fatalf("there is %+v, the model has %+v", c.Call, want)
			}
		}
	}
	if live != len(m.live) {
		m.t.Fatalf("%d live calls, the model has %d", live, len(m.live))
	}
	for key, pairs := range m.members {
		if len(pairs) == 0 {
			m.t.Fatalf("%v is kept without a call", key)
		}
	}
	if m.ringing.Len()+m.closing.Len() > len(m.open) {
		m.t.Fatal("calls wait that are not there")
	}
}

func (c *modelCall) outcome() wire.Outcome {
	up := c.connected[c.from] || c.connected[c.to]
	down := c.words[c.from] == wire.OutcomeFailed || c.words[c.to] == wire.OutcomeFailed
	switch {
	case up && down:
		return wire.OutcomeDropped
	case up:
		return wire.OutcomeConnected
	case down:
		return wire.OutcomeFailed
	case c.words[c.from] == wire.OutcomeBusy || c.words[c.to] == wire.OutcomeBusy:
		return wire.OutcomeBusy
	case c.answered:
		return wire.OutcomeAnswered
	case c.by == c.from:
		return wire.OutcomeCanceled
	case c.reason == event.ReasonHangup:
		return wire.OutcomeDeclined
	}
	return wire.OutcomeUnanswered
}

// Whatever members say to each other, and whenever rooms move: each call is finished once,
// with the outcome that follows from what was said, and then nothing is kept but the list.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{scene: newScene(t), t: t, live: map[string]*modelCall{}}
		t.Repeat(map[string]func(*rapid.T){
			"offer": m.Offer, "answer": m.Answer, "hangup": m.Hangup, "leave": m.Leave, "report": m.Report, "wait": m.Wait, "move": m.Move,
			"": func(*rapid.T) { m.Check() },
		})
		for _, id := range ids {
			m.leave(id)
		}
		for _, c := range m.all {
			if !c.ended {
				// The first to leave ends it.
				m.end(c, event.ReasonLeft, min(c.from, c.to))
			}
		}
		if len(m.open) != 0 || len(m.pairs) != 0 || len(m.members) != 0 || m.ringing.Len() != 0 || m.closing.Len() != 0 {
			t.Fatalf("%d calls and %d members are left", len(m.open), len(m.members))
		}
		if len(m.diary.finished) != len(m.all) {
			t.Fatalf("%d calls are finished, of %d", len(m.diary.finished), len(m.all))
		}
		for _, got := range m.diary.finished {
			var n int
			fmt.Sscan(got.ID, &n)
			want := m.all[n-1]
			if got.From != want.from || got.To != want.to || got.Reason != want.reason || got.By != want.by || got.Outcome != want.outcome() {
				t.Fatalf("call %s from %s to %s: %s, %s by %q; want %s, %s by %q", got.ID, got.From, got.To,
					got.Outcome, got.Reason, got.By, want.outcome(), want.reason, want.by)
			}
		}
	})
}
