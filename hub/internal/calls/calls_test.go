package calls

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// diary is a sink that notes what it is told.
type diary struct {
	lines     []string
	finished  []event.Call
	untracked int
}

func (d *diary) note(what string, c *event.Call) { d.lines = append(d.lines, what+" "+c.From+c.To) }

func (d *diary) Started(c *event.Call)          { d.note("started", c) }
func (d *diary) Answered(c *event.Call)         { d.note("answered", c) }
func (d *diary) SetUp(c *event.Call)            { d.note("set up", c) }
func (d *diary) Routed(c *event.Call)           { d.note("routed", c) }
func (d *diary) Failed(c *event.Call, side int) { d.note("failed "+strconv.Itoa(side), c) }
func (d *diary) Ended(c *event.Call)            { d.note("ended", c) }
func (d *diary) Untracked()                     { d.untracked++ }
func (d *diary) Finished(c *event.Call) {
	d.note("finished", c)
	d.finished = append(d.finished, *c)
}

// scene is a tracker with a clock, and short ways to feed it. All is in room r.
type scene struct {
	*Tracker
	t     rapid.TB
	diary *diary
	now   time.Time
}

func newScene(t rapid.TB) *scene {
	n := 0
	d := new(diary)
	return &scene{New(d, func() string { n++; return strconv.Itoa(n) }), t, d, time.Unix(1e9, 0)}
}

func (s *scene) offer(from, to string)  { s.Offer(s.now, "r", Member{ID: from}, Member{ID: to}) }
func (s *scene) answer(from, to string) { s.Answer(s.now, "r", from, to) }
func (s *scene) hangup(from, to string) { s.Hangup(s.now, "r", from, to) }
func (s *scene) leave(id string)        { s.Left(s.now, "r", id, event.ReasonLeft) }

func (s *scene) report(from, to, data string) {
	r, refusal := wire.ParseReport([]byte(data))
	if refusal != nil {
		s.t.Fatal(refusal)
	}
	s.Report(s.now, "r", from, to, &r)
}

// pass lets time go by, with all that is due.
func (s *scene) pass(d time.Duration) {
	until := s.now.Add(d)
	for next := s.Next(); !next.IsZero() && !next.After(until); next = s.Next() {
		s.now = next
		s.Tick(s.now)
	}
	s.now = until
}

// only returns the one call that is finished, after the time for last words.
func (s *scene) only() event.Call {
	s.t.Helper()
	s.pass(LastWords)
	if len(s.diary.finished) != 1 {
		s.t.Fatalf("finished: %+v", s.diary.finished)
	}
	return s.diary.finished[0]
}

// The outcome of a call follows from signaling alone and from reports.
func TestOutcomes(t *testing.T) {
	const (
		up     = `{"outcome":"connected","setup_ms":900,"path":"relay","protocol":"tls"}`
		failed = `{"outcome":"failed","reason":"no_relay"}`
		over   = `{"outcome":"ended","duration_ms":5000}`
	)
	for name, c := range map[string]struct {
		script func(s *scene)
		want   wire.Outcome
		reason string
		by     string
	}{
		"answered and hung up": {func(s *scene) { s.answer("b", "a"); s.hangup("b", "a") }, wire.OutcomeAnswered, "hangup", "b"},
		"caller gives up":      {func(s *scene) { s.hangup("a", "b") }, wire.OutcomeCanceled, "hangup", "a"},
		"caller leaves":        {func(s *scene) { s.leave("a") }, wire.OutcomeCanceled, "left", "a"},
		"callee hangs up":      {func(s *scene) { s.hangup("b", "a") }, wire.OutcomeDeclined, "hangup", "b"},
		"callee leaves":        {func(s *scene) { s.leave("b") }, wire.OutcomeUnanswered, "left", "b"},
		"nobody answers":       {func(s *scene) { s.pass(RingTime) }, wire.OutcomeUnanswered, "no_answer", ""},
		"connected": {func(s *scene) { s.answer("b", "a"); s.report("b", "a", up); s.hangup("a", "b") },
			wire.OutcomeConnected, "hangup", "a"},
		"connected and left": {func(s *scene) { s.answer("b", "a"); s.report("a", "b", up); s.leave("b") },
			wire.OutcomeConnected, "left", "b"},
		"failed": {func(s *scene) { s.answer("b", "a"); s.report("a", "b", failed); s.hangup("a", "b") },
			wire.OutcomeFailed, "hangup", "a"},
		"failed, and said to be over": {func(s *scene) {
			s.answer("b", "a")
			s.report("a", "b", failed)
			s.report("a", "b", `{"outcome":"ended"}`)
			s.hangup("a", "b")
		}, wire.OutcomeFailed, "hangup", "a"},
		"failed, and then given up": {func(s *scene) {
			s.answer("b", "a")
			s.report("a", "b", failed)
			s.hangup("a", "b")
			s.report("a", "b", `{"outcome":"canceled","reason":"left"}`)
			s.report("b", "a", `{"outcome":"canceled","reason":"left"}`)
		}, wire.OutcomeFailed, "hangup", "a"},
		"failed and connected at last": {func(s *scene) {
			s.answer("b", "a")
			s.report("a", "b", failed)
			s.offer("a", "b")
			s.report("a", "b", up)
			s.hangup("a", "b")
		}, wire.OutcomeConnected, "hangup", "a"},
		"dropped": {func(s *scene) {
			s.answer("b", "a")
			s.report("a", "b", up)
			s.report("b", "a", up)
			s.report("b", "a", failed)
			s.leave("a")
		}, wire.OutcomeDropped, "left", "a"},
		"the first report comes after the end": {func(s *scene) {
			s.answer("b", "a")
			s.hangup("a", "b")
			s.report("b", "a", over)
		}, wire.OutcomeConnected, "hangup", "a"},
		"busy": {func(s *scene) { s.report("b", "a", `{"outcome":"busy"}`); s.hangup("b", "a") }, wire.OutcomeBusy, "hangup", "b"},
		"declined by one who answers first": {func(s *scene) {
			s.answer("b", "a")
			s.hangup("b", "a")
			s.report("a", "b", `{"outcome":"declined"}`)
		}, wire.OutcomeDeclined, "hangup", "b"},
		"not answered in the caller's time": {func(s *scene) { s.hangup("a", "b"); s.report("a", "b", `{"outcome":"unanswered"}`) },
			wire.OutcomeUnanswered, "hangup", "a"},
		"answered, whatever the caller says": {func(s *scene) { s.answer("b", "a"); s.report("a", "b", `{"outcome":"canceled"}`); s.hangup("a", "b") },
			wire.OutcomeAnswered, "hangup", "a"},
		"the callee cannot say that it was canceled": {func(s *scene) { s.report("b", "a", `{"outcome":"canceled"}`); s.hangup("b", "a") },
			wire.OutcomeDeclined, "hangup", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.offer("a", "b")
			c.script(s)
			got := s.only()
			if got.Outcome == wire.OutcomeFailed && got.Cause != "no_relay" {
				t.Errorf("the cause is %q", got.Cause)
			}
			if got.Outcome != c.want || got.Reason != c.reason || got.By != c.by {
				t.Errorf("%s, %s by %q; want %s, %s by %q", got.Outcome, got.Reason, got.By, c.want, c.reason, c.by)
			}
		})
	}
}

// A call is told of when it starts, is answered, set up, routed, fails, ends and is finished:
// each once, set-up time and path by the side that reports them first.
func TestSinkIsTold(t *testing.T) {
	s := newScene(t)
	s.offer("a", "b")
	s.answer("b", "a")
	s.report("b", "a", `{"outcome":"connected"}`)
	s.report("a", "b", `{"path":"relay"}`) // of a call that this side has not reported connected
	s.report("a", "b", `{"outcome":"connected","path":"host","protocol":"udp"}`)
	s.report("a", "b", `{"outcome":"connected","setup_ms":250}`)
	s.report("b", "a", `{"outcome":"connected","setup_ms":9000,"path":"relay","protocol":"tcp"}`)
	s.offer("b", "a")
	s.answer("a", "b")
	s.report("b", "a", `{"outcome":"failed"}`)
	s.report("b", "a", `{"outcome":"failed"}`)
	s.hangup("b", "a")
	s.hangup("a", "b") // crosses it
	s.answer("a", "b") // comes too late
	want := []string{"started ab", "answered ab", "routed ab", "set up ab", "failed 1 ab", "ended ab"}
	if !slices.Equal(s.diary.lines, want) {
		t.Errorf("told %q", s.diary.lines)
	}
	c := s.only()
	if c.Offers != 2 || c.Setup != 250*time.Millisecond || c.Path != wire.PathHost || c.Protocol != wire.ProtocolUDP {
		t.Errorf("%+v", c)
	}
}

// If both call at the same moment it is one call, whoever answers.
func TestGlare(t *testing.T) {
	for _, answers := range []string{"a", "b"} {
		s := newScene(t)
		s.offer("a", "b")
		s.offer("b", "a")
		s.answer(answers, map[string]string{"a": "b", "b": "a"}[answers])
		s.hangup("a", "b")
		if c := s.only(); c.From != "a" || c.Offers != 2 || c.Outcome != wire.OutcomeAnswered {
			t.Errorf("%s answers: %+v", answers, c)
		}
	}
}

// An answer that no offer has asked for does not answer a call.
func TestAnswerToNothing(t *testing.T) {
	s := newScene(t)
	s.answer("b", "a")
	s.offer("a", "b")
	s.answer("a", "b")
	s.offer("c", "c") // nobody calls itself
	if len(s.open) != 1 {
		t.Errorf("%d calls have begun", len(s.open))
	}
	s.hangup("a", "b")
	if c := s.only(); c.Outcome != wire.OutcomeCanceled || !c.Answered.IsZero() {
		t.Errorf("%+v", c)
	}
}

// Memory is bounded: calls in all and of one member, steps of a story, failures that
// are told, finished calls and how long they are kept.
func TestBounds(t *testing.T) {
	s := newScene(t)
	for i := range MaxPerMember + 10 {
		s.offer("a", "b"+strconv.Itoa(i))
	}
	if len(s.open) != MaxPerMember || s.diary.untracked != 10 {
		t.Errorf("%d calls of one member, %d are not followed", len(s.open), s.diary.untracked)
	}
	s.offer("c", "a")
	if s.diary.untracked != 11 {
		t.Error("a call to one with too many is followed")
	}
	for i := 0; len(s.open) < MaxOpen; i++ {
		s.offer(fmt.Sprint("x", i), fmt.Sprint("y", i))
	}
	s.offer("d", "e")
	if len(s.open) != MaxOpen || s.diary.untracked != 12 {
		t.Errorf("%d calls in all", len(s.open))
	}

	s.leave("a")
	s.pass(RingTime + LastWords)
	if len(s.open) != 0 || len(s.finished) != MaxFinished || len(s.members) != 0 {
		t.Errorf("%d open, %d finished, %d members", len(s.open), len(s.finished), len(s.members))
	}
	s.pass(Kept + LastWords)
	if len(s.finished) != 0 || !s.Next().IsZero() {
		t.Errorf("after an hour %d are kept, next at %s", len(s.finished), s.Next())
	}

	s = newScene(t)
	s.offer("a", "b")
	for range 3 * maxStory {
		s.report("a", "b", `{"outcome":"failed"}`)
		s.report("a", "b", `{"outcome":"connected","rtt_ms":1}`)
		s.pass(time.Second)
	}
	s.hangup("b", "a")
	c := s.only()
	if len(c.Story) != maxStory || c.Omitted != 6*maxStory+2-maxStory || c.Story[0].What != event.StepOffer || c.Story[maxStory-1].What != event.StepEnd {
		t.Errorf("%d steps, %d omitted", len(c.Story), c.Omitted)
	}
	told := 0
	for _, line := range s.diary.lines {
		if line == "failed 0 ab" {
			told++
		}
	}
	if told != maxFailures {
		t.Errorf("%d failures are told", told)
	}
}

// The story has who joined when, what was said and lost, and how it ended.
func TestStory(t *testing.T) {
	s := newScene(t)
	began := s.now
	s.now = began.Add(time.Minute)
	s.Offer(s.now, "r", Member{"a", began.Add(time.Second)}, Member{"b", began})
	s.answer("b", "a")
	s.Lost(s.now, "r", "b", event.ReasonPingTimeout)
	s.Resumed(s.now, "r", "b")
	s.Lost(s.now, "r", "other", event.ReasonLost)
	s.report("b", "a", `{"loss":0.5}`)
	s.hangup("a", "b")
	var story []string
	for _, step := range s.only().Story {
		story = append(story, step.What+" "+step.By+" "+step.Reason)
		if (step.Report != nil) != (step.What == event.StepReport) {
			t.Errorf("%+v", step)
		}
	}
	want := []string{"joined b ", "joined a ", "offer a ", "answer b ", "lost b ping_timeout", "resumed b ", "report b ", "end a hangup"}
	if !slices.Equal(story, want) {
		t.Errorf("the story is %q", story)
	}
}

// A call that moves is over where it can't go on: the pair has another one, there are too
// many, or a member is not there. It is told of once, and nothing of it is left behind.
func TestMovedToWhereItCannotBe(t *testing.T) {
	record := func() Record {
		s := newScene(t)
		s.offer("a", "b")
		s.report("a", "b", `{"outcome":"failed"}`)
		return s.Export(func(string) bool { return true })[0]
	}
	for name, c := range map[string]struct {
		before func(s *scene)
		gone   [2]bool
		by     string
	}{
		"another call of theirs": {before: func(s *scene) { s.offer("b", "a") }},
		"too many": {before: func(s *scene) {
			for i := range MaxPerMember {
				s.offer("a", fmt.Sprint("x", i))
			}
		}},
		"from is gone": {gone: [2]bool{true, false}, by: "a"},
		"to is gone":   {gone: [2]bool{false, true}, by: "b"},
		"both":         {gone: [2]bool{true, true}, by: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			if c.before != nil {
				c.before(s)
			}
			before := len(s.open)
			s.diary.lines = nil
			s.Import(s.now, record(), c.gone)
			got := s.only()
			if got.From != "a" || got.Reason != event.ReasonLost || got.By != c.by || got.Outcome != wire.OutcomeFailed {
				t.Errorf("%+v", got)
			}
			if want := []string{"ended ab", "finished ab"}; !slices.Equal(s.diary.lines, want) || len(s.open) != before {
				t.Errorf("told %q, %d calls are open, want %d", s.diary.lines, len(s.open), before)
			}
		})
	}
}
