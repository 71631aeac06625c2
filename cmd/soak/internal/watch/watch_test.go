package watch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// The watcher sees the CPU and memory of this process.
func TestSelf(t *testing.T) {
	w := NewWatcher()
	began := time.Now()
	for n := 0; time.Since(began) < 50*time.Millisecond; n++ {
		_ = fmt.Sprint(n)
	}
	s := w.Look()
	if s.CPU <= 0 || s.Cores < 1 || s.Memory < 1<<20 || s.MostFiles == 0 {
		t.Errorf("%+v", s)
	}
}

func TestQuantile(t *testing.T) {
	h := &metrics.Float64Histogram{Counts: []uint64{5, 90, 10}, Buckets: []float64{0, .001, .002, .004}}
	if got := quantile(h, nil, .99); got != 4*time.Millisecond {
		t.Errorf("%s", got)
	}
	if got := quantile(h, []uint64{0, 0, 10}, .99); got != 2*time.Millisecond {
		t.Errorf("since then %s", got)
	}
	if got := quantile(h, h.Counts, .99); got != 0 {
		t.Errorf("of nothing %s", got)
	}
}

func TestScraper(t *testing.T) {
	cpu := 1.5
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			status = http.StatusUnauthorized
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %v\nprocess_resident_memory_bytes 2e7\nparley_outbox_bytes 12\n", cpu)
	}))
	defer s.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	scraper, err := NewScraper(s.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	first, err := scraper.Look(t.Context())
	if err != nil || first.Memory != 2e7 || first.Outbox != 12 || first.CPU != -1 || first.Descriptors != -1 {
		t.Fatalf("%+v, %v", first, err)
	}
	cpu = 2
	if second, err := scraper.Look(t.Context()); err != nil || second.CPU <= 0 {
		t.Errorf("%+v, %v", second, err)
	}
	status = http.StatusTeapot
	if none, err := scraper.Look(t.Context()); err == nil || none != Unknown || !strings.Contains(err.Error(), "418") {
		t.Errorf("%+v, %v", none, err)
	}
	if _, err := NewScraper(s.URL, token+".not"); err == nil {
		t.Error("a token that is not there was read")
	}
}
