package actor

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/wire"
)

// A list has the calls that are live and those that are over, each once, the first first.
func TestListOfCalls(t *testing.T) {
	withCalls(t, Options{}, func(t *testing.T, h *callsHub) {
		var peers []*peer
		for i := range 24 { // who have more calls than a slice of the list has
			peers = append(peers, h.peer(fmt.Sprint(i)))
		}
		var want []string
		for i, p := range peers {
			for _, to := range peers[:i] {
				p.calls(to.id)
				want = append(want, p.id+" "+to.id)
				time.Sleep(time.Millisecond)
			}
		}
		over := 0
		check := func() {
			t.Helper()
			all, err := h.Calls(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, c := range all {
				got = append(got, c.From+" "+c.To)
				if c.Story != nil || c.Ended.IsZero() != (i >= over) {
					t.Fatalf("call %d: %+v", i, c)
				}
			}
			if len(got) <= sliceSize || !slices.Equal(got, want) {
				t.Errorf("%d calls, want %d", len(got), len(want))
			}
		}
		check()
		for i, p := range peers[:23] { // some calls end, the first ones
			for _, to := range peers[:i] {
				p.says("hangup", to.id, "")
				over++
			}
		}
		synctest.Wait()
		check()
		time.Sleep(calls.LastWords) // and are finished
		check()
		if c, err := h.Call(t.Context(), "none"); c != nil || err != nil {
			t.Errorf("a call that is none: %v, %v", c, err)
		}
	})
}

// A call that is finished while a list is taken is in it once, as it is then.
func TestListOfACallThatIsFinishedMeanwhile(t *testing.T) {
	first := time.Unix(1e9, 0)
	list := inOrder([]event.Call{
		{ID: "b", Started: first}, {ID: "c", Started: first.Add(1)}, {ID: "a", Started: first}, {ID: "b", Started: first, Outcome: wire.OutcomeFailed},
	})
	var got []string
	for _, c := range list {
		got = append(got, c.ID+c.Outcome.String())
	}
	if want := []string{"a", "bfailed", "c"}; !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
}

// A room that moves to another hub takes its calls along: they end there, with what was
// known before. A call of one who is not there any more ends.
func TestCallsMove(t *testing.T) {
	old := still(Options{ResumeWindow: time.Minute, TrackCalls: true})
	clients := map[string]*Client{}
	for _, id := range []string{"ann", "bob", "eve"} {
		clients[id], _ = old.connect(1 << 20)
		old.join(clients[id], "r", id, NewSession(0))
	}
	old.apply(forwardIn(clients["ann"], "r", "ann", `{"type":"offer","to":"bob","sdp":1}`))
	old.apply(forwardIn(clients["bob"], "r", "bob", `{"type":"answer","to":"ann","sdp":1}`))
	old.apply(forwardIn(clients["ann"], "r", "ann", `{"type":"offer","to":"eve","sdp":1}`))
	report, _ := wire.ParseReport([]byte(`{"outcome":"connected","rtt_ms":30}`))
	old.apply(&Report{Client: clients["ann"], To: "bob", Report: &report})
	old.finish()
	done := make(chan Exported, 1)
	old.apply(&Export{Of: func(string) bool { return true }, Done: done})
	out := <-done
	if n := old.hub.Stats.Calls.Active.Load(); n != 0 || len(out.Calls) != 2 {
		t.Fatalf("%d calls are left, %d moved", n, len(out.Calls))
	}
	fresh := still(Options{ResumeWindow: time.Minute, TrackCalls: true})
	out.Members = slices.DeleteFunc(out.Members, func(m Membership) bool { return m.ID == "eve" })
	for i := range out.Members {
		out.Members[i].Client = nil
		out.Members[i].Out.Suspend()
	}
	fresh.apply(&Restore{Rooms: out.Rooms, Members: out.Members, Calls: out.Calls})
	n := &fresh.hub.Stats.Calls
	if active := n.Active.Load(); active != 1 {
		t.Errorf("%d calls are active", active)
	}
	fresh.apply(&CloseRoom{Order{Room: "r"}})
	if n.Outcomes[wire.OutcomeConnected].Load() != 1 || n.Outcomes[wire.OutcomeUnanswered].Load() != 1 || n.Active.Load() != 0 {
		t.Errorf("connected %d, unanswered %d, active %d",
			n.Outcomes[wire.OutcomeConnected].Load(), n.Outcomes[wire.OutcomeUnanswered].Load(), n.Active.Load())
	}
}

// A connection that calls and hangs up without end neither fills the log nor displaces the
// calls of others from the list, whatever rooms it joins. Its reports are limited over
// all of its calls. Neither limit is another's.
func TestCallsOfOneConnectionAreLimited(t *testing.T) {
	l := still(Options{TrackCalls: true})
	clients := map[string]*Client{}
	for _, id := range []string{"ann", "bob", "eve"} {
		clients[id], _ = l.connect(1 << 20)
		l.join(clients[id], "r", id, "")
	}
	says := func(from, typ, to string) {
		l.apply(forwardIn(clients[from], "r", from, fmt.Sprintf(`{"type":%q,"to":%q,"sdp":1}`, typ, to)))
	}
	report, _ := wire.ParseReport([]byte(`{"outcome":"failed"}`))
	reports := func(from, to string) { l.apply(&Report{Client: clients[from], To: to, Report: &report}) }
	for i := range callBurst + 100 {
		says("eve", "offer", "bob")
		says("eve", "offer", "bob") // renegotiates
		reports("eve", "bob")
		reports("bob", "eve")
		says("eve", "hangup", "bob")
		if i%50 == 49 {
			l.apply(Leave{clients["eve"]})
			l.join(clients["eve"], "r", "eve", "")
		}
	}
	l.calls.Tick(l.now.Add(calls.LastWords))
	n := &l.hub.Stats.Calls
	if list, _ := l.calls.Slice(true, calls.MaxFinished, calls.MaxFinished); len(list) != callBurst {
		t.Errorf("%d calls of one connection are in the list", len(list))
	}
	if got := n.Untracked.Load(); got == 0 {
		t.Error("no call is counted as not followed")
	}
	if got, want := l.hub.Stats.Refusals[wire.CodeRateLimited].Load(), uint64(2*(callBurst+100-reportBurst)); got != want {
		t.Errorf("%d reports were refused, want %d", got, want)
	}
	if got := n.Active.Load(); got != 0 {
		t.Errorf("%d calls are active", got)
	}
	says("bob", "offer", "ann")
	reports("ann", "bob")
	if got := n.Active.Load(); got != 1 {
		t.Errorf("%d calls of another are active", got)
	}
	l.finish()
}
