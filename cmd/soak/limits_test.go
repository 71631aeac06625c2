package main

import (
	"strings"
	"testing"

	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// This process is the limit where its own lateness is a good part of the latency, and
// not where the server's is.
func TestLimitOf(t *testing.T) {
	ms := func(p99 float64) report.Times { return report.Times{Count: 100, P99: p99} }
	interval := func(cpu, wait, latency float64) report.Interval {
		return report.Interval{Sent: 100, ClientCPU: cpu, Wait: wait, Latency: ms(latency)}
	}
	calm := []report.Interval{interval(.5, .1, 20), interval(.5, .1, 20), interval(.5, .1, 20), interval(.5, .1, 20), interval(.5, 15, 20)}
	for name, c := range map[string]struct {
		timing    timing
		intervals []report.Interval
		want      string
	}{
		"nothing":                        {timing{ms(20), ms(.1), ms(.1)}, calm, ""},
		"nothing was measured":           {timing{}, nil, ""},
		"sent late":                      {timing{ms(20), ms(11), ms(.1)}, calm, "sent late: p99 11ms of a latency of 20ms"},
		"sent late, but it is little":    {timing{ms(20), ms(9), ms(.1)}, calm, ""},
		"sent late, but it is nothing":   {timing{ms(.9), ms(.9), ms(.9)}, calm, ""},
		"read late, though sent in time": {timing{ms(20), ms(.1), ms(11)}, calm, "read late: p99 11ms of a latency of 20ms"},
		"read late, but it is little":    {timing{ms(20), ms(.1), ms(9)}, calm, ""},
		"waited for a core":              {timing{ms(20), ms(.1), ms(.1)}, append(calm[:5:5], interval(.5, 11, 20)), "waited for a core in 2 of 6 intervals"},
		"waited while nothing was sent":  {timing{ms(20), ms(.1), ms(.1)}, append(calm[:5:5], report.Interval{Wait: 50}), ""},
		"waited, but little":             {timing{ms(20), ms(.1), ms(.1)}, append(calm[:5:5], interval(.5, 9, 20)), ""},
		"all cores":                      {timing{ms(20), ms(.1), ms(.1)}, append(calm[:5:5], interval(1.9, 0, 20), interval(2, 0, 20)), "used all of its 2 cores for 2 of 7"},
	} {
		got := limitOf(&c.timing, c.intervals, 2)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
