package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Text writes the summary for people.
func (r *Report) Text(w io.Writer) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "%-10s%s\n", label, fmt.Sprintf(format, args...))
	}
	for i := range r.Phases {
		p := &r.Phases[i]
		if len(r.Phases) > 1 {
			fmt.Fprintln(w)
			line("phase", "%s (%s)", p.Name, p.Profile)
		}
		p.text(line)
	}
	if r.Server != nil {
		line("server", "CPU %.2f cores at most, %.2f on average; memory %s at most; outboxes %s at most",
			r.Server.CPU, r.Server.Mean, bytesText(r.Server.Memory), bytesText(r.Server.Outbox))
	}
	line("client", "CPU %.2f of %d cores at most; memory %s at most; %d descriptors", r.Client.CPU, r.Client.Cores, bytesText(r.Client.Memory), r.Client.Descriptors)
	if r.Client.DialsFailed > 0 {
		line("LIMIT", "%s could not be opened for want of descriptors or ports", count(r.Client.DialsFailed, "connection"))
	}
	if !r.Verdict.Pass {
		for _, reason := range r.Client.Reasons {
			line("LIMIT", "%s", reason)
		}
	}
	for _, k := range r.Faults {
		line("FAULT", "%s: %d", k.Kind, k.Count)
		for _, f := range k.Examples {
			f.Fault.At = time.Duration(f.At * float64(time.Second))
			line("", "  %s", f.String())
		}
		if more := k.Count - len(k.Examples); more > 0 {
			line("", "  … and %d more", more)
		}
	}
	for _, o := range r.Objectives {
		line("OBJECTIVE", "%s", o.line())
	}
	fmt.Fprintln(w, r.Verdict.Text)
}

// line tells an objective, its value, and whether it was met.
func (o *Objective) line() string {
	s := o.Text + " "
	if o.Met {
		s += "met"
	} else {
		s += "NOT MET"
	}
	switch o.Unit {
	case unmeasured, bySteps:
		s += ": " + o.Unit
	case "ms":
		s += ": " + Millis(o.Value)
	default:
		s += fmt.Sprintf(": %s%s", figure(o.Value), o.Unit)
	}
	if o.Phase != "" {
		s += " in " + o.Phase
	}
	return s
}

// memberships writes what became of memberships and their connections.
func (p *Phase) memberships(line func(label, format string, args ...any)) {
	c := &p.Counts
	if c.Renewals > 0 {
		line("renewed", "%s", count(c.Renewals, "token"))
	}
	if c.Leaves > 0 {
		line("left", "%d members", c.Leaves)
	}
	if c.Cuts+c.Breaks+c.Resumes > 0 {
		line("broken", "%d connections were cut on purpose, %d broke", c.Cuts, c.Breaks)
	}
	if c.Resumes > 0 {
		line("resumed", "%d memberships%s", c.Resumes, tail(p.times("outage")))
		line("", "%d messages arrived after a resume, %d were sent again", c.Kept, c.Resent)
	}
	if c.Flaps > 0 {
		line("flaps", "%d times a member was told that another had left, and it had not", c.Flaps)
	}
	if c.TooLate > 0 {
		line("too late", "%d messages came after they had been counted as lost", c.TooLate)
	}
}

// text writes a phase.
func (p *Phase) text(line func(label, format string, args ...any)) {
	c := &p.Counts
	line("members", "%d in %s", p.Rooms*p.Peers, count(p.Rooms, "room"))
	if c.Joins > 0 {
		line("joins", "%d: %s", c.Joins, p.times("join"))
	}
	if c.Sent > 0 {
		line("messages", "%d sent, %d received in %s: %.0f a second", c.Sent, c.Received, seconds(p.Seconds), float64(c.Received)/max(p.Seconds, .001))
		line("latency", "%s", p.times("latency"))
	}
	if c.Unsent > 0 {
		line("not sent", "%d messages that were due, %.1f %% of all: nobody was ready, or the connection was gone", c.Unsent, 100*(1-sentShare(c.Sent, c.Unsent)))
	}
	if c.Calls > 0 {
		line("calls", "%d, %d answered%s", c.Calls, c.Answered, tail(p.times("setup")))
	}
	if c.ExpectedLosses+c.Refused > 0 {
		line("explained", "%d messages lost, as their receiver had left or their sender could not resume; %d answered with an error", c.ExpectedLosses, c.Refused)
	}
	p.memberships(line)
	for _, what := range []struct {
		label  string
		counts map[string]int
	}{{"errors", p.Errors}, {"closes", p.Closes}} {
		if len(what.counts) > 0 {
			line(what.label, "%s", CountsText(what.counts))
		}
	}
	for _, s := range p.Steps {
		verdict := "met"
		if !s.Met {
			verdict = s.Reason
		}
		line("step", "%8.0f/s  p50 %s  p99 %s  %s", s.Rate, Millis(s.Latency.P50), Millis(s.Latency.P99), verdict)
	}
	switch {
	case p.NoKnee != "":
		line("knee", "none: %s", p.NoKnee)
	case len(p.Steps) > 0:
		line("knee", "%s%.0f messages a second%s", p.AtLeast(), p.Knee, p.Stopped())
	}
	if v := p.WebRTC; v != nil {
		line("webrtc", "%s, %d up, %d failed, %d through TURN; %d echoes", count(v.Pairs, "pair"), v.Up, v.Failed, v.Relayed, v.Echoes)
		for _, stage := range Stages {
			if t, ok := v.Stages[stage]; ok && t.Count > 0 {
				line("", "%-8s %s", stage, t.String())
			}
		}
		if len(v.Outcomes) > 1 {
			line("", "outcomes: %s", CountsText(v.Outcomes))
		}
		if len(v.Failures) > 0 {
			line("", "failures: %s", CountsText(v.Failures))
		}
	}
}

// AtLeast says that no rate of a flood missed the objectives because of the server.
func (p *Phase) AtLeast() string {
	for _, s := range p.Steps {
		if !s.Met && !s.ClientLimit {
			return ""
		}
	}
	return "at least "
}

// Stopped says why a flood found no higher rate, where that was not the server.
func (p *Phase) Stopped() string {
	if p.AtLeast() != "" && slices.ContainsFunc(p.Steps, func(s Step) bool { return s.ClientLimit }) {
		return " (this client was the limit)"
	}
	return ""
}

// Stages are the parts of a real call's set-up, in their order, and the whole.
var Stages = []string{"join", "answer", "ice", "dtls", "channel", "setup"}

func (p *Phase) times(name string) string {
	t := p.Times[name]
	return t.String()
}

// tail sets a text off behind another.
func tail(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// String tells the quantiles in a line.
func (t *Times) String() string {
	if t.Count == 0 {
		return ""
	}
	return fmt.Sprintf("p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", Millis(t.P50), Millis(t.P90), Millis(t.P99), Millis(t.P999), Millis(t.Max))
}

// CountsText tells counts by name, the most frequent first.
func CountsText(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if d := counts[b] - counts[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// Millis tells a time of milliseconds with three figures.
func Millis(v float64) string {
	switch {
	case v < 1:
		return fmt.Sprintf("%.0fµs", v*1000)
	case v < 1000:
		return figure(v) + "ms"
	}
	return figure(v/1000) + "s"
}

// figure writes a number with three figures.
func figure(v float64) string {
	switch {
	case v == float64(int64(v)):
		return fmt.Sprintf("%d", int64(v))
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

func bytesText(b float64) string {
	switch {
	case b < 0:
		return "unknown"
	case b < 1e3:
		return fmt.Sprintf("%.0f B", b)
	case b < 1e6:
		return figure(b/1e3) + " KB"
	case b < 1e9:
		return figure(b/1e6) + " MB"
	}
	return figure(b/1e9) + " GB"
}
