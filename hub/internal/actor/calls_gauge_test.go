package actor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/internal/calls"
	"github.com/parley-rtc/parley/hub/wire"
)

// The gauge of active calls is the number of those that have not ended, however calls and
// memberships end, and each call is counted once when it is over.
func TestGaugeOfCalls(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		told := map[event.Kind]int{}
		l := still(Options{TrackCalls: true, ResumeWindow: time.Minute, Notify: func(e event.Event) { told[e.Kind]++ }})
		clients := map[string]*Client{}
		ids := []string{"0", "1", "2", "3", "4", "5", "6", "7"}
		enter := func(id string) {
			if c := clients[id]; c == nil || c.closed || c.member == nil {
				clients[id], _ = l.connect(1 << 20)
				l.join(clients[id], "r", id, NewSession(0))
			}
		}
		check := func(step int, what string) {
			live := int64(0)
			list, _ := l.calls.Slice(false, math.MaxInt, calls.MaxOpen)
			for i := range list {
				if list[i].Ended.IsZero() {
					live++
				}
			}
			if got := l.hub.Stats.Calls.Active.Load(); got != live {
				t.Fatalf("seed %d, step %d, %s: %d calls are active, %d are live", seed, step, what, got, live)
			}
		}
		for step := range 600 {
			id, to := ids[random.IntN(8)], ids[random.IntN(8)]
			enter(id)
			c, what := clients[id], ""
			switch n := random.IntN(40); {
			case n < 25:
				what = []string{"offer", "offer", "answer", "hangup"}[random.IntN(4)]
				l.apply(forwardIn(c, "r", id, fmt.Sprintf(`{"type":%q,"to":%q,"sdp":1}`, what, to)))
			case n < 30:
				what = "report"
				report, _ := wire.ParseReport([]byte(`{"outcome":"` + []string{"connected", "failed", "ended"}[random.IntN(3)] + `"}`))
				l.apply(&Report{Client: c, To: to, Report: &report})
			case n < 32:
				what = "leave"
				l.apply(Leave{c})
			case n < 34:
				what = "lost"
				l.apply(Unregister{c, event.ReasonLost})
				clients[id] = nil
			case n < 35:
				what = "kick"
				l.apply(&Kick{Order: Order{Room: "r"}, To: to})
			case n < 36:
				what = "close"
				l.apply(&CloseRoom{Order{Room: "r"}})
			case n < 38:
				what = "time"
				l.now = l.now.Add(time.Duration(random.IntN(5)) * calls.RingTime / 4)
				l.calls.Tick(l.now)
			default:
				what = "move"
				done := make(chan Exported, 1)
				l.apply(&Export{Of: func(string) bool { return true }, Done: done})
				out := <-done
				check(step, "export")
				stay := out.Members[:len(out.Members)/2]
				for i := range stay {
					stay[i].Client = nil
					stay[i].Out.Suspend()
				}
				l.apply(&Restore{Rooms: out.Rooms, Members: stay, Calls: out.Calls})
				clear(clients)
			}
			l.finish()
			check(step, what)
		}
		l.apply(&CloseRoom{Order{Room: "r"}})
		l.calls.Tick(l.now.Add(calls.LastWords))
		check(-1, "the end")
		if n := l.hub.Stats.Calls.Active.Load(); n != 0 {
			t.Errorf("seed %d: %d calls are active in the end", seed, n)
		}
		counted := 0
		for i := range l.hub.Stats.Calls.Outcomes {
			counted += int(l.hub.Stats.Calls.Outcomes[i].Load())
		}
		if began, ended := told[event.CallStarted], told[event.CallEnded]; began < 20 || ended != began || counted != began {
			t.Errorf("seed %d: %d calls began, %d ended, %d are counted", seed, began, ended, counted)
		}
	}
}
