package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// Units of objectives without a value.
const (
	unmeasured = "not measured"
	bySteps    = "held against each step of the flood"
)

// total returns how many faults there are.
func (r *Report) total() (n int) {
	for _, k := range r.Faults {
		n += k.Count
	}
	return n
}

// of returns how many faults of a kind there are.
func (r *Report) of(kind string) (n int) {
	for _, k := range r.Faults {
		if k.Kind == kind {
			n += k.Count
		}
	}
	return n
}

// judgedApart are the kinds of faults that an objective may allow. Without one, each is a
// fault as all others.
var judgedApart = map[string]string{plan.MetricBreaks: crowd.Broken, plan.MetricFlaps: crowd.Flap, plan.MetricSessions: crowd.SessionLost}

// Judge holds the report against the objectives and says what that means.
func (r *Report) Judge(objectives []plan.Objective) {
	r.Objectives = []Objective{}
	missed, spoiled := 0, 0
	for i := range objectives {
		o := r.hold(&objectives[i])
		if !o.Met {
			missed++
			if objectives[i].Spoiled() && o.Unit != unmeasured {
				spoiled++
			}
		}
		r.Objectives = append(r.Objectives, o)
	}
	faults := r.total()
	for _, metric := range []string{plan.MetricBreaks, plan.MetricFlaps, plan.MetricSessions} {
		n := r.of(judgedApart[metric])
		if slices.ContainsFunc(objectives, func(o plan.Objective) bool { return o.Metric == metric }) {
			faults -= n
			continue
		}
		r.Objectives = append(r.Objectives, Objective{Text: metric + "=0", Value: float64(n), Met: n == 0})
	}
	r.decide(faults, missed, missed == spoiled)
	if r.Interrupted {
		r.Verdict.Text += fmt.Sprintf("; the run was interrupted after %s", seconds(r.Seconds))
	}
	if text := r.unsent(); text != "" {
		r.Verdict.Text += "; " + text
	}
}

// decide makes the verdict of the faults that no objective is about and of the missed
// objectives; excusable: a limit of this client can be why each of them was missed.
func (r *Report) decide(faults, missed int, excusable bool) {
	sent, expected, floods := 0, false, 0
	for i := range r.Phases {
		p := &r.Phases[i]
		sent += p.Counts.Received
		expected = expected || plan.Profile(p.Profile).Traffic()
		if len(p.Steps) > 0 && p.Knee == 0 && p.NoKnee == "" {
			floods++
		}
	}
	v := &r.Verdict
	*v = Verdict{Exit: ExitFailed}
	switch {
	case faults > 0:
		v.Text = fmt.Sprintf("FAIL: %s", count(faults, "fault"))
		if apart := r.total() - faults; apart > 0 {
			v.Text += fmt.Sprintf(", besides %d that objectives are about", apart)
		}
		if missed > 0 {
			v.Text += fmt.Sprintf(", and %s not met", count(missed, "objective"))
		}
	case r.Client.DialsFailed > 0:
		v.Exit, v.Text = ExitLimit, "NO VERDICT: this client could not open all connections"
	case missed+floods > 0 && excusable && r.Client.Limit:
		v.Exit, v.Text = ExitLimit, "NO VERDICT: an objective was not met, but this client was the limit, not the server"
	case missed > 0:
		v.Text = fmt.Sprintf("FAIL: %s not met", count(missed, "objective"))
	case floods > 0:
		v.Text = "FAIL: not even the first rate of the flood met the objectives"
	case expected && sent == 0:
		v.Text = "FAIL: no message was sent"
	default:
		v.Pass, v.Exit = true, ExitOK
		v.Text = "PASS: every message came once, in order, to the right member, unchanged; all members saw the same membership"
		if !expected {
			v.Text = "PASS: everybody stayed, and all members saw the same membership"
		}
	}
}

// leastSent is the share of the planned load that a run stands for without a word: with
// less, a server that lets members go would look faster for it.
const leastSent = .97

// sentShare returns the share of the messages that were due which were sent.
func sentShare(sent, unsent int) float64 {
	if sent+unsent == 0 {
		return 1
	}
	return float64(sent) / float64(sent+unsent)
}

// unsent says where too little of the planned load was sent; "": nowhere.
func (r *Report) unsent() string {
	var parts []string
	for i := range r.Phases {
		p := &r.Phases[i]
		share := sentShare(p.Counts.Sent, p.Counts.Unsent)
		if share >= leastSent || len(p.Steps) > 0 { // steps are judged one by one
			continue
		}
		parts = append(parts, fmt.Sprintf("in phase %q only %.1f %% of the planned load could be sent", p.Name, 100*share))
	}
	return strings.Join(parts, ", ")
}

// hold measures one objective; the worst phase counts.
func (r *Report) hold(o *plan.Objective) Objective {
	out := Objective{Text: o.Text, Value: math.NaN()}
	worse := func(v float64, phase string) {
		higher := o.Op == ">" || o.Op == ">="
		if math.IsNaN(out.Value) || higher && v < out.Value || !higher && v > out.Value {
			out.Value, out.Phase = v, phase
		}
	}
	lost, excused := 0, 0
	for i := range r.Phases {
		p := &r.Phases[i]
		lost += p.Counts.Lost
		excused += p.Counts.ExpectedLosses
		switch {
		case o.Metric == plan.MetricLoss && o.Percent:
			worse(float64(p.Counts.Lost)/float64(max(p.Counts.Due, 1)), p.Name)
		case o.Metric == plan.MetricExcused && o.Percent:
			worse(float64(p.Counts.ExpectedLosses)/float64(max(p.Counts.Due, 1)), p.Name)
		case o.Time() && len(p.Steps) > 0: // the steps have been held against it
		case o.Time():
			if v, ok := p.quantile(o); ok {
				worse(v, p.Name)
			}
		case o.Metric == plan.MetricSent && p.Counts.Sent+p.Counts.Unsent > 0:
			worse(sentShare(p.Counts.Sent, p.Counts.Unsent), p.Name)
		case o.Metric == plan.MetricRate && p.Seconds > 0 && p.Counts.Sent > 0:
			worse(float64(p.Counts.Received)/p.Seconds, p.Name)
		case o.Metric == plan.MetricKnee && len(p.Steps) > 0 && p.NoKnee == "":
			worse(p.Knee, p.Name)
		}
	}
	if v, ok := r.overall(o, lost, excused); ok {
		out.Value = v
	}
	if math.IsNaN(out.Value) {
		out.Value, out.Unit = 0, unmeasured
		if o.Time() && r.floodsOnly() {
			out.Unit, out.Met = bySteps, r.kneesFound()
		}
		return out
	}
	out.Met = o.Met(out.Value)
	switch {
	case o.Time():
		out.Value, out.Unit = out.Value*1000, "ms"
	case o.Percent:
		out.Value, out.Unit = out.Value*100, "%"
	case o.Metric == plan.MetricRate || o.Metric == plan.MetricKnee:
		out.Unit = "/s"
	case o.Metric == plan.MetricServerRSS:
		out.Unit = "MB"
	}
	return out
}

// overall returns the value of a metric that no phase has of its own; lost and excused are
// messages of all phases.
func (r *Report) overall(o *plan.Objective, lost, excused int) (value float64, ok bool) {
	switch {
	case o.Metric == plan.MetricLoss && !o.Percent:
		return float64(lost), true
	case o.Metric == plan.MetricExcused && !o.Percent:
		return float64(excused), true
	case judgedApart[o.Metric] != "":
		return float64(r.of(judgedApart[o.Metric])), true
	case o.Metric == plan.MetricFaults:
		return float64(r.total()), true
	case o.Metric == plan.MetricServerCPU && r.Server != nil:
		return r.Server.Mean, true
	case o.Metric == plan.MetricServerRSS && r.Server != nil:
		return r.Server.Memory / 1e6, true
	}
	return 0, false
}

// floodsOnly reports whether times were held against each step, and nothing else.
func (r *Report) floodsOnly() bool {
	for i := range r.Phases {
		if len(r.Phases[i].Steps) == 0 {
			return false
		}
	}
	return true
}

// kneesFound reports whether some rate of each flood met the objectives.
func (r *Report) kneesFound() bool {
	return !slices.ContainsFunc(r.Phases, func(p Phase) bool { return len(p.Steps) > 0 && p.Knee == 0 && p.NoKnee == "" })
}

// quantile returns a phase's value for an objective, in seconds.
func (p *Phase) quantile(o *plan.Objective) (seconds float64, ok bool) {
	t, ok := p.Times[o.Metric]
	if o.Metric == plan.MetricSetup && p.WebRTC != nil {
		t, ok = p.WebRTC.Stages[plan.MetricSetup]
	}
	if !ok {
		return 0, false
	}
	return t.At(o.Quantile)
}

// count says how many of something there are.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
