package report

import (
	"fmt"
	"math"
	"slices"
)

// Charts returns those of a phase.
func (p *Phase) Charts() (list []*chart) {
	if len(p.Steps) > 0 {
		list = append(list, p.floodChart())
	}
	if len(p.Intervals) == 0 {
		return list
	}
	if p.Counts.Received > 0 {
		list = append(list, p.latencyChart())
		if h := p.histogramChart(); h != nil {
			list = append(list, h)
		}
		list = append(list, p.over("Messages a second", short,
			p.line("sent", func(i *Interval) float64 { return float64(i.Sent) / i.Seconds }),
			p.line("received", func(i *Interval) float64 { return float64(i.Received) / i.Seconds }),
			p.line("due and not sent", func(i *Interval) float64 { return float64(i.Unsent) / i.Seconds })))
	}
	list = append(list, p.over("Members and connections", short,
		p.line("members", func(i *Interval) float64 { return float64(i.Members) }),
		p.line("connections", func(i *Interval) float64 { return float64(i.Connections) })))
	return append(list, p.endCharts()...)
}

// over makes a chart of figures over the phase's time.
func (p *Phase) over(title string, yText func(float64) string, lines ...series) *chart {
	c := &chart{title: title, xText: secondsShort, yText: yText, series: lines}
	for i := range p.Intervals {
		c.x = append(c.x, p.Intervals[i].At)
	}
	return c
}

// line is a figure of each interval.
func (p *Phase) line(name string, of func(*Interval) float64) series {
	s := series{name: name}
	for i := range p.Intervals {
		s.y = append(s.y, of(&p.Intervals[i]))
	}
	return s
}

// latencyChart shows quantiles of the latency over time.
func (p *Phase) latencyChart() *chart {
	quantile := func(name string, of func(*Times) float64) series {
		return p.line(name, func(i *Interval) float64 {
			if i.Latency.Count == 0 {
				return math.NaN()
			}
			return of(&i.Latency)
		})
	}
	c := p.over("Latency over time", Millis,
		quantile("p50", func(t *Times) float64 { return t.P50 }),
		quantile("p90", func(t *Times) float64 { return t.P90 }),
		quantile("p99", func(t *Times) float64 { return t.P99 }),
		quantile("p99.9", func(t *Times) float64 { return t.P999 }),
		quantile("max", func(t *Times) float64 { return t.Max }))
	c.logY = true
	return c
}

// endCharts show how this client and the server did.
func (p *Phase) endCharts() (list []*chart) {
	known := func(v *float64) float64 {
		if v == nil {
			return math.NaN()
		}
		return *v
	}
	if p.Counts.Received > 0 {
		list = append(list, p.over("This client: how late it was, p99", Millis,
			p.line("sending", func(i *Interval) float64 { return i.Late }),
			p.line("reading", func(i *Interval) float64 { return i.ReadLate }),
			p.line("waiting for a core", func(i *Interval) float64 { return i.Wait })))
	}
	list = append(list, p.over("CPU, cores", short,
		p.line("client", func(i *Interval) float64 { return i.ClientCPU }),
		p.line("server", func(i *Interval) float64 { return known(i.ServerCPU) })))
	list = append(list, p.over("Memory", bytesText,
		p.line("client", func(i *Interval) float64 { return i.ClientBytes }),
		p.line("server", func(i *Interval) float64 { return known(i.ServerMemory) })))
	outbox := p.over("Server's outboxes", bytesText, p.line("outboxes", func(i *Interval) float64 { return known(i.ServerOutbox) }))
	if slices.ContainsFunc(outbox.series[0].y, func(v float64) bool { return !math.IsNaN(v) }) {
		list = append(list, outbox)
	}
	return list
}

// histogramChart shows how many messages took how long.
func (p *Phase) histogramChart() *chart {
	t := p.Times["latency"]
	h, err := t.Hdr()
	if err != nil || h.TotalCount() == 0 {
		return nil
	}
	const perDecade = 12
	bin := func(us int64) int { return int(math.Floor(perDecade * math.Log10(float64(max(us, 1))))) }
	counts := map[int]float64{}
	first, last := math.MaxInt, 0
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			n := bin(b.To)
			counts[n] += float64(b.Count)
			first, last = min(first, n), max(last, n)
		}
	}
	c := &chart{title: "How long messages took", xText: Millis, yText: short, logX: true, bars: true, series: []series{{name: "messages"}}}
	for n := first - 1; n <= last+1; n++ {
		c.x = append(c.x, math.Pow(10, (float64(n)+.5)/perDecade)/1000)
		c.series[0].y = append(c.series[0].y, counts[n])
	}
	return c
}

// floodChart shows what each rate of a flood did.
func (p *Phase) floodChart() *chart {
	steps := sortedSteps(p.Steps)
	c := &chart{title: "Flood: latency at each rate", xText: func(v float64) string { return short(v) + "/s" }, yText: Millis,
		series: []series{{name: "p50"}, {name: "p99"}}, logX: true, logY: true}
	for _, s := range steps {
		c.x = append(c.x, s.Rate)
		c.series[0].y = append(c.series[0].y, s.Latency.P50)
		c.series[1].y = append(c.series[1].y, s.Latency.P99)
	}
	return c
}

func secondsShort(s float64) string { return fmt.Sprintf("%.0f s", s) }

// short writes a number with a letter for thousands and millions.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return figure(v/1e6) + "M"
	case v >= 1e4:
		return figure(v/1e3) + "k"
	}
	return figure(v)
}
