package watch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Server is what a server's metrics say; a number is -1 where they do not.
type Server struct {
	Memory      float64 // resident, bytes
	CPU         float64 // cores in use since the last look
	Outbox      float64 // bytes that wait to be written
	Connections float64
	Descriptors float64
}

// Unknown is a Server of which nothing is known.
var Unknown = Server{-1, -1, -1, -1, -1}

// Scraper reads a server's Prometheus metrics. It may be used by one goroutine.
type Scraper struct {
	url, token string
	client     http.Client
	at         time.Time
	cpu        float64
}

// scrapeTime bounds one reading.
const scrapeTime = 800 * time.Millisecond

// NewScraper returns one for a URL; tokenFile, where it is not empty, holds a bearer
// token.
func NewScraper(url, tokenFile string) (*Scraper, error) {
	s := &Scraper{url: url}
	if tokenFile != "" {
		text, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		s.token = strings.TrimSpace(string(text))
	}
	return s, nil
}

// Look reads the metrics.
func (s *Scraper) Look(ctx context.Context) (Server, error) {
	out := Unknown
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return out, err
	}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return out, fmt.Errorf("%s answers %s", s.url, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return out, err
	}
	value := func(name string) float64 {
		f := families[name]
		if f == nil || len(f.Metric) == 0 {
			return -1
		}
		m := f.Metric[0]
		switch {
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		case m.Counter != nil:
			return m.Counter.GetValue()
		case m.Untyped != nil:
			return m.Untyped.GetValue()
		}
		return -1
	}
	now := time.Now()
	out.Memory = value("process_resident_memory_bytes")
	out.Outbox = value("parley_outbox_bytes")
	out.Connections = value("parley_connections")
	out.Descriptors = value("process_open_fds")
	if cpu := value("process_cpu_seconds_total"); cpu >= 0 {
		if !s.at.IsZero() {
			out.CPU = max(0, (cpu-s.cpu)/now.Sub(s.at).Seconds())
		}
		s.at, s.cpu = now, cpu
	}
	return out, nil
}
