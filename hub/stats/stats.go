// Package stats counts what a hub does.
package stats

import (
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/parley-rtc/parley/hub/wire"
)

// Hub has the counters of a hub. They may be read at any time.
type Hub struct {
	Clients   atomic.Int64                 // registered now
	Rooms     atomic.Int64                 // open now
	Members   atomic.Int64                 // joined now
	Suspended atomic.Int64                 // members without a connection now
	Messages  [wire.NumTypes]atomic.Uint64 // forwarded, by type; a message to many receivers counts once
	Refusals  [wire.NumCodes]atomic.Uint64 // refused messages, by code

	EventsDropped atomic.Uint64 // events that were dropped because Options.Notify was too slow

	Calls Calls

	OutboxBytes atomic.Int64 // memory of the frames that wait now, of all connections
	BatchSize   Histogram    // commands in a batch of the loop
	BatchTime   Histogram    // seconds that a batch took
	Transit     Histogram    // seconds from a forwarded message's arrival to its last byte's write
}

// Calls counts calls between members. Reports of members count once for each call.
type Calls struct {
	Active    atomic.Int64                                    // live now
	Outcomes  [wire.NumOutcomes]atomic.Uint64                 // of calls that are over
	Paths     [wire.NumPaths][wire.NumProtocols]atomic.Uint64 // of connected calls
	Untracked atomic.Uint64                                   // not followed: there were too many, or a connection began too many
	Answer    Histogram                                       // seconds from the offer to the answer
	Setup     Histogram                                       // seconds until a call was connected
	RTT       Histogram                                       // median round-trip time of a call, in seconds
	Loss      Histogram                                       // median share of packets that a call has lost
}

// Histogram counts observations in buckets whose bounds double. It may be used
// from several goroutines.
type Histogram struct {
	buckets [histogramBuckets]atomic.Uint64
	sum     atomic.Uint64 // in billionths
}

// histogramBuckets puts the last bound at 2^31 millionths: 2147 seconds.
const histogramBuckets = 32

// Observe adds a value: seconds, or a number.
func (h *Histogram) Observe(v float64) {
	billionths := uint64(max(v, 0) * 1e9)
	bucket := 0
	if billionths > 1000 {
		bucket = bits.Len64((billionths - 1) / 1000)
	}
	h.buckets[min(bucket, histogramBuckets-1)].Add(1)
	h.sum.Add(billionths)
}

// Snapshot returns the number of observations, their sum, and for each bucket's
// upper bound how many were no larger; the last bound is infinite.
func (h *Histogram) Snapshot() (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, histogramBuckets)
	for i := range h.buckets {
		count += h.buckets[i].Load()
		bound := math.Ldexp(1e-6, i)
		if i == histogramBuckets-1 {
			bound = math.Inf(1)
		}
		buckets[bound] = count
	}
	return count, float64(h.sum.Load()) / 1e9, buckets
}
