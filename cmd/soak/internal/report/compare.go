package report

import (
	"fmt"
	"io"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Bounds of a comparison.
const (
	alpha      = .01 // differences that noise makes more often than this are noise
	worseShare = .05 // a difference of less than this share is none that matters
	fewest     = 6   // intervals of each report, at least
	blocks     = 16  // parts whose medians are compared: neighbouring seconds are alike
)

// Difference is how one figure of two reports differs.
type Difference struct {
	Phase, Metric string
	A, B          float64 // medians
	P             float64 // probability that noise alone differs so
	Verdict       string  // worse, better, same, or unknown: too few intervals
	text          func(float64) string
}

// Verdicts of a Difference.
const (
	Worse   = "worse"
	Better  = "better"
	Same    = "same"
	Unknown = "unknown"
)

// metric is a figure of each interval that reports are compared by.
type metric struct {
	name   string
	higher bool // is better
	text   func(float64) string
	of     func(*Interval) (float64, bool)
}

var metrics = []metric{
	{"latency p50", false, Millis, func(i *Interval) (float64, bool) { return i.Latency.P50, i.Latency.Count > 0 }},
	{"latency p99", false, Millis, func(i *Interval) (float64, bool) { return i.Latency.P99, i.Latency.Count > 0 }},
	{"received/s", true, short, func(i *Interval) (float64, bool) { return float64(i.Received) / i.Seconds, i.Latency.Count > 0 }},
	{"server CPU", false, short, func(i *Interval) (float64, bool) { return deref(i.ServerCPU), i.ServerCPU != nil }},
	{"server memory", false, bytesText, func(i *Interval) (float64, bool) { return deref(i.ServerMemory), i.ServerMemory != nil }},
}

func deref(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// Comparable reports whether two reports have a phase in common.
func Comparable(a, b *Report) bool {
	return slices.ContainsFunc(a.Phases, func(p Phase) bool {
		return slices.ContainsFunc(b.Phases, func(q Phase) bool { return p.Name == q.Name })
	})
}

// Compare tells how report b differs from a, phase by phase of the same name.
func Compare(a, b *Report) (list []Difference) {
	for i := range a.Phases {
		for j := range b.Phases {
			if p, q := &a.Phases[i], &b.Phases[j]; p.Name == q.Name {
				for _, m := range metrics {
					if d, ok := m.compare(p, q); ok {
						list = append(list, d)
					}
				}
				if p.Knee > 0 && q.Knee > 0 {
					list = append(list, single(p.Name, "knee", p.Knee, q.Knee, true))
				}
				break
			}
		}
	}
	for _, c := range []struct {
		name string
		a, b int
	}{{"faults", a.total(), b.total()}, {"lost", a.lost(), b.lost()}} {
		d := single("all", c.name, float64(c.a), float64(c.b), false)
		if c.a != c.b { // any one counts
			d.Verdict = map[bool]string{true: Worse, false: Better}[c.b > c.a]
		}
		list = append(list, d)
	}
	return list
}

func (r *Report) lost() (n int) {
	for i := range r.Phases {
		n += r.Phases[i].Counts.Lost
	}
	return n
}

// single compares two figures of which there is one each.
func single(phase, name string, a, b float64, higher bool) Difference {
	return Difference{Phase: phase, Metric: name, A: a, B: b, Verdict: direction(a, b, higher), text: short}
}

// direction says whether b is better than a by a share that matters.
func direction(a, b float64, higher bool) string {
	switch {
	case b > a*(1+worseShare) && !higher || b < a*(1-worseShare) && higher:
		return Worse
	case b < a*(1-worseShare) && !higher || b > a*(1+worseShare) && higher:
		return Better
	}
	return Same
}

// compare compares a figure of two phases.
func (m *metric) compare(p, q *Phase) (Difference, bool) {
	a, b := m.values(p), m.values(q)
	if len(a) == 0 || len(b) == 0 {
		return Difference{}, false
	}
	d := Difference{Phase: p.Name, Metric: m.name, A: median(a), B: median(b), Verdict: Unknown, P: 1, text: m.text}
	if len(a) < fewest || len(b) < fewest {
		return d, true
	}
	thresholds := &benchmath.Thresholds{CompareAlpha: alpha}
	d.P = benchmath.AssumeNothing.Compare(benchmath.NewSample(inBlocks(a), thresholds), benchmath.NewSample(inBlocks(b), thresholds)).P
	if d.Verdict = Same; d.P < alpha {
		d.Verdict = direction(d.A, d.B, m.higher)
	}
	return d, true
}

// values returns a figure of each interval but the first and the last, which are not
// whole.
func (m *metric) values(p *Phase) (list []float64) {
	for i := range p.Intervals {
		if v, ok := m.of(&p.Intervals[i]); ok {
			list = append(list, v)
		}
	}
	if len(list) > fewest+2 {
		list = list[1 : len(list)-1]
	}
	return list
}

// inBlocks returns the medians of as many stretches.
func inBlocks(values []float64) []float64 {
	if len(values) <= blocks {
		return values
	}
	var out []float64
	for i := range blocks {
		out = append(out, median(values[i*len(values)/blocks:(i+1)*len(values)/blocks]))
	}
	return out
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// WriteComparison tells differences, and reports whether one is for the worse.
func WriteComparison(w io.Writer, list []Difference) (worse bool) {
	fmt.Fprintf(w, "%-14s %-14s %10s %10s %8s %8s  %s\n", "phase", "", "A", "B", "change", "p", "B is")
	for _, d := range list {
		change := "–"
		if d.A != 0 {
			change = fmt.Sprintf("%+.1f%%", 100*(d.B-d.A)/d.A)
		}
		p := "–"
		if d.P > 0 {
			p = fmt.Sprintf("%.3f", d.P)
		}
		fmt.Fprintf(w, "%-14s %-14s %10s %10s %8s %8s  %s\n", d.Phase, d.Metric, d.text(d.A), d.text(d.B), change, p, d.Verdict)
		worse = worse || d.Verdict == Worse
	}
	if worse {
		fmt.Fprintln(w, "B is worse than A.")
	} else {
		fmt.Fprintln(w, "B is no worse than A.")
	}
	return worse
}
