package main

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-rtc/parley/test/bench/load"
)

// The load in a large room.
const (
	churnRate   = 100 // joins and leaves a second
	churnTime   = 10 * time.Second
	churnGuests = 50
	roomRounds  = 3 // medians count
)

// largeRooms measures what a join, a leave and a message to all cost in large rooms, with
// changes and with lists, and prints a table.
func largeRooms(servers []*server) error {
	fmt.Printf("\nLarge rooms: %s\n\n", machine())
	fmt.Println("| room | what | bytes to each other member | until 99 %, ms | until all, ms | never | two others' message meanwhile: p99 / longest, ms | longest batch of the loop: median / all, ms |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, s := range servers {
		if !s.dialect.Rooms {
			continue
		}
		if s.name != "parleyd" {
			if err := largeRoom(s, s.dialect, s.title+", 1,000", 1000); err != nil {
				return err
			}
			continue
		}
		changes := s.dialect
		changes.Join = func(room, id string) string {
			return fmt.Sprintf(`{"type":"join","room":%q,"from":%q,"changes":true}`, room, id)
		}
		for _, c := range []struct {
			title string
			d     load.Dialect
			n     int
		}{
			{"parleyd, 1,000, lists", s.dialect, 1000},
			{"parleyd, 1,000, changes", changes, 1000},
			{"parleyd, 10,000, lists", s.dialect, 10_000},
			{"parleyd, 10,000, changes", changes, 10_000},
		} {
			if err := largeRoom(s, c.d, c.title, c.n); err != nil {
				return err
			}
		}
	}
	return nil
}

// largeRoom measures one room and prints its rows.
func largeRoom(s *server, d load.Dialect, title string, n int) error {
	admin := ""
	ours := *s
	if s.name == "parleyd" {
		ours.command = func(address string) []string {
			admin = freeAddress()
			return append(s.command(address), "--admin-listen", admin)
		}
	}
	return with(&ours, func(p *process, l *load.Loop) error {
		room, err := load.NewRoom(l, d, p.address, n, churnGuests)
		if room != nil {
			defer room.Close()
		}
		if err != nil {
			return err
		}
		if err := l.Run(roomCalm, func() bool { return false }); err != nil {
			return err
		}
		steps := []step{{name: "one join", do: room.Move}, {name: "one message to all", do: room.Broadcast}, {name: "one leave", do: room.Move}}
		if s.name != "parleyd" {
			steps = []step{steps[0], steps[2]} // it knows no messages to all
		}
		for range roomRounds {
			for i := range steps {
				if err := steps[i].run(l, admin); err != nil {
					return err
				}
			}
		}
		churn := step{name: fmt.Sprintf("%d joins and leaves a second", churnRate), do: func() (load.Figures, error) { return room.Churn(churnRate, churnTime) }}
		if err := churn.run(l, admin); err != nil {
			return err
		}
		for _, st := range append(steps, churn) {
			fmt.Printf("| %s | %s | %.0f | %.1f | %.1f | %.0f | %.1f / %.1f | %s |\n", title, st.name,
				st.median(func(f load.Figures) float64 { return f.Bytes }), st.median(func(f load.Figures) float64 { return ms(f.P99) }),
				st.median(func(f load.Figures) float64 { return ms(f.All) }), st.median(func(f load.Figures) float64 { return float64(f.Never) }),
				st.median(func(f load.Figures) float64 { return ms(f.Delay) }), st.median(func(f load.Figures) float64 { return ms(f.Longest) }), st.longest())
			title = ""
		}
		return nil
	})
}

// step is something that happens to a room, a few times.
type step struct {
	name    string
	do      func() (load.Figures, error)
	figures []load.Figures
	batch   []float64 // the longest of the loop each time, in milliseconds
}

func (s *step) run(l *load.Loop, admin string) error {
	if err := l.Run(roomRest, func() bool { return false }); err != nil {
		return err
	}
	before := batches(admin)
	f, err := s.do()
	s.figures = append(s.figures, f)
	if b := longest(before, batches(admin)); b > 0 {
		s.batch = append(s.batch, b)
	}
	return err
}

func (s *step) median(of func(load.Figures) float64) float64 {
	var values []float64
	for _, f := range s.figures {
		values = append(values, of(f))
	}
	return median(values)
}

// longest returns the bound of the longest batches: of most times, and of all.
func (s *step) longest() string {
	if len(s.batch) == 0 {
		return "–"
	}
	return fmt.Sprintf("≤ %.1f / ≤ %.1f", median(s.batch), slices.Max(s.batch))
}

// Times between two measures of a room: what was done before is over.
const (
	roomRest = 5 * time.Second
	roomCalm = 12 * time.Second // after all have come, which is paid for
)

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// bucket is one of a histogram, and those below: its bound in seconds, and how many are in it.
type bucket struct {
	bound float64
	count float64
}

// batches reads how long the loop's batches took.
func batches(admin string) (all []bucket) {
	if admin == "" {
		return nil
	}
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), `parley_hub_batch_seconds_bucket{le="`)
		if !ok {
			continue
		}
		bound, count, _ := strings.Cut(rest, `"} `)
		var b bucket
		b.bound, _ = strconv.ParseFloat(bound, 64)
		b.count, _ = strconv.ParseFloat(count, 64)
		all = append(all, b)
	}
	return all
}

// longest returns the bound of the longest batch between two readings, in milliseconds; 0:
// there was none.
func longest(before, after []bucket) float64 {
	for i := len(after) - 1; i >= 0 && len(before) == len(after); i-- {
		below := 0.0
		if i > 0 {
			below = after[i-1].count - before[i-1].count
		}
		if after[i].count-before[i].count > below {
			return 1000 * after[i].bound
		}
	}
	return 0
}
