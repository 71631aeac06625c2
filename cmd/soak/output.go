package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/parley-rtc/parley/cmd/soak/internal/plan"
	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

// plainEvery is how often progress is told where there is no terminal.
const plainEvery = 5 * time.Second

// output is where people and machines read what happens.
type output struct {
	plan   *plan.Plan
	stdout io.Writer

	mu     sync.Mutex // guards what follows
	people io.Writer
	width  int  // of the terminal; 0: there is none
	drawn  bool // a status stands on the last line
	last   time.Time
}

func newOutput(p *plan.Plan, stdout, stderr io.Writer) (*output, error) {
	o := &output{plan: p, stdout: stdout, people: stdout, last: time.Now()}
	if p.JSONFile == "-" {
		o.people = stderr
	}
	if f, ok := o.people.(*os.File); ok && term.IsTerminal(int(f.Fd())) && !p.NoProgress {
		o.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			o.width = w
		}
	}
	// A file that can't be written is an error before the test, not after it.
	for _, path := range []string{p.ReportFile, p.JSONFile} {
		if path == "" || path == "-" {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// say prints a line.
func (o *output) say(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.plan.NoProgress {
		return
	}
	o.clear()
	fmt.Fprintf(o.people, format+"\n", args...)
}

// status shows how it goes: on a terminal at once and in one place, elsewhere as a
// line now and then.
func (o *output) status(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.plan.NoProgress:
	case o.width > 0:
		o.clear()
		if r := []rune(text); len(r) >= o.width {
			text = string(r[:o.width-1])
		}
		fmt.Fprint(o.people, text)
		o.drawn = true
	case time.Since(o.last) >= plainEvery-time.Second/10:
		o.last = time.Now()
		fmt.Fprintln(o.people, "  "+text)
	}
}

// clear takes the status away.
func (o *output) clear() {
	if o.drawn {
		fmt.Fprint(o.people, "\r\x1b[K")
		o.drawn = false
	}
}

// finish writes the reports.
func (o *output) finish(r *report.Report) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
	r.Text(o.people)
	text, err := r.JSON()
	if err != nil {
		return err
	}
	if o.plan.JSONFile == "-" {
		if _, err := o.stdout.Write(text); err != nil {
			return err
		}
	} else if o.plan.JSONFile != "" {
		if err := os.WriteFile(o.plan.JSONFile, text, 0o644); err != nil {
			return err
		}
	}
	if o.plan.ReportFile != "" {
		var page strings.Builder
		if err := r.HTML(&page); err != nil {
			return err
		}
		return os.WriteFile(o.plan.ReportFile, []byte(page.String()), 0o644)
	}
	return nil
}
