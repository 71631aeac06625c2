package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Size of a chart, in the units of its SVG.
const (
	chartWidth  = 640.0
	chartHeight = 220.0
	marginLeft  = 56.0
	marginRight = 12.0
	marginTop   = 10.0
	marginFoot  = 26.0
)

// series is a line of a chart; NaN leaves a gap.
type series struct {
	name string
	y    []float64
}

// chart is lines, or bars, over a common axis.
type chart struct {
	title  string
	x      []float64
	xText  func(float64) string
	yText  func(float64) string
	series []series
	logX   bool
	logY   bool
	bars   bool
}

// Title is the chart's heading.
func (c *chart) Title() string { return c.title }

// Lines are the names of the lines, for the legend.
func (c *chart) Lines() []string {
	var names []string
	for _, s := range c.series {
		names = append(names, s.name)
	}
	return names
}

// scale maps values to positions.
type scale struct {
	low, high, from, to float64
	log                 bool
}

func (s *scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log10(math.Max(v, s.low)), math.Log10(low), math.Log10(high)
	}
	if high == low {
		return s.from
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// ticks returns round values within the scale.
func (s *scale) ticks(about int) (list []float64) {
	if s.log {
		multiples := []float64{1}
		if s.high < 300*s.low {
			multiples = []float64{1, 2, 5}
		}
		for d := math.Pow(10, math.Floor(math.Log10(s.low))); d <= s.high*1.001; d *= 10 {
			for _, m := range multiples {
				if v := m * d; v >= s.low*.999 && v <= s.high*1.001 {
					list = append(list, v)
				}
			}
		}
		return list
	}
	step := niceStep((s.high - s.low) / float64(about))
	for v := math.Ceil(s.low/step) * step; v <= s.high+step/1e6; v += step {
		list = append(list, v)
	}
	return list
}

// niceStep rounds a step up to 1, 2 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	if raw <= 0 || math.IsNaN(raw) || math.IsInf(raw, 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw {
			return m * power
		}
	}
	return 10 * power
}

// scales returns those of the two axes.
func (c *chart) scales() (x, y scale) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range c.series {
		for _, v := range s.y {
			if !math.IsNaN(v) && (!c.logY || v > 0) {
				low, high = math.Min(low, v), math.Max(high, v)
			}
		}
	}
	if math.IsInf(high, -1) {
		low, high = 0, 1
	}
	if c.logY {
		low = math.Pow(10, math.Floor(math.Log10(math.Max(low, 1e-9))))
		high = math.Max(math.Pow(10, math.Ceil(math.Log10(high))), low*10)
	} else {
		if low = 0; high <= 0 {
			high = 1
		}
		step := niceStep(high / 4)
		high = math.Ceil(high/step) * step
	}
	x = scale{low: c.x[0], high: c.x[len(c.x)-1], from: marginLeft, to: chartWidth - marginRight, log: c.logX}
	if x.high <= x.low {
		x.high = x.low + 1
	}
	y = scale{low: low, high: high, from: chartHeight - marginFoot, to: marginTop, log: c.logY}
	return x, y
}

// SVG draws the chart.
func (c *chart) SVG() template.HTML {
	if len(c.x) == 0 {
		return ""
	}
	x, y := c.scales()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, template.HTMLEscapeString(c.title))
	for _, v := range y.ticks(4) {
		at := y.at(v)
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			marginLeft, chartWidth-marginRight, at, at, marginLeft-6, at+4, template.HTMLEscapeString(c.yText(v)))
	}
	for _, v := range x.ticks(6) {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, x.at(v), chartHeight-8, template.HTMLEscapeString(c.xText(v)))
	}
	for i, s := range c.series {
		if c.bars {
			c.drawBars(&b, &x, &y, s)
		} else {
			c.drawLine(&b, &x, &y, s, i+1)
		}
	}
	c.drawHints(&b, &x)
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // all text in it is escaped above
}

func (c *chart) drawLine(b *strings.Builder, x, y *scale, s series, class int) {
	var path strings.Builder
	pen := "M"
	for i, v := range s.y {
		if math.IsNaN(v) || c.logY && v <= 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, x.at(c.x[i]), y.at(v))
		pen = "L"
	}
	if len(s.y) == 1 {
		path.WriteString("h2")
	}
	fmt.Fprintf(b, `<path class="line s%d" d="%s"/>`, class, path.String())
}

func (c *chart) drawBars(b *strings.Builder, x, y *scale, s series) {
	for i, v := range s.y {
		left, right := c.edges(x, i)
		top := y.at(v)
		fmt.Fprintf(b, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, left, top, math.Max(right-left-1, .5), math.Max(y.from-top, 0))
	}
}

// edges returns where the stretch of a value on the x axis begins and ends.
func (c *chart) edges(x *scale, i int) (left, right float64) {
	at := x.at(c.x[i])
	left, right = x.from, x.to
	if i > 0 {
		left = (x.at(c.x[i-1]) + at) / 2
	}
	if i < len(c.x)-1 {
		right = (x.at(c.x[i+1]) + at) / 2
	}
	return left, right
}

// drawHints lays a strip over each value, which tells the figures when it is
// pointed at.
func (c *chart) drawHints(b *strings.Builder, x *scale) {
	for i := range c.x {
		left, right := c.edges(x, i)
		fmt.Fprintf(b, `<rect class="hint" x="%.1f" y="%g" width="%.1f" height="%g"><title>%s</title></rect>`,
			left, marginTop, math.Max(right-left, .5), chartHeight-marginTop-marginFoot, template.HTMLEscapeString(c.hint(i)))
	}
}

func (c *chart) hint(i int) string {
	text := c.xText(c.x[i])
	for _, s := range c.series {
		if v := s.y[i]; !math.IsNaN(v) {
			text += "\n" + s.name + ": " + c.yText(v)
		}
	}
	return text
}

// Table is the chart's figures: a heading and a row a value.
func (c *chart) Table() (rows [][]string) {
	rows = append(rows, append([]string{"at"}, c.Lines()...))
	for i, v := range c.x {
		row := []string{c.xText(v)}
		for _, s := range c.series {
			text := ""
			if !math.IsNaN(s.y[i]) {
				text = c.yText(s.y[i])
			}
			row = append(row, text)
		}
		rows = append(rows, row)
	}
	return rows
}
