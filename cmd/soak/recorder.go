package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
	"github.com/parley-rtc/parley/cmd/soak/internal/watch"
)

// mostIntervals bounds those of a phase: longer phases have longer ones.
const mostIntervals = 600

// recorder collects what the crowd counts, interval by interval, with how the two
// ends did.
type recorder struct {
	// Set by newRecorder, then read only.
	crowd *crowd.Crowd
	plan  *plan.Plan
	out   *output
	over  chan struct{} // closed by stop
	ended sync.WaitGroup

	mu        sync.Mutex // guards what follows
	phase     *plan.Phase
	every     time.Duration
	at        time.Duration // of the last interval's end
	until     time.Duration // when traffic is to end; 0: there is none
	intervals []report.Interval
	interval  *crowd.Tally
	total     *crowd.Tally // of the phase
	window    *crowd.Tally // since mark
	faults    int

	watcher     *watch.Watcher
	scraper     *watch.Scraper // nil: no metrics
	server      watch.Server   // as last seen
	scraped     bool           // once at least
	descriptors int
}

func newRecorder(c *crowd.Crowd, p *plan.Plan, out *output) (*recorder, error) {
	r := &recorder{crowd: c, plan: p, out: out, over: make(chan struct{}), watcher: watch.NewWatcher(),
		interval: crowd.NewTally(), total: crowd.NewTally(), window: crowd.NewTally(), server: watch.Unknown, every: time.Second}
	if p.MetricsURL != "" {
		var err error
		if r.scraper, err = watch.NewScraper(p.MetricsURL, p.MetricsAuth); err != nil {
			return nil, err
		}
	}
	r.ended.Go(r.run)
	return r, nil
}

// run ends an interval each second, or after longer, and shows progress.
func (r *recorder) run() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-r.over:
			return
		}
		r.scrape()
		r.mu.Lock()
		if r.phase != nil {
			r.collect(r.crowd.Now()-r.at >= r.every-time.Second/10)
			r.show()
		}
		r.mu.Unlock()
	}
}

func (r *recorder) stop() {
	close(r.over)
	r.ended.Wait()
}

// scrape reads the server's metrics.
func (r *recorder) scrape() {
	if r.scraper == nil {
		return
	}
	s, err := r.scraper.Look(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !r.scraped {
		r.out.say("no metrics: %v", err)
	}
	r.server, r.scraped = s, true
}

// begin starts a phase.
func (r *recorder) begin(p *plan.Phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.crowd.Collect(crowd.NewTally()) // what came in between belongs to no phase
	r.phase, r.at, r.until = p, r.crowd.Now(), 0
	r.every = max(time.Second, (p.Duration / mostIntervals).Truncate(time.Second))
	r.intervals = []report.Interval{}
	r.interval, r.total, r.window = crowd.NewTally(), crowd.NewTally(), crowd.NewTally()
}

// traffic notes that traffic begins, and how long it is to last.
func (r *recorder) traffic(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = r.crowd.Now() + d
}

// collect takes what has been counted, and ends the interval if close is set.
func (r *recorder) collect(closing bool) {
	news := crowd.NewTally()
	r.crowd.Collect(news)
	r.interval.Add(news)
	r.total.Add(news)
	r.window.Add(news)
	if !closing {
		return
	}
	now := r.crowd.Now()
	census, self, faults := r.crowd.Census(), r.watcher.Look(), r.crowd.Faults.Total()
	r.descriptors = max(r.descriptors, self.Descriptors)
	r.intervals = append(r.intervals, report.Interval{
		At: now.Seconds(), Seconds: (now - r.at).Seconds(),
		Members: census.Members, Connections: census.Connections,
		Sent: int(r.interval.Sent), Unsent: int(r.interval.Unsent), Received: int(r.interval.Received), Errors: int(r.interval.Refusals()), Faults: faults - r.faults,
		Latency: report.TimesOf(r.interval.All(), true), Late: report.TimesOf(r.interval.Late, false).P99, ReadLate: report.TimesOf(r.interval.ReadLate, false).P99,
		ClientCPU: self.CPU, ClientBytes: float64(self.Memory), Wait: float64(self.Wait.Microseconds()) / 1000,
		ServerCPU: known(r.server.CPU), ServerMemory: known(r.server.Memory), ServerOutbox: known(r.server.Outbox),
	})
	r.at, r.faults = now, faults
	r.interval = crowd.NewTally()
}

// known returns a metric, or nil where it is not known.
func known(v float64) *float64 {
	if v < 0 {
		return nil
	}
	return &v
}

// mark starts a window.
func (r *recorder) mark() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect(false)
	r.window = crowd.NewTally()
}

// since returns what has been counted since the mark.
func (r *recorder) since() *crowd.Tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect(false)
	return r.window.Clone()
}

// received returns how many messages have been received in this phase.
func (r *recorder) received() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect(false)
	return r.total.Received
}

// count returns how many intervals the phase has so far.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.intervals)
}

// after returns the intervals of the phase from a number on.
func (r *recorder) after(n int) []report.Interval {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.intervals[n:])
}

// show tells how the phase goes.
func (r *recorder) show() {
	if len(r.intervals) == 0 {
		return
	}
	i := &r.intervals[len(r.intervals)-1]
	status := fmt.Sprintf("%s  %d members  %.0f msg/s  p50 %s  p99 %s  %d faults", r.phase.Name, i.Members,
		float64(i.Received)/i.Seconds, report.Millis(i.Latency.P50), report.Millis(i.Latency.P99), r.faults)
	if i.Unsent > 0 {
		status += fmt.Sprintf("  %d not sent", i.Unsent)
	}
	if left := r.until - r.crowd.Now(); left > 0 {
		status += fmt.Sprintf("  %s left", left.Round(time.Second))
	}
	r.out.status(status)
}

// end ends a phase and fills in what came of it.
func (r *recorder) end(out *report.Phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collect(true)
	t := r.total
	out.Counts = report.Counts{
		Sent: int(t.Sent), Unsent: int(t.Unsent), Due: int(t.Due), Received: int(t.Received), ReceivedBytes: int(t.Bytes), Lost: int(t.Lost),
		ExpectedLosses: int(t.Expected), Refused: int(t.Explained), Joins: int(t.Joins), Renewals: int(t.Renewals), Leaves: int(t.Leaves),
		Cuts: int(t.Cuts), Breaks: int(t.Breaks), Flaps: int(t.Flaps), Resumes: int(t.Resumes),
		Kept: int(t.Kept), Resent: int(t.Resent), TooLate: int(t.TooLate), Calls: int(t.Calls), Answered: int(t.Answered), Abandoned: int(t.Abandoned),
	}
	out.Times = map[string]report.Times{
		plan.MetricLatency: report.TimesOf(t.All(), true),
		plan.MetricJoin:    report.TimesOf(t.Join, true),
		plan.MetricSetup:   report.TimesOf(t.Setup, true),
		"outage":           report.TimesOf(t.Outage, true),
		"late":             report.TimesOf(t.Late, true),
		"read_late":        report.TimesOf(t.ReadLate, true),
	}
	for k, h := range t.Latency {
		if h.TotalCount() > 0 {
			out.Times[payload.Kind(k).String()] = report.TimesOf(h, true)
		}
	}
	out.Errors, out.Closes = counts(t.Errors), counts(t.Closes)
	out.Intervals = r.intervals
	r.phase = nil
}

func counts(m map[string]uint64) map[string]int {
	out := make(map[string]int, len(m))
	for name, n := range m {
		out[name] = int(n)
	}
	return out
}
