package soak

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// A client that runs out of descriptors says that it was the limit.
func TestDescriptorsRunOut(t *testing.T) {
	d := parleyd.Start(t)
	shell := exec.Command("sh", "-c", `ulimit -n 40 && exec "$0" "$@"`, parleyd.Built("soak"))
	r := runCommand(t, "ws://"+d.Address+"/ws", shell, "--rooms", "20", "--peers", "3", "--ramp", "0s", "--profile", "idle", "--duration", "1s")
	r.want(t, 3)
	if r.report.Client.Refused == 0 || !strings.Contains(r.output, "NO VERDICT") {
		t.Errorf("%d connections were not opened:\n%s", r.report.Client.Refused, r.output)
	}
}

// inNamespace runs, in a network of its own that has few ports, the daemon and then
// soak.
const inNamespace = `
ip link set lo up
echo "40000 40099" > /proc/sys/net/ipv4/ip_local_port_range
"$0" --listen 127.0.0.1:8080 --admin-listen "" 2>log &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
until grep -q '"msg":"start"' log; do
  kill -0 $daemon || exit 9
  sleep 0.05
done
"$@"
`

// Where the ports of one address run out, connections are made from others.
func TestPortsRunOut(t *testing.T) {
	shell := exec.Command("unshare", "--net", "sh", "-c", inNamespace, parleyd.Built("parleyd"), parleyd.Built("soak"))
	t.Chdir(t.TempDir())
	r := runCommand(t, "ws://127.0.0.1:8080/ws", shell, "--rooms", "25", "--peers", "10", "--ramp", "500ms", "--profile", "idle", "--duration", "1s")
	r.want(t, 0)
	if c := r.report.Phases[0].Counts; c.Joins != 250 {
		t.Errorf("%d have joined:\n%s", c.Joins, r.output)
	}
}

// Two machines start together, and their reports are one.
func TestFleet(t *testing.T) {
	d := parleyd.Start(t)
	at := time.Now().Add(2 * time.Second).Truncate(time.Second)
	var files []string
	done := make(chan struct{})
	second := filepath.Join(t.TempDir(), "second.json")
	go func() {
		defer close(done)
		args := append(small, "--url", "ws://"+d.Address+"/ws", "--json", second, "--start-at", at.Format(time.RFC3339))
		if out, err := exec.Command(parleyd.Built("soak"), args...).CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
	}()
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--start-at", at.Format(time.RFC3339))...)
	<-done
	r.want(t, 0)
	files = append(files, r.json, second)
	sum := filepath.Join(t.TempDir(), "sum.json")
	out, err := exec.Command(parleyd.Built("soak"), append([]string{"merge", sum}, files...)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "members   24 in 8 rooms") {
		t.Errorf("%v:\n%s", err, out)
	}
	text, err := os.ReadFile(sum)
	if err != nil {
		t.Fatal(err)
	}
	conforms(t, text)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var started struct{ Started time.Time }
		if err := json.Unmarshal(text, &started); err != nil || started.Started.Before(at) {
			t.Errorf("started at %v (%v), before %v", started.Started, err, at)
		}
	}
	if out, err := exec.Command(parleyd.Built("soak"), "compare", files[0], files[1]).CombinedOutput(); err == nil && !strings.Contains(string(out), "B is no worse than A") {
		t.Errorf("%s", out)
	}
}

// Machines that flood from the same time on step together, and their knee is that of
// all; others have none.
func TestFleetFloods(t *testing.T) {
	d := parleyd.Start(t)
	flood := func(args ...string) (file string) {
		file = filepath.Join(t.TempDir(), "flood.json")
		args = append([]string{"--url", "ws://" + d.Address + "/ws", "--json", file, "--profile", "flood", "--objective", "p99<30s",
			"--rooms", "2", "--peers", "2", "--ramp", "0s", "--rate", "100", "--step", "1s", "--duration", "6s"}, args...)
		if out, err := exec.Command(parleyd.Built("soak"), args...).CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		return file
	}
	at := time.Now().Add(2 * time.Second).Truncate(time.Second).Format(time.RFC3339)
	var files [3]string
	var machines sync.WaitGroup
	for i := range 2 {
		machines.Go(func() { files[i] = flood("--start-at", at) })
	}
	machines.Wait()
	files[2] = flood()
	merge := func(names ...string) string {
		sum := filepath.Join(t.TempDir(), "sum.json")
		out, _ := exec.Command(parleyd.Built("soak"), append([]string{"merge", sum}, names...)...).CombinedOutput()
		text, err := os.ReadFile(sum)
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		conforms(t, text)
		return string(out)
	}
	if out := merge(files[0], files[1]); !strings.Contains(out, "knee      at least 238 messages a second") {
		t.Errorf("the knee of two is not that of two rates:\n%s", out)
	}
	if out := merge(files[0], files[2]); !strings.Contains(out, "knee      none: the machines did not step together") {
		t.Errorf("%s", out)
	}
}

// On a terminal the progress stands on one line.
func TestTerminal(t *testing.T) {
	d := parleyd.Start(t)
	command := strings.Join(append([]string{parleyd.Built("soak"), "--url", "ws://" + d.Address + "/ws"}, small...), " ")
	out, err := exec.Command("script", "-qec", command, "/dev/null").CombinedOutput()
	text := string(out)
	if err != nil || !strings.Contains(text, "\r\x1b[K") || !strings.Contains(text, "left") || !strings.Contains(text, "PASS") {
		t.Errorf("%v: %q", err, text)
	}
}
