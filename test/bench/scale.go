package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/test/bench/load"
)

// Times of the measures of scale.
const (
	scaleTime = 3 * time.Second
	idleWatch = 10 * time.Second
	pingRound = 30 * time.Second // every member has been pinged
)

// scale measures how the cost grows with members, pairs and rate.
func scale(s *server) error {
	command, admin := s.command, ""
	s.command = func(address string) []string {
		admin = freeAddress()
		return append(command(address), "--admin-listen", admin)
	}
	fmt.Println(machine())
	for _, part := range []func(s *server, admin *string) error{idleMembers, morePairs, higherRates} {
		if err := part(s, &admin); err != nil {
			return err
		}
	}
	return nil
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

// idleMembers shows what members cost that do nothing, pings on.
func idleMembers(s *server, _ *string) error {
	fmt.Print("\n| idle members, in rooms of two | memory each, KB | CPU, % of a core |\n|---|---|---|\n")
	resumable := s.dialect
	resumable.Join = func(room, id string) string {
		return fmt.Sprintf(`{"type":"join","room":%q,"from":%q,"resumable":true}`, room, id)
	}
	for _, c := range []struct {
		n      int
		words  string
		how    load.Dialect
		settle time.Duration
	}{
		{1000, "", s.dialect, idleSettle},
		{5000, "", s.dialect, idleSettle},
		{10_000, "", s.dialect, idleSettle},
		{15_000, "", s.dialect, idleSettle},
		{10_000, ", after a ping", s.dialect, pingRound},
		{10_000, ", resumable", resumable, idleSettle},
		{10_000, ", resumable, after a ping", resumable, pingRound},
	} {
		err := with(s, func(p *process, l *load.Loop) error {
			before := p.rss()
			if err := load.Idle(l, c.how, p.address, c.n); err != nil {
				return err
			}
			if err := l.Run(c.settle, func() bool { return false }); err != nil {
				return err
			}
			cpu := p.cpu()
			if err := l.Run(idleWatch, func() bool { return false }); err != nil {
				return err
			}
			used := p.cpu() - cpu
			fmt.Printf("| %d%s | %.1f | %.1f |\n", c.n, c.words, float64(p.rss()-before)/float64(c.n)/1024, 100*used.Seconds()/idleWatch.Seconds())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// morePairs shows what many pairs do to the throughput and to the latency.
func morePairs(s *server, admin *string) error {
	fmt.Print("\n| pairs | messages/s, 4 under way a pair | CPU a message, µs | of it the loop, µs | p50 / p99 at 10,000/s, µs |\n|---|---|---|---|---|\n")
	for _, n := range []int{10, 1000, 5000} {
		var rate, cpu, loop float64
		err := with(s, func(p *process, l *load.Loop) error {
			var used []time.Duration
			var busy []float64
			count, took, err := load.Relay(l, s.dialect, p.address, n, 4, time.Second, scaleTime, func() {
				used = append(used, p.cpu())
				busy = append(busy, metric(*admin, "parley_hub_batch_seconds_sum"))
			})
			if err != nil {
				return err
			}
			rate = float64(count) / took.Seconds()
			cpu = float64((used[1] - used[0]).Microseconds()) / float64(count)
			loop = (busy[1] - busy[0]) * 1e6 / float64(count)
			return nil
		})
		if err != nil {
			return err
		}
		err = with(s, func(p *process, l *load.Loop) error {
			sent, err := load.Latency(l, s.dialect, p.address, n, 10_000, scaleTime)
			if err != nil {
				return err
			}
			fmt.Printf("| %d | %.0f | %.2f | %.2f | %d / %d |\n", n, rate, cpu, loop, sent.Typical(.5, latencyParts).Microseconds(), sent.Typical(.99, latencyParts).Microseconds())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// higherRates shows what comes of rates up to and past what the server can do.
func higherRates(s *server, _ *string) error {
	fmt.Print("\n| offered messages/s, 50 pairs | came/s | p50, µs | p99, µs | evicted | refused | cut | lost | most memory, MB |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, rate := range []int{20_000, 50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000} {
		err := with(s, func(p *process, l *load.Loop) error {
			most := make(chan int)
			stop := make(chan struct{})
			go watch(p, stop, most)
			sent, err := load.Latency(l, s.dialect, p.address, pairCount, rate, scaleTime)
			close(stop)
			memory := <-most
			if err != nil {
				return err
			}
			fmt.Printf("| %d | %.0f | %d | %d | %d | %d | %d | %d | %.0f |\n", rate, float64(len(sent.Took))/sent.Elapsed.Seconds(),
				sent.Quantile(.5).Microseconds(), sent.Quantile(.99).Microseconds(), sent.Evicted, sent.Refused, sent.Cut, sent.Lost, float64(memory)/1e6)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// watch sends the most memory that the process held until stop.
func watch(p *process, stop <-chan struct{}, most chan<- int) {
	memory := 0
	for {
		select {
		case <-stop:
			most <- memory
			return
		case <-time.After(50 * time.Millisecond):
			memory = max(memory, p.rss())
		}
	}
}

// metric reads one of the daemon's metrics.
func metric(admin, name string) float64 {
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, _ := strconv.ParseFloat(value, 64)
			return v
		}
	}
	return 0
}
