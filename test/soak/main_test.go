// Package soak tests the built load-test client, against the built daemon and other
// servers.
package soak

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

func TestMain(m *testing.M) { parleyd.Main(m, "soak") }

// result is what a run left.
type result struct {
	code   int
	output string
	report report
	json   string // the report's file
	page   string // the report's page
}

// report is what the tests read of a report.
type report struct {
	Phases []struct {
		Counts struct{ Sent, Received, Joins, Resumes, Renewals, Calls, Answered, Lost int }
		WebRTC *struct {
			Pairs, Up, Failed, Relayed, Echoes int
			Outcomes                           map[string]int
			Stages                             map[string]struct {
				Count int
				Max   float64 `json:"max_ms"`
			}
		}
		Closes map[string]int
	}
	Faults []struct {
		Kind  string
		Count int
	}
	Server *struct {
		CPU    float64 `json:"cpu_max"`
		Memory float64 `json:"memory_max_bytes"`
	}
	Client struct {
		Refused int `json:"dials_without_resources"`
	}
}

// small is a run of two seconds; on a busy machine messages may take their time.
var small = []string{"--rooms", "4", "--peers", "3", "--rate", "300", "--duration", "2s", "--ramp", "500ms", "--late", "30s"}

// run runs soak against a URL. Its report must be as its schema says.
func run(t *testing.T, url string, args ...string) result {
	t.Helper()
	return runCommand(t, url, exec.Command(parleyd.Built("soak")), args...)
}

// runCommand runs a command that becomes soak.
func runCommand(t *testing.T, url string, cmd *exec.Cmd, args ...string) result {
	t.Helper()
	dir := t.TempDir()
	r := result{json: filepath.Join(dir, "report.json"), page: filepath.Join(dir, "report.html")}
	ctx, cancel := context.WithTimeout(t.Context(), 4*parleyd.Patience)
	defer cancel()
	bounded := exec.CommandContext(ctx, cmd.Path, append(append(cmd.Args[1:], "--url", url, "--json", r.json, "--report", r.page), args...)...)
	out, err := bounded.CombinedOutput()
	r.output, r.code = string(out), bounded.ProcessState.ExitCode()
	if ctx.Err() != nil {
		t.Fatalf("soak did not end (%v):\n%s", err, out)
	}
	text, err := os.ReadFile(r.json)
	if err != nil {
		t.Fatalf("%v; exit code %d:\n%s", err, r.code, out)
	}
	if err := json.Unmarshal(text, &r.report); err != nil {
		t.Fatal(err)
	}
	conforms(t, text)
	return r
}

// conforms holds a report against the schema that soak prints.
func conforms(t *testing.T, text []byte) {
	t.Helper()
	out, err := exec.Command(parleyd.Built("soak"), "schema").Output()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("report.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(document); err != nil {
		t.Errorf("the report is not what its schema says: %v", err)
	}
}

func (r *result) want(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d:\n%s", r.code, code, r.output)
	}
}
