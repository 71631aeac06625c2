package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parley-rtc/parley/cmd/soak/internal/report"
)

func read(path string) (*report.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := report.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// compare tells whether the second report is worse than the first.
func compare(args []string, out io.Writer) (int, error) {
	if len(args) != 2 {
		return 0, errors.New("usage: soak compare A.json B.json")
	}
	a, err := read(args[0])
	if err != nil {
		return 0, err
	}
	b, err := read(args[1])
	if err != nil {
		return 0, err
	}
	if !report.Comparable(a, b) {
		return 0, fmt.Errorf("compare: %s and %s have no phase of the same name", args[0], args[1])
	}
	if report.WriteComparison(out, report.Compare(a, b)) {
		return report.ExitFailed, nil
	}
	return report.ExitOK, nil
}

// merge adds the reports of several machines, and writes the sum as JSON or, where
// its name ends so, as a page.
func merge(args []string, out io.Writer) (int, error) {
	if len(args) < 3 {
		return 0, errors.New("usage: soak merge OUT.json IN.json IN.json... (or OUT.html)")
	}
	for i, path := range args {
		if slices.Contains(args[i+1:], path) {
			return 0, fmt.Errorf("merge: %s appears twice", path)
		}
	}
	if _, err := read(args[0]); err == nil {
		return 0, fmt.Errorf("merge: %s is a report already: the first name is where the sum goes", args[0])
	}
	var parts []*report.Report
	for _, path := range args[1:] {
		r, err := read(path)
		if err != nil {
			return 0, err
		}
		parts = append(parts, r)
	}
	sum, err := report.Merge(parts)
	if err != nil {
		return 0, err
	}
	var text strings.Builder
	if strings.HasSuffix(args[0], ".html") {
		err = sum.HTML(&text)
	} else {
		var b []byte
		b, err = sum.JSON()
		text.Write(b)
	}
	if err == nil {
		err = os.WriteFile(args[0], []byte(text.String()), 0o644)
	}
	if err != nil {
		return 0, err
	}
	sum.Text(out)
	return sum.Verdict.Exit, nil
}
