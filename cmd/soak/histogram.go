package main

import (
	"math/bits"
	"sync"
	"time"
)

// subBuckets divide each doubling of a latency: quantiles are right to 3 %.
const subBuckets = 32

// histogram counts latencies.
type histogram struct {
	mu     sync.Mutex
	counts [64 * subBuckets]uint64
	n      uint64
	max    time.Duration
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - bits.Len64(subBuckets)
	return (shift+1)*subBuckets + int(v>>shift) - subBuckets
}

// value returns the largest latency of a bucket.
func value(bucket int) time.Duration {
	if bucket < subBuckets {
		return time.Duration(bucket)
	}
	shift := bucket/subBuckets - 1
	return time.Duration(uint64(bucket%subBuckets+subBuckets+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

// quantile returns the latency that the share q of all messages did not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	rank := uint64(q * float64(h.n))
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; seen >= rank && seen > 0 {
			return min(value(i), h.max).Round(time.Microsecond)
		}
	}
	return 0
}
