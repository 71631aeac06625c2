package report

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"time"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"millis": Millis, "seconds": seconds, "short": short, "bytes": bytesText, "counts": CountsText,
	"number":    func(n int) string { return short(float64(n)) },
	"when":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"objective": func(o Objective) string { return o.line() },
	"stages":    func() []string { return Stages },
	"add":       func(a, b int) int { return a + b },
}).Parse(pageText))

// HTML writes the report as one page that needs nothing else.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }

// Status is the verdict in a word.
func (v *Verdict) Status() string {
	switch {
	case v.Pass:
		return "pass"
	case v.Exit == ExitLimit:
		return "none"
	}
	return "fail"
}

// Total returns how many faults there are.
func (r *Report) Total() int { return r.total() }

// Rate returns the messages received a second.
func (p *Phase) PerSecond() float64 { return float64(p.Counts.Received) / max(p.Seconds, .001) }

// Named are the times of a phase that were measured, in an order.
func (p *Phase) Named() (list []NamedTimes) {
	names := map[string]string{"latency": "all messages", "offer": "offers", "answer": "answers", "candidate": "candidates",
		"message": "messages to everybody", "join": "joins", "setup": "calls, without think time", "late": "this client's lateness", "read_late": "its lateness in reading"}
	for _, name := range []string{"latency", "offer", "answer", "candidate", "message", "setup", "join", "late", "read_late"} {
		if t, ok := p.Times[name]; ok && t.Count > 0 {
			list = append(list, NamedTimes{names[name], t})
		}
	}
	return list
}

// NamedTimes are times and what they are of.
type NamedTimes struct {
	Name string
	Times
}

// sortedSteps returns steps by their rate.
func sortedSteps(steps []Step) []Step {
	return slices.SortedFunc(slices.Values(steps), func(a, b Step) int { return cmp.Compare(a.Rate, b.Rate) })
}
