package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"slices"

	"github.com/parley-rtc/parley/test/bench/load"
)

// part is a table: its servers, of which the last one is ours, and its measures.
type part struct {
	title      string
	servers    []*server
	measures   []measure
	references map[string][]string // by measure: what ours is held against
	goals      map[string]string
}

// parts returns the tables of a run.
func parts(servers []*server, c *certificate) []part {
	echo := servers[slices.IndexFunc(servers, func(s *server) bool { return s.name == "echo" })]
	ours := servers[len(servers)-1]
	return []part{
		{"Plain", servers, measures, references, goals},
		{"Over TLS", []*server{echo.overTLS(c), ours.overTLS(c)}, tlsMeasures, tlsReferences, tlsGoals},
	}
}

const comeback = "5,000 come back after a restart, s"

var tlsMeasures = []measure{relays[0], relays[1], {[]string{idle}, memory}, {[]string{comeback}, returns}}

var tlsReferences = map[string][]string{
	relay16: {"echo-tls", "parleyd"}, relay16us: {"echo-tls", "parleyd"}, relay1: {"echo-tls", "parleyd"}, relay1us: {"echo-tls", "parleyd"},
	idle: {"echo-tls", "parleyd"},
}

var tlsGoals = map[string]string{relay16: "≥ 0.6 × parleyd", idle: "≤ 15 KB", comeback: "≤ 8 s"}

// returns has clients come, restarts the server and has them come again, with the session
// tickets that they have.
func returns(s *server) (map[string]float64, error) {
	if !s.dialect.Rooms {
		return nil, nil
	}
	again := s.tls.Clone()
	again.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	values := map[string]float64{}
	for range 2 {
		err := with(s, func(p *process, _ *load.Loop) error {
			took, err := load.ComeBack(s.dialect, p.address, again, idleCount)
			values[comeback] = took.Seconds()
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

// print writes the table, in Markdown. results are by server and measure.
func (p *part) print(w io.Writer, results map[string]map[string][]float64) {
	ours := p.servers[len(p.servers)-1]
	fmt.Fprintf(w, "\n%s:\n\n| |", p.title)
	for _, s := range p.servers {
		fmt.Fprintf(w, " %s |", s.title)
	}
	fmt.Fprint(w, " parleyd ÷ reference | goal |\n|---|")
	for range len(p.servers) + 2 {
		fmt.Fprint(w, "---|")
	}
	fmt.Fprintln(w)
	for _, m := range p.measures {
		for _, name := range m.names {
			fmt.Fprintf(w, "| %s |", name)
			for _, s := range p.servers {
				fmt.Fprintf(w, " %s |", cell(results[s.name][name], formats[name]))
			}
			fmt.Fprintf(w, " %s | %s |\n", ratios(results, ours.name, p.references[name], name), p.goals[name])
		}
	}
}

// ratios holds a server against others.
func ratios(results map[string]map[string][]float64, ours string, references []string, name string) string {
	text := ""
	for _, reference := range references {
		a, b := median(results[ours][name]), median(results[reference][name])
		if a <= 0 || b <= 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%.2f × %s", a/b, reference)
	}
	if text == "" {
		return "–"
	}
	return text
}
