// Package watch looks at the two ends of a load test: at this process, to know when
// it is the limit, and at the server's metrics.
package watch

import (
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"time"
)

// Self is how this process does, over some time.
type Self struct {
	CPU         float64       // cores in use
	Cores       int           // that it may use
	Memory      uint64        // bytes that the Go runtime has from the system
	Descriptors int           // open; 0: unknown
	MostFiles   uint64        // descriptors that it may open; 0: unknown
	Wait        time.Duration // that goroutines which could run waited for a core, 99th percentile
}

// Watcher measures this process. It may be used by one goroutine.
type Watcher struct {
	at      time.Time
	cpu     time.Duration
	samples []metrics.Sample
	waits   []uint64
}

const (
	waitMetric   = "/sched/latencies:seconds"
	memoryMetric = "/memory/classes/total:bytes"
	freeMetric   = "/memory/classes/heap/released:bytes"
)

// NewWatcher starts to measure.
func NewWatcher() *Watcher {
	w := &Watcher{samples: []metrics.Sample{{Name: waitMetric}, {Name: memoryMetric}, {Name: freeMetric}}}
	w.Look()
	return w
}

// Look returns how the process did since the last look.
func (w *Watcher) Look() Self {
	now, cpu := time.Now(), cpuTime()
	metrics.Read(w.samples)
	s := Self{Cores: runtime.GOMAXPROCS(0), MostFiles: mostFiles(), Descriptors: descriptors()}
	if !w.at.IsZero() && now.After(w.at) {
		s.CPU = float64(cpu-w.cpu) / float64(now.Sub(w.at))
	}
	w.at, w.cpu = now, cpu
	s.Memory = w.samples[1].Value.Uint64() - w.samples[2].Value.Uint64()
	h := w.samples[0].Value.Float64Histogram()
	s.Wait = quantile(h, w.waits, .99)
	w.waits = append(w.waits[:0], h.Counts...)
	return s
}

// quantile returns a quantile of what has come to a histogram since it had other
// counts.
func quantile(h *metrics.Float64Histogram, before []uint64, q float64) time.Duration {
	total := uint64(0)
	since := make([]uint64, len(h.Counts))
	for i, n := range h.Counts {
		since[i] = n
		if i < len(before) {
			since[i] -= before[i]
		}
		total += since[i]
	}
	rank := uint64(math.Ceil(q * float64(total)))
	seen := uint64(0)
	for i, n := range since {
		if seen += n; n > 0 && seen >= rank {
			upper := h.Buckets[i+1]
			if math.IsInf(upper, 1) {
				upper = h.Buckets[i]
			}
			return time.Duration(upper * float64(time.Second))
		}
	}
	return 0
}

// descriptors returns how many are open, where the system tells: Linux does since
// 6.2, as the size of a folder.
func descriptors() int {
	info, err := os.Stat("/proc/self/fd")
	if err != nil {
		return 0
	}
	return int(info.Size())
}
