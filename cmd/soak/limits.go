package main

import (
	"fmt"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// This process was the limit where it used nearly all of its cores in a good part of
// the intervals, or where its own lateness is a good part of the latency: in sending,
// in reading what the system already had, or in waiting for a core that another
// process, the server perhaps, was using.
const (
	busyCores     = .92 // of the cores
	busyIntervals = .25 // of the intervals
	lateShare     = .5  // of the latency's 99th percentile
	lateLeast     = 1.0 // milliseconds: less is no matter
)

// timing is the times that a limit shows in.
type timing struct{ latency, late, readLate report.Times }

// limitOf says why this process was the limit of what times and intervals have
// counted; "": it was not.
func limitOf(t *timing, intervals []report.Interval, cores int) string {
	busy, waited, n := 0, 0, 0
	for _, i := range intervals {
		if i.Sent == 0 {
			continue
		}
		n++
		if i.ClientCPU > busyCores*float64(cores) {
			busy++
		}
		if matters(i.Wait, i.Latency.P99) {
			waited++
		}
	}
	many := func(some int) bool { return n > 0 && float64(some) >= busyIntervals*float64(n) }
	switch {
	case many(busy):
		return fmt.Sprintf("this process used all of its %d cores for %d of %d intervals", cores, busy, n)
	case matters(t.late.P99, t.latency.P99):
		return fmt.Sprintf("this process sent late: p99 %s of a latency of %s", report.Millis(t.late.P99), report.Millis(t.latency.P99))
	case matters(t.readLate.P99, t.latency.P99):
		return fmt.Sprintf("this process read late: p99 %s of a latency of %s", report.Millis(t.readLate.P99), report.Millis(t.latency.P99))
	case many(waited):
		return fmt.Sprintf("this process waited for a core in %d of %d intervals, for half of the latency or more", waited, n)
	}
	return ""
}

// matters reports whether a lateness is a good part of a latency, both in milliseconds.
func matters(late, latency float64) bool { return late > lateLeast && late > lateShare*latency }

// windowLimit is limitOf for a window of a flood.
func windowLimit(t *crowd.Tally, intervals []report.Interval, cores int) string {
	return limitOf(&timing{report.TimesOf(t.All(), false), report.TimesOf(t.Late, false), report.TimesOf(t.ReadLate, false)}, intervals, cores)
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
		reason := limitOf(&timing{p.Times["latency"], p.Times["late"], p.Times["read_late"]}, p.Intervals, c.Cores)
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
