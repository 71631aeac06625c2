package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/config"
)

// names returns the values of the string constants in a folder's Go files, and in
// those of the folders below it, whose names begin with a prefix, in either case.
func names(t *testing.T, folder, prefix string) (values []string) {
	t.Helper()
	match := regexp.MustCompile("^(?i:" + prefix + ")[A-Z]")
	add := func(spec *ast.ValueSpec) {
		for i, name := range spec.Names {
			if !match.MatchString(name.Name) || i >= len(spec.Values) {
				continue
			}
			if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
		}
	}
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if consts, ok := decl.(*ast.GenDecl); ok && consts.Tok == token.CONST {
				for _, spec := range consts.Specs {
					add(spec.(*ast.ValueSpec))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants that begin with %s", folder, prefix)
	}
	return values
}

// rows returns the cells of the lines of the table in README.md that begins with a
// header.
func rows(t *testing.T, header string) (table [][]string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n"+header)
	if !found {
		t.Fatalf("README.md has no table that begins with %q", header)
	}
	for i, line := range strings.Split(rest, "\n") {
		if i < 2 {
			continue // the rest of the header, and the line below it
		}
		if !strings.HasPrefix(line, "|") {
			return table
		}
		table = append(table, strings.Split(strings.Trim(line, "|"), "|"))
	}
	return table
}

// quoted returns what stands in backquotes.
func quoted(text string) (words []string) {
	for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

func TestFlagsAreInREADME(t *testing.T) {
	c, err := config.Load(nil, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	defaults := make(map[string]string) // that the README says, by flag
	for _, row := range rows(t, "| flag |") {
		flags := quoted(row[0])
		values := strings.Split(row[1], ", ")
		for i, flag := range flags {
			value := ""
			if len(values) == len(flags) {
				value = strings.Trim(values[i], " `")
			}
			defaults[strings.TrimPrefix(flag, "--")] = value
		}
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		said, found := defaults[f.Name]
		delete(defaults, f.Name)
		switch {
		case !found:
			t.Errorf("README.md does not name --%s", f.Name)
		case !sameDefault(f, said):
			t.Errorf("the default of --%s is %s; README.md says %q", f.Name, f.DefValue, said)
		}
	})
	delete(defaults, "help")
	for name := range defaults {
		t.Errorf("README.md names --%s, which is no flag", name)
	}
}

// sameDefault compares numbers, durations and switches; other defaults may be said
// in words.
func sameDefault(f *pflag.Flag, said string) bool {
	switch f.Value.Type() {
	case "int", "bool":
		return said == f.DefValue
	case "duration":
		have, _ := time.ParseDuration(f.DefValue)
		want, err := time.ParseDuration(said)
		return err == nil && have == want
	}
	return true
}

// logEvents returns the messages of all log lines.
func logEvents(t *testing.T) []string {
	return slices.Concat(
		names(t, "../../hub", "event"), names(t, "../../wsconn", "event"), names(t, ".", "event"),
		hubEvents(t),
	)
}

// hubEvents returns those of package event, whose names have no prefix.
func hubEvents(t *testing.T) (events []string) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../hub/event/names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Decls[0].(*ast.GenDecl).Specs {
		value, err := strconv.Unquote(spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, value)
	}
	return events
}

// logSchema is what the tests read of the log's schema.
type logSchema struct {
	Properties struct {
		Msg struct{ Enum []string }
	}
	Defs struct {
		Reason struct{ Enum []string }
	} `json:"$defs"`
	AllOf []struct {
		If struct {
			Properties struct {
				Msg struct{ Const string }
			}
		}
		Then struct{ Properties map[string]any }
	}
}

func readLogSchema(t *testing.T) (s logSchema) {
	t.Helper()
	text, err := os.ReadFile("deploy/log.schema.json")
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLogEventsAreInSchema(t *testing.T) {
	s := readLogSchema(t)
	var described []string
	for _, one := range s.AllOf {
		described = append(described, one.If.Properties.Msg.Const)
	}
	compare(t, "the events", logEvents(t), s.Properties.Msg.Enum)
	compare(t, "the events with fields", logEvents(t), described)
	compare(t, "the reasons", names(t, "../../hub/event/names.go", "reason"), s.Defs.Reason.Enum)
}

// compare holds names in the code against those in the schema.
func compare(t *testing.T, what string, code, schema []string) {
	t.Helper()
	for _, name := range code {
		if !slices.Contains(schema, name) {
			t.Errorf("%s of log.schema.json lack %q", what, name)
		}
	}
	for _, name := range schema {
		if !slices.Contains(code, name) {
			t.Errorf("%s of log.schema.json have %q, which the code does not", what, name)
		}
	}
}

func TestLogEventsAreInREADME(t *testing.T) {
	fields := make(map[string][]string)
	for _, row := range rows(t, "| `msg` |") {
		for _, msg := range quoted(row[0]) {
			fields[msg] = quoted(row[1])
		}
	}
	for _, one := range readLogSchema(t).AllOf {
		msg := one.If.Properties.Msg.Const
		said, found := fields[msg]
		if !found {
			t.Errorf("README.md does not name the log event %q", msg)
			continue
		}
		if msg == eventStart {
			continue // its fields are the settings
		}
		_, connection := one.Then.Properties["conn"]
		for field := range one.Then.Properties {
			switch {
			case field == "ts" || field == "level" || field == "msg":
			case field == "node" && connection: // said once, for all
			case !slices.Contains(said, field):
				t.Errorf("README.md does not name the field %q of the log event %q", field, msg)
			}
		}
	}
}

func TestReasonsAreInREADME(t *testing.T) {
	var said []string
	for _, row := range rows(t, "| `reason` |") {
		said = append(said, quoted(row[0])...)
	}
	for _, reason := range names(t, "../../hub/event/names.go", "reason") {
		if !slices.Contains(said, reason) {
			t.Errorf("README.md does not name the reason %q", reason)
		}
	}
}
