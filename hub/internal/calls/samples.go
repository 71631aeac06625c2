package calls

import (
	"math"
	"slices"
	"time"

	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// maxSamples bounds what is kept of the reports of one side. When there are more, every
// second is dropped, and from then on every second is taken: so they are spread over the
// whole call.
const maxSamples = 32

// Samples are the figures of the reports of one side.
type Samples struct {
	List      []Sample
	Stride    int // of so many reports one is taken; 0: of one
	Skipped   int
	Count     int // of reports with a figure
	WorstRTT  float32
	WorstLoss float32
	Freezes   float64
	Frozen    bool // Freezes was reported
}

// Sample is one report's figures; -1: it has none.
type Sample struct{ RTT, Jitter, Loss float32 }

func (s *Samples) add(r *wire.Report) {
	if n, ok := r.Figure(wire.Freezes); ok {
		s.Freezes, s.Frozen = n, true
	}
	one := Sample{figure(r, wire.RTTMS), figure(r, wire.JitterMS), figure(r, wire.Loss)}
	if one == (Sample{-1, -1, -1}) {
		return
	}
	s.Count++
	s.WorstRTT, s.WorstLoss = max(s.WorstRTT, one.RTT), max(s.WorstLoss, one.Loss)
	if s.Skipped++; s.Skipped < s.Stride {
		s.List[len(s.List)-1].fill(one)
		return
	}
	s.Skipped = 0
	if len(s.List) == maxSamples {
		s.List[maxSamples-1].fill(one)
		for i := range maxSamples / 2 {
			s.List[2*i+1].fill(s.List[2*i])
			s.List[i] = s.List[2*i+1]
		}
		s.List = s.List[:maxSamples/2]
		s.Skipped = max(s.Stride, 1) // so that all lie equally far apart
		s.Stride = 2 * s.Skipped
		return
	}
	s.List = append(s.List, one)
}

// fill takes the figures that the sample lacks from one that is dropped: those that are
// rarely reported stay.
func (o *Sample) fill(dropped Sample) {
	for _, f := range [...]struct {
		to   *float32
		from float32
	}{{&o.RTT, dropped.RTT}, {&o.Jitter, dropped.Jitter}, {&o.Loss, dropped.Loss}} {
		if *f.to < 0 {
			*f.to = f.from
		}
	}
}

func figure(r *wire.Report, f wire.Figure) float32 {
	if v, ok := r.Figure(f); ok {
		return float32(v)
	}
	return -1
}

// median returns the median of a figure; ok is false if there is none.
func (s *Samples) median(of func(Sample) float32) (v float64, ok bool) {
	var all []float32
	for _, one := range s.List {
		if v := of(one); v >= 0 {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return float64(all[len(all)/2]), true
}

// quality is that of the side that had it worse.
func quality(sides *[2]Samples) (q event.Quality) {
	var rtt, worstRTT, jitter float64
	for i := range sides {
		s := &sides[i]
		q.Reports += s.Count
		worse(&rtt, &q.HasRTT, s, func(o Sample) float32 { return o.RTT })
		worse(&jitter, &q.HasJitter, s, func(o Sample) float32 { return o.Jitter })
		worse(&q.Loss, &q.HasLoss, s, func(o Sample) float32 { return o.Loss })
		worstRTT, q.WorstLoss = max(worstRTT, float64(s.WorstRTT)), max(q.WorstLoss, float64(s.WorstLoss))
		q.Freezes, q.HasFreeze = max(q.Freezes, int(s.Freezes)), q.HasFreeze || s.Frozen
	}
	q.RTT, q.WorstRTT, q.Jitter = round(rtt), round(worstRTT), round(jitter)
	q.Loss, q.WorstLoss = share(q.Loss), share(q.WorstLoss)
	return q
}

// worse takes the median of a side if it is worse than what there is.
func worse(v *float64, has *bool, s *Samples, of func(Sample) float32) {
	if m, ok := s.median(of); ok {
		*v, *has = max(*v, m), true
	}
}

// round makes a duration of milliseconds, to a microsecond.
func round(ms float64) time.Duration {
	return time.Duration(math.Round(ms*1000)) * time.Microsecond
}

// share rounds a share to a hundredth of a percent.
func share(v float64) float64 { return math.Round(v*1e4) / 1e4 }
