// Bench measures parleyd beside other servers, in one run: each in turn, on
// one core of its own, with the load on another, in several rounds. Only the ratios
// count.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 3, "rounds")
	root := flag.String("root", "../..", "folder of the main module")
	scaling := flag.Bool("scale", false, "measure how parleyd's cost grows, instead of the table")
	rooms := flag.Bool("rooms", false, "measure large rooms alone")
	cluster := flag.Bool("cluster", false, "measure three nodes that are one server beside a single one, instead of the table")
	dialects := flag.Bool("dialects", false, "measure other protocols: parleyd beside the servers that they come from, instead of the table")
	brief := flag.Bool("brief", false, "with -dialects: the least that says whether it runs; the figures say nothing")
	only := flag.String("only", "", "one server: limit, echo, mutex, peer, parleyd, echo-tls or parleyd-tls")
	flag.Parse()
	pinSelf()
	if *dialects {
		if err := measureDialects(*root, *rounds, *brief); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	err := withServers(*root, func(servers []*server, c *certificate) error {
		if *scaling {
			return scale(servers[len(servers)-1])
		}
		if *cluster {
			return measureCluster(servers[len(servers)-1], *rounds)
		}
		if !*rooms {
			if err := run(parts(servers, c), *rounds, *only); err != nil {
				return err
			}
		}
		return largeRooms(servers)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// pinSelf runs this program again on the load's core, where there are two.
func pinSelf() {
	if os.Getenv("BENCH_PINNED") != "" || runtime.NumCPU() < 2 {
		return
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: without taskset (util-linux) nothing is pinned")
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	cmd := exec.Command(taskset, append([]string{"-c", loadCore, self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), "BENCH_PINNED=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// withServers builds all servers, of which parleyd is the last, and a certificate for
// those that speak TLS.
func withServers(root string, f func(servers []*server, c *certificate) error) error {
	dir, err := os.MkdirTemp("", "parley-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers, err := build(dir, root)
	if err != nil {
		return err
	}
	c, err := newCertificate(dir)
	if err != nil {
		return err
	}
	return f(servers, c)
}

// run measures the servers of all parts in turn, or only one, and prints the tables.
func run(parts []part, rounds int, only string) error {
	results := map[string]map[string][]float64{} // by server and measure
	start := time.Now()
	for round := range rounds {
		for _, p := range parts {
			for i := range p.servers {
				s := p.servers[(i+round)%len(p.servers)] // nobody is always first
				if only != "" && s.name != only {
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, rounds, s.name)
				if err := s.measure(p.measures, results); err != nil {
					return err
				}
			}
		}
	}
	fmt.Printf("%s; medians of %d rounds, ± half the spread; %s in all\n", machine(), rounds, time.Since(start).Round(time.Second))
	for _, p := range parts {
		p.print(os.Stdout, results)
	}
	return nil
}

// measure adds the figures of one round to results.
func (s *server) measure(measures []measure, results map[string]map[string][]float64) error {
	if results[s.name] == nil {
		results[s.name] = map[string][]float64{}
	}
	for i, m := range measures {
		if s.relayOnly && i >= len(relays) {
			return nil
		}
		values, err := m.of(s)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.name, m.names[0], err)
		}
		for name, v := range values {
			results[s.name][name] = append(results[s.name][name], v)
		}
	}
	return nil
}

func cell(values []float64, format string) string {
	if len(values) == 0 {
		return "–"
	}
	half := (slices.Max(values) - slices.Min(values)) / 2
	return fmt.Sprintf(format+" ± "+format, median(values), half)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// machine says what was measured on, and when.
func machine() string {
	model := runtime.GOARCH
	text, err := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(text), "model name"); err == nil && ok {
		line, _, _ := strings.Cut(rest, "\n")
		model = strings.TrimLeft(line, "\t :")
	}
	return fmt.Sprintf("%s, one core for the server and one for the load, %s, %s", model, runtime.Version(), time.Now().Format(time.DateOnly))
}

// cache is where PeerServer is kept between runs.
func cache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "parley-bench")
}
