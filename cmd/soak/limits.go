package main

import (
	"fmt"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// This process was the limit where it used nearly all of its cores in a good part of
// the intervals, or where its own lateness is a good part of the latency.
const (
	busyCores     = .92 // of the cores
	busyIntervals = .25 // of the intervals
	lateShare     = .5  // of the latency's 99th percentile
	lateLeast     = 1.0 // milliseconds: less is no matter
)

// limitOf says why this process was the limit of what a tally and intervals have
// counted; "": it was not.
func limitOf(latency, late *report.Times, intervals []report.Interval, cores int) string {
	busy, n := 0, 0
	for _, i := range intervals {
		if i.Sent == 0 {
			continue
		}
		n++
		if i.ClientCPU > busyCores*float64(cores) {
			busy++
		}
	}
	switch {
	case n > 0 && float64(busy) >= busyIntervals*float64(n):
		return fmt.Sprintf("this process used all of its %d cores for %d of %d intervals", cores, busy, n)
	case late.P99 > lateLeast && late.P99 > lateShare*latency.P99:
		return fmt.Sprintf("this process sent late: p99 %s of a latency of %s", report.Millis(late.P99), report.Millis(latency.P99))
	}
	return ""
}

// windowLimit is limitOf for a window of a flood.
func windowLimit(t *crowd.Tally, intervals []report.Interval, cores int) string {
	latency, late := report.TimesOf(t.All(), false), report.TimesOf(t.Late, false)
	return limitOf(&latency, &late, intervals, cores)
}

// ends says how this process and the server did in all phases.
func (r *recorder) ends(phases []report.Phase) (report.Client, *report.Server) {
	c := report.Client{Cores: r.watcher.Look().Cores, Descriptors: r.descriptors}
	server, n := report.Server{}, 0
	for _, p := range phases {
		for _, i := range p.Intervals {
			c.CPU, c.Memory = max(c.CPU, i.ClientCPU), max(c.Memory, i.ClientBytes)
			if i.ServerCPU != nil {
				server.CPU = max(server.CPU, *i.ServerCPU)
				server.Mean += *i.ServerCPU
				n++
			}
			if i.ServerMemory != nil {
				server.Memory = max(server.Memory, *i.ServerMemory)
			}
			if i.ServerOutbox != nil {
				server.Outbox = max(server.Outbox, *i.ServerOutbox)
			}
		}
		latency, late := p.Times["latency"], p.Times["late"]
		reason := limitOf(&latency, &late, p.Intervals, c.Cores)
		if len(p.Steps) > 0 { // its steps have been judged one by one
			reason = ""
			if last := p.Steps[len(p.Steps)-1]; last.ClientLimit {
				reason = "in the flood: " + last.Reason
			}
		}
		if reason != "" {
			c.Limit = true
			c.Reasons = append(c.Reasons, p.Name+": "+reason)
		}
	}
	server.Mean /= float64(max(n, 1))
	if n == 0 && server.Memory == 0 {
		return c, nil
	}
	return c, &server
}
