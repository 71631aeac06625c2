package main

import (
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// A server that loses its members is not faster for it: the load that nobody could send
// is counted, and the verdict tells of it.
func TestUnsentLoad(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"call", "mesh", "bigroom"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			f := &faulty{upstream: server(t), change: func(f *faulty, c *client, text []byte) {
				f.mu.Lock()
				if isForwarded(text) {
					f.n++
				}
				over := f.n > 30
				f.mu.Unlock()
				if over {
					_ = c.down.Close(websocket.StatusInternalError, "no more")
					return
				}
				c.pass(text)
			}}
			code, out, r := soak(t, f.start(t), with(small, "--rooms", "1", "--profile", profile, "--duration", "6s", "--rate", "100", "--objective", "sent>95%")...)
			c := r.Phases[0].Counts
			if code != report.ExitFailed || c.Unsent == 0 || c.Sent+c.Unsent > 800 || c.Sent+c.Unsent < 400 && len(r.Client.Reasons) == 0 {
				t.Errorf("exit code %d, %d sent and %d not, where 600 were due:\n%s", code, c.Sent, c.Unsent, out)
			}
			if !strings.Contains(r.Verdict.Text, "of the planned load could be sent") || !strings.Contains(out, "sent>95% NOT MET") || !strings.Contains(out, "not sent  ") {
				t.Errorf("nothing is said of it:\n%s", out)
			}
			unsent := 0
			for _, i := range r.Phases[0].Intervals {
				unsent += i.Unsent
			}
			if unsent != c.Unsent {
				t.Errorf("%d in all intervals, %d in all", unsent, c.Unsent)
			}
		})
	}
	t.Run("all is sent", func(t *testing.T) {
		t.Parallel()
		code, out, r := soak(t, server(t), with(small, "--objective", "sent>95%")...)
		if code == report.ExitLimit && r.Client.Limit {
			return // on a machine that is too busy there is no verdict
		}
		if c := r.Phases[0].Counts; code != report.ExitOK || c.Unsent > c.Sent/20 || strings.Contains(r.Verdict.Text, "planned load") != (c.Unsent*97 > c.Sent*3) {
			t.Errorf("exit code %d, %+v:\n%s", code, c, out)
		}
	})
}
