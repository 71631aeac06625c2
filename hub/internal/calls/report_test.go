package calls

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// A call that has ended waits for the last reports of those who are still there, and for
// no one else's.
func TestLastWords(t *testing.T) {
	finished := func(s *scene) bool { return len(s.diary.finished) == 1 }
	s := newScene(t)
	s.offer("a", "b")
	s.answer("b", "a")
	s.report("a", "b", `{"outcome":"ended","duration_ms":1000}`)
	s.hangup("a", "b")
	if finished(s) {
		t.Fatal("finished without the word of b")
	}
	s.pass(LastWords / 2)
	s.report("b", "a", `{"outcome":"ended","rtt_ms":70}`)
	if !finished(s) || s.diary.finished[0].Quality.RTT != 70*time.Millisecond {
		t.Errorf("after the word of b: %+v", s.diary.finished)
	}

	s = newScene(t)
	s.offer("a", "b")
	s.hangup("b", "a")
	s.leave("a")
	if finished(s) {
		t.Error("finished although b is still there")
	}
	s.leave("b")
	if !finished(s) {
		t.Error("not finished although nobody is there")
	}

	s = newScene(t)
	s.offer("a", "b")
	s.hangup("a", "b")
	s.pass(LastWords - 1)
	if finished(s) {
		t.Error("finished too early")
	}
	s.pass(1)
	if !finished(s) || !s.Next().Equal(s.now.Add(Kept)) {
		t.Errorf("not finished in time; next at %s", s.Next())
	}
}

// The last words about a call do not count for the next one of the same two.
func TestCallAgainAtOnce(t *testing.T) {
	s := newScene(t)
	s.offer("a", "b")
	s.answer("b", "a")
	s.report("a", "b", `{"outcome":"connected"}`)
	s.hangup("a", "b")
	s.offer("a", "b")
	s.report("b", "a", `{"outcome":"ended","duration_ms":4000,"reason":"first"}`)
	s.report("a", "b", `{"outcome":"connected","path":"relay"}`) // of the second
	s.report("a", "b", `{"outcome":"ended"}`)                    // of the first
	if n := len(s.diary.finished); n != 1 {
		t.Fatalf("%d calls are finished", n)
	}
	s.hangup("b", "a")
	s.pass(LastWords)
	first, second := s.diary.finished[0], s.diary.finished[1]
	if first.Cause != "first" || first.Path != wire.NoPath || second.Cause != "" || second.Path != wire.PathRelay {
		t.Errorf("first %+v, second %+v", first, second)
	}
	// A side that has said its last word about the first speaks of the second.
	s.offer("a", "b")
	s.report("a", "b", `{"outcome":"ended"}`)
	s.hangup("a", "b")
	s.offer("a", "b")
	s.report("a", "b", `{"outcome":"failed"}`)
	s.hangup("a", "b")
	s.pass(LastWords)
	if third, fourth := s.diary.finished[2], s.diary.finished[3]; third.Outcome != wire.OutcomeCanceled || fourth.Outcome != wire.OutcomeFailed {
		t.Errorf("third %+v, fourth %+v", third, fourth)
	}
	// Another call of theirs ends before the second one is finished.
	s.offer("a", "b")
	s.hangup("a", "b")
	s.offer("b", "a")
	s.hangup("b", "a")
	s.pass(LastWords)
	if len(s.diary.finished) != 6 || len(s.pairs) != 0 || len(s.members) != 0 || len(s.open) != 0 {
		t.Errorf("%d finished, %d pairs, %d members, %d open", len(s.diary.finished), len(s.pairs), len(s.members), len(s.open))
	}
}

// A member that joins under the id of one that has left says nothing of the calls of that
// one, also while they wait for last words.
func TestReportOfANamesake(t *testing.T) {
	s := newScene(t)
	s.offer("a", "b")
	s.answer("b", "a")
	s.leave("b")
	s.report("b", "a", `{"outcome":"failed","reason":"lie","rtt_ms":9000}`) // of another b
	s.offer("b", "a")
	s.report("b", "a", `{"outcome":"failed","reason":"second"}`)
	s.leave("b")
	s.report("b", "a", `{"outcome":"connected"}`) // of a third
	s.pass(LastWords)
	if len(s.diary.finished) != 2 {
		t.Fatalf("finished: %+v", s.diary.finished)
	}
	first, second := s.diary.finished[0], s.diary.finished[1]
	if first.Outcome != wire.OutcomeAnswered || first.Cause != "" || first.Sides[1] != (event.CallSide{}) || first.Quality.HasRTT {
		t.Errorf("the call of the first: %+v", first)
	}
	if second.Outcome != wire.OutcomeFailed || second.Cause != "second" || second.Sides[0].Connected {
		t.Errorf("the call of the second: %+v", second)
	}
}

// A report is its sender's, about one call: it changes neither the other side's words nor
// another call.
func TestLiarSpoilsItsOwn(t *testing.T) {
	s := newScene(t)
	s.offer("a", "b")
	s.answer("b", "a")
	s.offer("a", "liar")
	s.answer("liar", "a")
	s.report("a", "b", `{"outcome":"connected","rtt_ms":20}`)
	s.report("b", "a", `{"outcome":"connected","rtt_ms":20}`)
	for _, to := range []string{"a", "b", "nobody", "liar"} {
		s.report("liar", to, `{"outcome":"failed","rtt_ms":3000000,"loss":1}`)
	}
	s.leave("a")
	s.leave("b")
	s.leave("liar")
	for _, c := range s.diary.finished {
		switch {
		case c.To == "b" && (c.Outcome != wire.OutcomeConnected || c.Quality.WorstRTT != 20*time.Millisecond || c.Quality.HasLoss):
			t.Errorf("a's call with b: %+v", c)
		case c.To == "liar" && (c.Outcome != wire.OutcomeFailed || c.Sides[0] != (event.CallSide{})):
			t.Errorf("a's call with the liar: %+v", c)
		}
	}
	if n := len(s.diary.finished); n != 2 {
		t.Errorf("%d calls", n)
	}
}

// The quality of a call is that of the side that had it worse; many reports stand for the
// whole call.
func TestQuality(t *testing.T) {
	s := newScene(t)
	s.offer("a", "b")
	s.answer("b", "a")
	for i := range 1000 {
		s.pass(30 * time.Second)
		s.report("a", "b", fmt.Sprintf(`{"rtt_ms":%d,"loss":0.01}`, i))
		s.report("b", "a", `{"rtt_ms":100,"loss":0.2,"jitter_ms":4.5,"freezes":3}`)
	}
	s.report("b", "a", `{"loss":0.9}`)
	s.hangup("a", "b")
	q := s.only().Quality
	if q.RTT < 450*time.Millisecond || q.RTT > 550*time.Millisecond || q.WorstRTT != 999*time.Millisecond {
		t.Errorf("round-trip time: median %s, worst %s", q.RTT, q.WorstRTT)
	}
	if q.Loss != 0.2 || q.WorstLoss != 0.9 || q.Jitter != 4500*time.Microsecond || q.Freezes != 3 || q.Reports != 2001 {
		t.Errorf("%+v", q)
	}
	var spread Samples
	for i := range 1000 {
		r, _ := wire.ParseReport(fmt.Appendf(nil, `{"rtt_ms":%d}`, i))
		spread.add(&r)
	}
	for i, one := range spread.List[1:] {
		if got := int(one.RTT - spread.List[i].RTT); got != spread.Stride || len(spread.List) < maxSamples/2 {
			t.Errorf("%d reports lie between two of %d that were kept, want %d", got, len(spread.List), spread.Stride)
		}
	}

	s = newScene(t)
	s.offer("a", "b")
	s.report("a", "b", `{"outcome":"connected"}`)
	s.hangup("a", "b")
	if q := s.only().Quality; q != (event.Quality{}) {
		t.Errorf("without figures: %+v", q)
	}
}

// A figure that was reported once is not lost among many reports without it, whichever of
// them had it.
func TestRareFigureStays(t *testing.T) {
	for at := range 5 * maxSamples {
		s := newScene(t)
		s.offer("a", "b")
		for i := range 5 * maxSamples {
			s.report("a", "b", `{"rtt_ms":20}`)
			if i == at {
				s.report("a", "b", `{"loss":0.5}`)
			}
		}
		s.hangup("a", "b")
		if q := s.only().Quality; !q.HasLoss || q.Loss != 0.5 || q.WorstLoss != 0.5 || q.RTT != 20*time.Millisecond {
			t.Fatalf("loss in report %d: %+v", at, q)
		}
	}
}
