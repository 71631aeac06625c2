// Package parleyd builds the daemon and runs it for tests, as a process of its
// own.
package parleyd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Patience is how long tests wait for what must come: far longer than it takes
// on a busy machine, since only failures take this long.
const Patience = 30 * time.Second

var (
	folder string // with what was built
	binary string // the daemon
)

// Main builds the daemon, and other commands that are named, with the race detector,
// runs the tests of a package and removes what was built. TestMain calls it.
func Main(m *testing.M, others ...string) {
	os.Exit(run(m, others))
}

// Built returns the path of a command that Main has built.
func Built(command string) string { return filepath.Join(folder, command) }

func run(m *testing.M, others []string) int {
	dir, err := os.MkdirTemp("", "parleyd-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	folder, binary = dir, filepath.Join(dir, "parleyd")
	// The state of daemons is removed with the rest.
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, command := range append([]string{"parleyd"}, others...) {
		if err := Build(Built(command), "./cmd/"+command, "-race"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Build builds a command of the main module to the file named output.
func Build(output, command string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", output, command)
	build := exec.Command("go", args...)
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", command, err, out)
	}
	return nil
}

// Install installs a command of another module, as in example.org/tool/cmd/x@v1.2.3, for
// the tests of this package, and returns its path.
func Install(t testing.TB, command string) string {
	t.Helper()
	path, _, _ := strings.Cut(command, "@")
	output := Built(filepath.Base(path))
	if _, err := os.Stat(output); err == nil {
		return output
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	install := exec.Command("go", "install", command)
	install.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("installing %s: %v\n%s", command, err, out)
	}
	return output
}

// root returns the folder of the main module: two above that of any test.
func root() string { return filepath.Join("..", "..") }

// Daemon is a running daemon.
type Daemon struct {
	Address string // host:port of the page and of /ws
	Admin   string // host:port of the admin listener

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended

	mu    sync.Mutex
	lines []Line
	texts []string // as they were written
	more  chan struct{}
}

// Line is a line of the log.
type Line map[string]any

// Command returns the command that runs the daemon, for tests of its start.
func Command(args ...string) *exec.Cmd { return exec.Command(binary, args...) }

// Start runs the daemon on free ports, and kills it at the end of the test.
func Start(t testing.TB, args ...string) *Daemon {
	t.Helper()
	return StartAt(t, "127.0.0.1:0", args...)
}

// StartAt is Start with an address for --listen.
func StartAt(t testing.TB, listen string, args ...string) *Daemon {
	t.Helper()
	return StartCommand(t, Command(append([]string{"--listen", listen, "--admin-listen", "127.0.0.1:0"}, args...)...))
}

// StartWithin is Start under a shell's ulimit, such as "-n 64".
func StartWithin(t testing.TB, ulimit string, args ...string) *Daemon {
	t.Helper()
	args = append([]string{"-c", "ulimit " + ulimit + ` && exec "$0" "$@"`, binary,
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	return StartCommand(t, exec.Command("sh", args...))
}

// StartCommand runs a command that becomes the daemon.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Daemon {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{cmd: cmd, exited: make(chan struct{}), more: make(chan struct{}, 1)}
	go d.read(stderr)
	t.Cleanup(func() {
		d.Kill()
		if t.Failed() {
			t.Logf("log of parleyd:\n%s", strings.Join(d.Texts(), "\n"))
		}
		d.checkLog(t)
	})
	start := d.Wait(t, "start")
	d.Address, _ = start["listen"].(string)
	d.Admin, _ = start["admin_listen"].(string)
	return d
}

// checkLog holds the whole log against its schema; a report of a race is no line of
// it.
func (d *Daemon) checkLog(t testing.TB) {
	schema, err := logSchema()
	if err != nil {
		t.Error(err)
		return
	}
	for _, text := range d.Texts() {
		if strings.Contains(text, "DATA RACE") {
			t.Errorf("race in parleyd:\n%s", strings.Join(d.Texts(), "\n"))
			return
		}
		line, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			continue // of a start that failed, or for people
		}
		if err := schema.Validate(line); err != nil {
			t.Errorf("a line of the log is not as its schema says: %s\n%v", text, err)
		}
	}
}

var logSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	return compiler.Compile(filepath.Join(root(), "cmd", "parleyd", "deploy", "log.schema.json"))
})

func (d *Daemon) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line Line
		_ = json.Unmarshal(lines.Bytes(), &line) // nil where it is not JSON
		d.mu.Lock()
		d.lines = append(d.lines, line)
		d.texts = append(d.texts, lines.Text())
		d.mu.Unlock()
		select {
		case d.more <- struct{}{}:
		default:
		}
	}
	_ = d.cmd.Wait()
	close(d.exited)
}

// Lines returns the log so far; lines that are not JSON are nil.
func (d *Daemon) Lines() []Line {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Line(nil), d.lines...)
}

// Texts returns the log so far as it was written.
func (d *Daemon) Texts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.texts...)
}

// Wait waits for the first log line with this message whose fields, given as
// names and values, are these.
func (d *Daemon) Wait(t testing.TB, msg string, fields ...any) Line {
	t.Helper()
	deadline := time.After(Patience)
	for {
		for _, line := range d.Lines() {
			if line["msg"] == msg && line.has(fields) {
				return line
			}
		}
		select {
		case <-d.more:
		case <-d.exited:
			t.Fatalf("parleyd ended without logging %q; its log:\n%s", msg, strings.Join(d.Texts(), "\n"))
		case <-deadline:
			t.Fatalf("parleyd did not log %q %v", msg, fields)
		}
	}
}

func (l Line) has(fields []any) bool {
	for i := 0; i+1 < len(fields); i += 2 {
		if fmt.Sprint(l[fields[i].(string)]) != fmt.Sprint(fields[i+1]) {
			return false
		}
	}
	return true
}

// Signal sends the process a signal.
func (d *Daemon) Signal(s syscall.Signal) { _ = d.cmd.Process.Signal(s) }

// Pid returns the process's number.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (d *Daemon) Exited() <-chan struct{} { return d.exited }

// ExitCode waits for the process to end and returns its exit code.
func (d *Daemon) ExitCode(t testing.TB) int {
	t.Helper()
	select {
	case <-d.exited:
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(Patience):
		t.Fatal("parleyd did not end")
		return 0
	}
}

// Kill ends the process at once and waits for its end.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// Get fetches a path of the daemon, or of its admin listener, and returns the
// status and the body.
func Get(t testing.TB, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: Patience}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
