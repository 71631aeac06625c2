package hub

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// An embedding program that has calls followed can list them, read the story of one, and is told of
// them; one that does not has none.
func TestCalls(t *testing.T) {
	for _, tracked := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var kinds []event.Kind
			h, err := New(Options{TrackCalls: tracked, Notify: func(e event.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Call != nil {
					kinds = append(kinds, e.Kind)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			ann, bob := connect(h), connect(h)
			ann.enter(t, "garden", "ann")
			bob.enter(t, "garden", "bob")
			var e wire.Envelope
			if r := e.Parse([]byte(`{"type":"offer","to":"bob","sdp":1}`)); r != nil {
				t.Fatal(r)
			}
			s := wire.NewSuffixes("garden", "ann")
			_ = ann.Forward(&e, &s, time.Now())
			report, _ := wire.ParseReport([]byte(`{"outcome":"failed","reason":"no_relay"}`))
			_ = ann.Report("bob", report, Request{Type: "report", To: "bob"})
			synctest.Wait()
			all, err := h.Calls(t.Context())
			if err != nil || len(all) != map[bool]int{true: 1}[tracked] {
				t.Fatalf("tracked %v: %+v, %v", tracked, all, err)
			}
			if tracked {
				c, err := h.Call(t.Context(), all[0].ID)
				if err != nil || c == nil || c.Room != "garden" || c.Cause != "no_relay" || len(c.Story) != 4 {
					t.Errorf("%+v, %v", c, err)
				}
			}
			for _, l := range []*line{ann, bob} {
				_ = l.Leave()
				l.End(event.ReasonClosed)
			}
			if err := h.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := h.Calls(t.Context()); err != ErrClosed {
				t.Errorf("after the end: %v", err)
			}
			failed := h.Stats().Calls.Outcomes[wire.OutcomeFailed].Load()
			if tracked != (failed == 1) || tracked != (len(kinds) == 2 && kinds[0] == event.CallStarted && kinds[1] == event.CallEnded) {
				t.Errorf("tracked %v: %d failed, told of %v", tracked, failed, kinds)
			}
		})
	}
}
