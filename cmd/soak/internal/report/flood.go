package report

import (
	"fmt"
	"math"
	"time"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
)

// Step is one rate of a flood.
type Step struct {
	Rate     float64 `json:"rate"` // messages a second that were asked for
	At       float64 `json:"at_s"` // its beginning, since the run began
	Seconds  float64 `json:"seconds"`
	Sent     int     `json:"sent"`
	Unsent   int     `json:"unsent"`   // messages that were due and could not be sent
	Due      int     `json:"due"`      // deliveries that the messages sent in it should make
	Received int     `json:"received"` // deliveries
	Latency  Times   `json:"latency"`
	// Errors and Closes are those of the server, by code.
	Errors map[string]int `json:"errors,omitempty"`
	Closes map[string]int `json:"closes,omitempty"`
	Met    bool           `json:"met"`
	Reason string         `json:"reason,omitempty"` // why it was not met
	// ClientLimit says that it was not met for this process's own sake.
	ClientLimit bool `json:"client_limit,omitempty"`
}

// Bounds of a step.
const (
	relayShare = .97 // of what is due must arrive,
	underWay   = 50  // but for so many messages, which may be on their way
)

// defaultGoal is what a flood's rates are held against where nothing is said.
var defaultGoal, _ = plan.ParseObjective("p99<50ms")

// PerSecond returns the messages received a second.
func (s *Step) PerSecond() float64 { return float64(s.Received) / max(s.Seconds, .001) }

// Judge holds the step of so many machines against the objectives.
func (s *Step) Judge(objectives []plan.Objective, machines int) {
	switch {
	case len(s.Errors) > 0:
		s.Reason = "errors: " + CountsText(s.Errors)
	case len(s.Closes) > 0:
		s.Reason = "closed: " + CountsText(s.Closes)
	case sentShare(s.Sent, s.Unsent) < leastSent:
		s.Reason = fmt.Sprintf("only %.0f%% of the load could be sent", 100*sentShare(s.Sent, s.Unsent))
	case float64(s.Received+machines*underWay) < relayShare*float64(s.Due):
		s.Reason = fmt.Sprintf("only %.0f a second arrived", s.PerSecond())
	default:
		s.Reason = s.missed(objectives)
	}
	s.Met = s.Reason == ""
}

// missed says which objective the step's latencies miss.
func (s *Step) missed(objectives []plan.Objective) string {
	any := false
	for i := range objectives {
		o := &objectives[i]
		if o.Metric == plan.MetricLatency {
			any = true
			if v, ok := s.Latency.At(o.Quantile); ok && !o.Met(v) {
				return o.Text + " missed"
			}
		}
	}
	if v, ok := s.Latency.At(defaultGoal.Quantile); !any && ok && !defaultGoal.Met(v) {
		return defaultGoal.Text + " missed"
	}
	return ""
}

// How far a step of several machines may differ among them.
const (
	together = 500 * time.Millisecond // their beginnings: half of the time that a rate is kept before it is measured
	sameRate = 1e-9                   // the rates of a machine, as a share: they are computed
)

// part is a phase of one machine, and when that machine's run began.
type part struct {
	*Phase
	started  time.Time
	machines int
}

// mergeFlood adds the steps of several machines that kept the same rate at the same
// time, and finds the knee of the whole. Where machines did not step together no rate
// of the sum was ever offered: then all steps are told, and why there is no knee.
func (out *Phase) mergeFlood(parts []part, objectives []plan.Objective) error {
	steps, err := commonSteps(parts, objectives)
	if err != nil {
		return err
	}
	out.Knee, out.NoKnee = 0, ""
	if len(steps) == 0 {
		for _, p := range parts {
			out.Steps = append(out.Steps, p.Steps...)
		}
		out.NoKnee = "the machines did not step together: start them with the same --start-at, --rate and --step, and clocks that agree"
		return nil
	}
	out.Steps = steps
	for _, s := range steps {
		if s.Met {
			out.Knee = max(out.Knee, s.Rate)
		}
	}
	return nil
}

// commonSteps returns the sums of the first steps, as far as all machines began them at
// the same time and with the same rate.
func commonSteps(parts []part, objectives []plan.Objective) (list []Step, err error) {
	for n := 0; ; n++ {
		var sum Step
		machines := 0
		for i, p := range parts {
			if n >= len(p.Steps) {
				return list, nil
			}
			s := p.Steps[n]
			if i == 0 {
				sum = s
				sum.Errors, sum.Closes, sum.ClientLimit = map[string]int{}, map[string]int{}, false
				sum.Rate, sum.Sent, sum.Unsent, sum.Due, sum.Received, sum.Latency = 0, 0, 0, 0, 0, Times{}
			}
			first := parts[0]
			apart := p.started.Sub(first.started) + time.Duration((s.At-first.Steps[n].At)*float64(time.Second))
			rates := s.Rate * float64(first.machines) / (first.Steps[n].Rate * float64(p.machines))
			if apart.Abs() > together || math.Abs(rates-1) > sameRate {
				return list, nil
			}
			if err := sum.add(&s); err != nil {
				return nil, err
			}
			machines += p.machines
		}
		sum.Judge(objectives, machines)
		sum.ClientLimit = sum.ClientLimit && !sum.Met
		list = append(list, sum)
	}
}

// add adds the same step of another machine.
func (s *Step) add(o *Step) (err error) {
	s.Rate += o.Rate
	s.Seconds = math.Max(s.Seconds, o.Seconds)
	s.Sent += o.Sent
	s.Unsent += o.Unsent
	s.Due += o.Due
	s.Received += o.Received
	addCounts(s.Errors, o.Errors)
	addCounts(s.Closes, o.Closes)
	s.ClientLimit = s.ClientLimit || o.ClientLimit
	s.Latency, err = addHistograms(s.Latency, o.Latency)
	return err
}
