package crowd

import (
	"maps"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/parley-rtc/parley/cmd/soak/internal/payload"
)

// Range of the histograms, in microseconds, and their significant digits: a
// quantile is right to a hundredth.
const (
	lowest  = 1
	highest = 120_000_000
	figures = 2
)

// NewHistogram returns an empty histogram of times in microseconds, up to two
// minutes.
func NewHistogram() *hdr.Histogram { return hdr.New(lowest, highest, figures) }

// Tally is what has been counted in some time.
type Tally struct {
	Sent      uint64 // messages, one to everybody counts once
	Unsent    uint64 // messages that the schedule had due and that could not be sent
	Due       uint64 // deliveries that these should make
	Received  uint64 // deliveries
	Bytes     uint64 // received, of text messages
	Joins     uint64
	Resumes   uint64
	Renewals  uint64 // of tokens
	Leaves    uint64
	Cuts      uint64
	Breaks    uint64 // connections that the server or the network ended
	Flaps     uint64 // members of whom another was told that they have left, and they had not
	Kept      uint64 // deliveries that had to wait until the receiver or the sender had resumed
	Resent    uint64 // messages sent again after a resume
	TooLate   uint64 // deliveries after the books were closed on them
	Calls     uint64 // started
	Answered  uint64
	Abandoned uint64            // calls of which one has left
	Errors    map[string]uint64 // answers of the server, by code
	Closes    map[string]uint64 // connections that the server or the network ended
	Expected  uint64            // messages lost since their receiver had left, or their sender's connection broke
	Explained uint64            // messages answered with an error
	Lost      uint64            // messages lost without any reason

	Latency [payload.NumKinds]*hdr.Histogram // from when a message was due to when it was read
	Join    *hdr.Histogram                   // from when a member was to connect to when it was in
	Setup   *hdr.Histogram                   // of calls: from the offer to the answer, without think time
	Outage  *hdr.Histogram                   // from when a connection was lost to when its member had resumed
	Late    *hdr.Histogram                   // from when a message was due to when it was handed to the socket
	// ReadLate is from when the system had a message to when it was read, of some
	// members, where the system tells.
	ReadLate *hdr.Histogram
}

// NewTally returns an empty tally.
func NewTally() *Tally {
	t := &Tally{Errors: map[string]uint64{}, Closes: map[string]uint64{},
		Join: NewHistogram(), Setup: NewHistogram(), Outage: NewHistogram(), Late: NewHistogram(), ReadLate: NewHistogram()}
	for k := range t.Latency {
		t.Latency[k] = NewHistogram()
	}
	return t
}

// Add adds what another has counted.
func (t *Tally) Add(o *Tally) {
	t.Sent += o.Sent
	t.Unsent += o.Unsent
	t.Due += o.Due
	t.Received += o.Received
	t.Bytes += o.Bytes
	t.Joins += o.Joins
	t.Resumes += o.Resumes
	t.Renewals += o.Renewals
	t.Leaves += o.Leaves
	t.Cuts += o.Cuts
	t.Breaks += o.Breaks
	t.Flaps += o.Flaps
	t.Kept += o.Kept
	t.Resent += o.Resent
	t.TooLate += o.TooLate
	t.Calls += o.Calls
	t.Answered += o.Answered
	t.Abandoned += o.Abandoned
	t.Expected += o.Expected
	t.Explained += o.Explained
	t.Lost += o.Lost
	for code, n := range o.Errors {
		t.Errors[code] += n
	}
	for code, n := range o.Closes {
		t.Closes[code] += n
	}
	for k := range t.Latency {
		t.Latency[k].Merge(o.Latency[k])
	}
	t.Join.Merge(o.Join)
	t.Setup.Merge(o.Setup)
	t.Outage.Merge(o.Outage)
	t.Late.Merge(o.Late)
	t.ReadLate.Merge(o.ReadLate)
}

// All returns the latencies of all kinds of messages together.
func (t *Tally) All() *hdr.Histogram {
	all := NewHistogram()
	for _, h := range t.Latency {
		all.Merge(h)
	}
	return all
}

// reset empties the tally.
func (t *Tally) reset() {
	errors, closes := t.Errors, t.Closes
	clear(errors)
	clear(closes)
	latency := t.Latency
	join, setup, outage, late, readLate := t.Join, t.Setup, t.Outage, t.Late, t.ReadLate
	for _, h := range append(latency[:], join, setup, outage, late, readLate) {
		if h.TotalCount() > 0 {
			h.Reset()
		}
	}
	*t = Tally{Errors: errors, Closes: closes, Latency: latency, Join: join, Setup: setup, Outage: outage, Late: late, ReadLate: readLate}
}

// Clone returns a copy.
func (t *Tally) Clone() *Tally {
	c := NewTally()
	c.Add(t)
	return c
}

// Refusals returns how many errors the server has sent.
func (t *Tally) Refusals() (n uint64) {
	for c := range maps.Values(t.Errors) {
		n += c
	}
	return n
}

// record notes a time in nanoseconds.
func record(h *hdr.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns/1000, lowest), highest))
}
