package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Objective is something that must hold of a run.
type Objective struct {
	Text     string
	Metric   string  // latency, join, setup, loss, excused, sent, faults, breaks, flaps, sessions, rate, …
	Quantile float64 // of a time, from 0 to 1
	Op       string
	Limit    float64 // seconds for times
	Percent  bool    // the limit is a share
}

// Times are the metrics that have quantiles: of messages, of joins, and of calls
// until the answer (with --webrtc: until the data channel is open).
const (
	MetricLatency = "latency"
	MetricJoin    = "join"
	MetricSetup   = "setup"
)

// Counts are the metrics that are one number.
const (
	MetricLoss      = "loss"       // deliveries lost, or their share of those that were due with %
	MetricFaults    = "faults"     // all faults
	MetricBreaks    = "breaks"     // connections that broke beyond those expected; at most 0 where nothing is said
	MetricFlaps     = "flaps"      // members that left and came back in lists only; at most 0 where nothing is said
	MetricSessions  = "sessions"   // memberships that could not be taken up again; at most 0 where nothing is said
	MetricExcused   = "excused"    // messages that were lost for a reason, or their share with %
	MetricSent      = "sent"       // messages sent, as a share of those that were due
	MetricRate      = "rate"       // messages received a second, while traffic lasts
	MetricKnee      = "knee"       // highest rate of a flood that met the objectives
	MetricServerCPU = "server_cpu" // mean CPU of the server, in cores
	MetricServerRSS = "server_rss" // highest memory of the server, in MB
)

var (
	grammar = regexp.MustCompile(`^\s*([a-z0-9_.]+)\s*(<=|>=|<|>|=)\s*([^\s]+)\s*$`)
	times   = regexp.MustCompile(`^(?:(join|setup)_)?(?:p([0-9]{1,2}(?:\.[0-9]+)?|100)|(max))$`)
)

// ParseObjective reads an objective such as "p99<20ms" or "loss=0".
func ParseObjective(text string) (Objective, error) {
	o := Objective{Text: strings.Join(strings.Fields(text), "")}
	m := grammar.FindStringSubmatch(text)
	if m == nil {
		return o, fmt.Errorf("objective: %q is not of the form metric<value", text)
	}
	o.Metric, o.Op = m[1], m[2]
	if t := times.FindStringSubmatch(m[1]); t != nil {
		o.Metric = MetricLatency
		if t[1] != "" {
			o.Metric = t[1]
		}
		o.Quantile = 1
		if t[3] == "" {
			percent, _ := strconv.ParseFloat(t[2], 64)
			o.Quantile = percent / 100
		}
		d, err := time.ParseDuration(m[3])
		if err != nil || d < 0 {
			return o, fmt.Errorf("objective: %q: %q is not a time such as 20ms", text, m[3])
		}
		o.Limit = d.Seconds()
		return o, nil
	}
	switch o.Metric {
	case MetricLoss, MetricFaults, MetricBreaks, MetricFlaps, MetricSessions, MetricExcused, MetricSent, MetricRate, MetricKnee, MetricServerCPU, MetricServerRSS:
	default:
		return o, fmt.Errorf("objective: there is no metric %q: there are p50, p99, max and the like, "+
			"join_p99, setup_p99, loss, excused, sent, faults, breaks, flaps, sessions, rate, knee, server_cpu, server_rss", m[1])
	}
	number, percent := strings.CutSuffix(m[3], "%")
	o.Percent = percent
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v < 0 || percent != (o.Metric == MetricSent) && o.Metric != MetricLoss && o.Metric != MetricExcused {
		return o, fmt.Errorf("objective: %q: %q is not a number", text, m[3])
	}
	if o.Limit = v; percent {
		o.Limit = v / 100
	}
	return o, nil
}

// Met reports whether a value is as the objective wants it.
func (o *Objective) Met(v float64) bool {
	switch o.Op {
	case "<":
		return v < o.Limit
	case "<=":
		return v <= o.Limit
	case ">":
		return v > o.Limit
	case ">=":
		return v >= o.Limit
	}
	return v == o.Limit
}

// Time reports whether the objective is about a time.
func (o *Objective) Time() bool {
	return o.Metric == MetricLatency || o.Metric == MetricJoin || o.Metric == MetricSetup
}

// Spoiled reports whether the objective may be missed because soak itself was late.
func (o *Objective) Spoiled() bool {
	return o.Time() || o.Metric == MetricRate || o.Metric == MetricSent || o.Metric == MetricKnee
}
