package report

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// Merge adds the reports of several machines that tested a server at the same time
// with the same phases, and judges the whole by the objectives of the first.
func Merge(reports []*Report) (*Report, error) {
	if len(reports) == 0 {
		return nil, errors.New("no report")
	}
	first := reports[0]
	out := &Report{Schema: Name, Version: Version, Tool: first.Tool, Started: first.Started, URL: first.URL, Dialect: first.Dialect, Phases: []Phase{}}
	for i, r := range reports {
		if len(r.Phases) != len(first.Phases) {
			return nil, fmt.Errorf("report %d has %d phases, the first %d", i+1, len(r.Phases), len(first.Phases))
		}
		out.Machines += r.Machines
		out.Seconds = max(out.Seconds, r.Seconds)
		out.Interrupted = out.Interrupted || r.Interrupted
		out.mergeFaults(r.Faults)
		out.Client.add(&r.Client)
		if r.Server != nil {
			if out.Server == nil {
				out.Server = &Server{}
			}
			out.Server.CPU, out.Server.Mean = max(out.Server.CPU, r.Server.CPU), max(out.Server.Mean, r.Server.Mean)
			out.Server.Memory, out.Server.Outbox = max(out.Server.Memory, r.Server.Memory), max(out.Server.Outbox, r.Server.Outbox)
		}
	}
	var objectives []plan.Objective
	for _, o := range first.Objectives {
		parsed, err := plan.ParseObjective(o.Text)
		if err != nil {
			return nil, err
		}
		objectives = append(objectives, parsed)
	}
	for n := range first.Phases {
		var parts []part
		for i, r := range reports {
			if r.Phases[n].Name != first.Phases[n].Name {
				return nil, fmt.Errorf("phase %d is %q in report %d, and %q in the first", n+1, r.Phases[n].Name, i+1, first.Phases[n].Name)
			}
			parts = append(parts, part{&r.Phases[n], r.Started, r.Machines})
		}
		p, err := mergePhases(parts, objectives)
		if err != nil {
			return nil, err
		}
		out.Phases = append(out.Phases, *p)
	}
	out.Judge(objectives)
	return out, nil
}

func (r *Report) mergeFaults(kinds []FaultKind) {
	if r.Faults == nil {
		r.Faults = []FaultKind{}
	}
	for _, k := range kinds {
		at := slices.IndexFunc(r.Faults, func(have FaultKind) bool { return have.Kind == k.Kind })
		if at < 0 {
			r.Faults = append(r.Faults, k)
			continue
		}
		have := &r.Faults[at]
		have.Count += k.Count
		have.Examples = append(slices.Clip(have.Examples), k.Examples...)
	}
}

// add adds another machine.
func (c *Client) add(o *Client) {
	c.Limit = c.Limit || o.Limit
	c.Reasons = append(c.Reasons, o.Reasons...)
	c.Cores += o.Cores
	c.CPU += o.CPU
	c.Memory += o.Memory
	c.Descriptors += o.Descriptors
	c.DialsFailed += o.DialsFailed
}

// mergePhases adds the same phase of several machines.
func mergePhases(parts []part, objectives []plan.Objective) (*Phase, error) {
	out := *parts[0].Phase
	out.Counts, out.Rooms, out.Rate = Counts{}, 0, 0
	out.Times, out.Errors, out.Closes = map[string]Times{}, map[string]int{}, map[string]int{}
	out.Steps, out.Intervals, out.WebRTC = nil, nil, nil
	for _, p := range parts {
		out.Rooms += p.Rooms
		out.Rate += p.Rate
		out.Seconds = max(out.Seconds, p.Seconds)
		out.Counts.add(&p.Counts)
		addCounts(out.Errors, p.Errors)
		addCounts(out.Closes, p.Closes)
		if err := addTimes(out.Times, p.Times); err != nil {
			return nil, err
		}
		if p.WebRTC != nil {
			if out.WebRTC == nil {
				out.WebRTC = &WebRTC{Stages: map[string]Times{}, Failures: map[string]int{}, Outcomes: map[string]int{}}
			}
			if err := out.WebRTC.add(p.WebRTC); err != nil {
				return nil, err
			}
		}
	}
	if len(parts[0].Steps) > 0 {
		if err := out.mergeFlood(parts, objectives); err != nil {
			return nil, err
		}
	}
	var err error
	out.Intervals, err = mergeIntervals(parts)
	return &out, err
}

func (c *Counts) add(o *Counts) {
	c.Sent += o.Sent
	c.Unsent += o.Unsent
	c.Due += o.Due
	c.Received += o.Received
	c.ReceivedBytes += o.ReceivedBytes
	c.Lost += o.Lost
	c.ExpectedLosses += o.ExpectedLosses
	c.Refused += o.Refused
	c.Joins += o.Joins
	c.Renewals += o.Renewals
	c.Leaves += o.Leaves
	c.Cuts += o.Cuts
	c.Breaks += o.Breaks
	c.Flaps += o.Flaps
	c.Resumes += o.Resumes
	c.Kept += o.Kept
	c.Resent += o.Resent
	c.TooLate += o.TooLate
	c.Calls += o.Calls
	c.Answered += o.Answered
	c.Abandoned += o.Abandoned
}

func addCounts(to, from map[string]int) {
	for name, n := range from {
		to[name] += n
	}
}

// addTimes adds histograms by name.
func addTimes(to, from map[string]Times) error {
	for name, t := range from {
		sum, err := addHistograms(to[name], t)
		if err != nil {
			return err
		}
		to[name] = sum
	}
	return nil
}

func addHistograms(a, b Times) (Times, error) {
	x, err := a.Hdr()
	if err != nil {
		return a, err
	}
	y, err := b.Hdr()
	if err != nil {
		return a, err
	}
	x.Merge(y)
	return TimesOf(x, true), nil
}

func (w *WebRTC) add(o *WebRTC) error {
	w.Pairs += o.Pairs
	w.Up += o.Up
	w.Failed += o.Failed
	w.Echoes += o.Echoes
	w.Relayed += o.Relayed
	addCounts(w.Failures, o.Failures)
	addCounts(w.Outcomes, o.Outcomes)
	return addTimes(w.Stages, o.Stages)
}

// mergeIntervals adds the intervals that lie at the same second.
func mergeIntervals(parts []part) ([]Interval, error) {
	bySecond := map[int]*Interval{}
	for _, p := range parts {
		for i := range p.Intervals {
			from := p.Intervals[i]
			key := int(from.At + .5)
			to := bySecond[key]
			if to == nil {
				bySecond[key] = &from
				continue
			}
			if err := to.add(&from); err != nil {
				return nil, err
			}
		}
	}
	list := []Interval{}
	for _, key := range slices.Sorted(maps.Keys(bySecond)) {
		list = append(list, *bySecond[key])
	}
	return list, nil
}

func (i *Interval) add(o *Interval) (err error) {
	i.Members += o.Members
	i.Connections += o.Connections
	i.Sent += o.Sent
	i.Unsent += o.Unsent
	i.Received += o.Received
	i.Errors += o.Errors
	i.Faults += o.Faults
	i.Late, i.ReadLate, i.Wait = max(i.Late, o.Late), max(i.ReadLate, o.ReadLate), max(i.Wait, o.Wait)
	i.ClientCPU += o.ClientCPU
	i.ClientBytes += o.ClientBytes
	for _, m := range []struct{ to, from **float64 }{
		{&i.ServerCPU, &o.ServerCPU}, {&i.ServerMemory, &o.ServerMemory}, {&i.ServerOutbox, &o.ServerOutbox},
	} {
		if *m.to == nil || *m.from != nil && **m.from > **m.to {
			*m.to = *m.from
		}
	}
	i.Latency, err = addHistograms(i.Latency, o.Latency)
	return err
}
