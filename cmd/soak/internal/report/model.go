// Package report is what came of a load test: its figures, the verdict, and their
// forms for machines (JSON), for terminals and for browsers.
package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/parley-rtc/parley/cmd/soak/internal/crowd"
)

// Name and Version say what a JSON document is. The version changes when a reader
// of the last one could misread the new one.
const (
	Name    = "parley-soak"
	Version = 2
)

// Schema is the JSON Schema of a report.
//
//go:embed schema.json
var Schema string

// Report is a whole run. Times of day are RFC 3339; fields in _ms are milliseconds,
// in _s seconds since the run began or lasted.
type Report struct {
	Schema  string    `json:"schema"`
	Version int       `json:"version"`
	Tool    Tool      `json:"tool"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// Interrupted says that the run was ended before its time.
	Interrupted bool        `json:"interrupted,omitempty"`
	URL         string      `json:"url"`
	Dialect     string      `json:"dialect"`
	Machines    int         `json:"machines"`
	Phases      []Phase     `json:"phases"`
	Faults      []FaultKind `json:"faults"`
	Client      Client      `json:"client"`
	Server      *Server     `json:"server,omitempty"`
	Objectives  []Objective `json:"objectives"`
	Verdict     Verdict     `json:"verdict"`
}

// Tool is what made the report.
type Tool struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
	Cores   int    `json:"cores"`
}

// Phase is one part of a run.
type Phase struct {
	Name    string  `json:"name"`
	Profile string  `json:"profile"`
	Start   float64 `json:"start_s"`
	Seconds float64 `json:"seconds"` // that messages were sent
	Rooms   int     `json:"rooms"`
	Peers   int     `json:"peers"`
	Rate    float64 `json:"rate"` // messages a second that were asked for

	Counts Counts           `json:"counts"`
	Times  map[string]Times `json:"times"` // latency; latency of each type; join, setup, late, read_late
	Errors map[string]int   `json:"errors,omitempty"`
	Closes map[string]int   `json:"closes,omitempty"`
	Steps  []Step           `json:"steps,omitempty"`   // of a flood
	Knee   float64          `json:"knee,omitempty"`    // highest rate of a flood that met the objectives
	NoKnee string           `json:"no_knee,omitempty"` // why the sum of several floods has none
	WebRTC *WebRTC          `json:"webrtc,omitempty"`

	Intervals []Interval `json:"intervals"`
}

// Counts are what happened in a phase.
type Counts struct {
	Sent           int `json:"sent"`     // messages; one to everybody counts once
	Unsent         int `json:"unsent"`   // messages that were due and could not be sent: nobody was ready, or the connection was gone
	Due            int `json:"due"`      // deliveries that these should make: one to everybody makes one to each other member
	Received       int `json:"received"` // deliveries
	ReceivedBytes  int `json:"received_bytes"`
	Lost           int `json:"lost"`
	ExpectedLosses int `json:"expected_losses"` // to a receiver who had left, or from a connection that broke
	Refused        int `json:"refused"`         // messages that the server answered with an error
	Joins          int `json:"joins"`
	Renewals       int `json:"renewals"` // of tokens
	Leaves         int `json:"leaves"`
	Cuts           int `json:"cuts"`
	Breaks         int `json:"breaks"` // connections that the server or the network ended
	Flaps          int `json:"flaps"`  // members of whom another was told that they had left, and they had not
	Resumes        int `json:"resumes"`
	Kept           int `json:"kept"`     // deliveries that waited until the receiver or the sender had resumed
	Resent         int `json:"resent"`   // messages sent again after a resume
	TooLate        int `json:"too_late"` // deliveries after they had been counted as lost
	Calls          int `json:"calls"`
	Answered       int `json:"answered"`
	Abandoned      int `json:"abandoned"` // calls of which one had left before the answer
}

// Times are quantiles of a duration.
type Times struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
	// Histogram is the whole of it, in microseconds: HdrHistogram's V2 compressed
	// encoding, base64.
	Histogram string `json:"histogram,omitempty"`
}

// Interval is a stretch of a phase, most often a second.
type Interval struct {
	At          float64 `json:"at_s"` // its end, since the run began
	Seconds     float64 `json:"seconds"`
	Members     int     `json:"members"`
	Connections int     `json:"connections"`
	Sent        int     `json:"sent"`
	Unsent      int     `json:"unsent"`
	Received    int     `json:"received"`
	Errors      int     `json:"errors"`
	Faults      int     `json:"faults"`
	Latency     Times   `json:"latency"`
	Late        float64 `json:"late_p99_ms"`      // of this process's schedule
	ReadLate    float64 `json:"read_late_p99_ms"` // of this process's reads, on some connections; 0 where that is not known
	ClientCPU   float64 `json:"client_cpu"`       // cores
	ClientBytes float64 `json:"client_memory_bytes"`
	Wait        float64 `json:"client_wait_p99_ms"` // of goroutines for a core

	// Of the server's metrics; null where they are not known.
	ServerCPU    *float64 `json:"server_cpu"`
	ServerMemory *float64 `json:"server_memory_bytes"`
	ServerOutbox *float64 `json:"server_outbox_bytes"`
}

// FaultKind is the faults of one kind.
type FaultKind struct {
	Kind     string  `json:"kind"`
	Count    int     `json:"count"`
	Examples []Fault `json:"examples"`
}

// Fault is one fault.
type Fault struct {
	At float64 `json:"at_s"`
	crowd.Fault
}

// Client is how this process did.
type Client struct {
	Limit       bool     `json:"limit"` // it was the limit, and not the server
	Reasons     []string `json:"reasons,omitempty"`
	Cores       int      `json:"cores"`
	CPU         float64  `json:"cpu_max"`
	Memory      float64  `json:"memory_max_bytes"`
	Descriptors int      `json:"descriptors_max"`
	DialsFailed int      `json:"dials_without_resources"` // no descriptor or port was left
}

// Server is what its metrics said at most.
type Server struct {
	CPU    float64 `json:"cpu_max"`
	Mean   float64 `json:"cpu_mean"`
	Memory float64 `json:"memory_max_bytes"`
	Outbox float64 `json:"outbox_max_bytes"`
}

// WebRTC is what came of the real peer connections.
type WebRTC struct {
	Pairs    int              `json:"pairs"`
	Up       int              `json:"up"`
	Failed   int              `json:"failed"`
	Echoes   int              `json:"echoes"` // messages that came back through data channels, checked
	Relayed  int              `json:"relayed"`
	Stages   map[string]Times `json:"stages"` // join, answer, ice, dtls, channel, setup
	Failures map[string]int   `json:"failures,omitempty"`
	Outcomes map[string]int   `json:"outcomes,omitempty"` // of calls: connected, declined, unanswered, failed
}

// Objective is something that had to hold, and whether it did.
type Objective struct {
	Text  string  `json:"text"`
	Value float64 `json:"value"` // milliseconds for times
	Unit  string  `json:"unit,omitempty"`
	Met   bool    `json:"met"`
	Phase string  `json:"phase,omitempty"` // where it was worst
}

// Verdict is the end of it.
type Verdict struct {
	Pass bool   `json:"pass"`
	Exit int    `json:"exit"`
	Text string `json:"text"`
}

// Exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1 // a fault, or an objective that was not met
	ExitUsage  = 2
	ExitLimit  = 3 // an objective was not met, and the client was the limit
)

// milliseconds turns microseconds into them.
func milliseconds(us float64) float64 { return math.Round(us) / 1000 }

// TimesOf returns the quantiles of a histogram in microseconds, with the histogram
// itself if keep is set.
func TimesOf(h *hdr.Histogram, keep bool) Times {
	t := Times{Count: int(h.TotalCount())}
	if t.Count == 0 {
		return t
	}
	at := func(percent float64) float64 { return milliseconds(float64(h.ValueAtQuantile(percent))) }
	t.Mean, t.P50, t.P90, t.P99, t.P999, t.Max = milliseconds(h.Mean()), at(50), at(90), at(99), at(99.9), milliseconds(float64(h.Max()))
	if keep {
		if text, err := h.Encode(hdr.V2CompressedEncodingCookieBase); err == nil {
			t.Histogram = string(text)
		}
	}
	return t
}

// Hdr decodes the histogram; an empty one where there is none.
func (t *Times) Hdr() (*hdr.Histogram, error) {
	if t.Histogram == "" {
		return crowd.NewHistogram(), nil
	}
	return hdr.Decode([]byte(t.Histogram))
}

// At returns a quantile in seconds; ok is false where nothing was measured.
func (t *Times) At(quantile float64) (seconds float64, ok bool) {
	h, err := t.Hdr()
	if err != nil || h.TotalCount() == 0 {
		return 0, false
	}
	us := h.ValueAtQuantile(100 * quantile)
	if quantile == 1 {
		us = h.Max()
	}
	return float64(us) / 1e6, true
}

// JSON returns the report for machines.
func (r *Report) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// maxReport is the largest report that is read, in bytes.
const maxReport = 256 << 20

// Read reads a report that JSON has written.
func Read(from io.Reader) (*Report, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxReport+1))
	if err != nil {
		return nil, err
	}
	r := new(Report)
	switch err := json.Unmarshal(text, r); {
	case len(text) > maxReport:
		return nil, errors.New("is larger than a report")
	case err != nil:
		return nil, fmt.Errorf("is no report: %w", err)
	case r.Schema != Name:
		return nil, errors.New("is no report of soak")
	case r.Version != Version:
		return nil, fmt.Errorf("is a report of version %d, and this is soak for version %d", r.Version, Version)
	}
	return r, nil
}
