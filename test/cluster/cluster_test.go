// Package cluster tests several built daemons that are one server.
package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/nodes"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

func TestMain(m *testing.M) { parleyd.Main(m, "soak") }

// soak is a run of the load-test client, which checks every message.
type soak struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

// startSoak begins a run against an address. Messages may take a while, as they do
// when rooms move, but must all come.
func startSoak(t *testing.T, address string, args ...string) *soak {
	t.Helper()
	s := &soak{t: t, done: make(chan error, 1)}
	args = append([]string{"--url", "ws://" + address + "/ws", "--rooms", "20", "--peers", "3", "--rate", "200", "--late", "6s"}, args...)
	s.cmd = exec.Command(parleyd.Built("soak"), args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	go func() { s.done <- s.cmd.Wait() }()
	return s
}

// interrupt ends the run early and in order.
func (s *soak) interrupt() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
}

// passes waits for the end of the run, all of whose checks must have passed.
func (s *soak) passes() {
	s.t.Helper()
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Fatalf("%v\n%s", err, s.out.String())
		}
	case <-time.After(4 * parleyd.Patience):
		s.t.Fatal("soak does not end")
	}
}

// Members meet whichever nodes a load balancer has brought them to, those on bad networks
// too.
func TestLoad(t *testing.T) {
	c := nodes.Start(t, 3)
	startSoak(t, c.Balanced, "--profile", "rolling", "--duration", "8s").passes()
	startSoak(t, c.Balanced, "--profile", "rolling", "--duration", "8s", "--changes").passes()
	for i, d := range c.Daemons {
		if _, text := parleyd.Get(t, d.Admin, "/metrics"); !strings.Contains(text, "\nparley_cluster_nodes_direct 2\n") {
			t.Errorf("node %d is not connected to the others directly", i)
		}
	}
	var list struct {
		Items []struct {
			Name       string
			State      string
			Partitions int
		}
	}
	_, text := parleyd.Get(t, c.Daemons[1].Admin, "/api/v1/nodes")
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range list.Items {
		sum += n.Partitions
		if n.Partitions < 60 || n.State != "up" {
			t.Errorf("%+v", n)
		}
	}
	if len(list.Items) != 3 || sum != 256 {
		t.Errorf("nodes: %s", text)
	}
}

// A node that stands still holds nobody up for long, and finds its place when it goes
// on.
func TestStandStill(t *testing.T) {
	c := nodes.Start(t, 3)
	others := nodes.Balance(t, c.Daemons[0].Address, c.Daemons[1].Address)
	s := startSoak(t, others, "--duration", "20s")
	time.Sleep(7 * time.Second)
	c.Daemons[2].Signal(syscall.SIGSTOP)
	time.Sleep(7 * time.Second)
	c.Daemons[2].Signal(syscall.SIGCONT)
	c.Daemons[2].Wait(t, "node fenced")
	c.AwaitReady(2)
	s.passes()
	startSoak(t, c.Balanced, "--duration", "5s").passes()
}

// A node leaves and comes back, as in a rolling restart: the members of the others
// lose nothing and see no change.
func TestLeaveAndComeBack(t *testing.T) {
	c := nodes.Start(t, 3)
	others := nodes.Balance(t, c.Daemons[0].Address, c.Daemons[1].Address)
	s := startSoak(t, others, "--duration", "16s")
	time.Sleep(7 * time.Second)
	c.Daemons[2].Signal(syscall.SIGTERM)
	if code := c.Daemons[2].ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.Daemons[2].Wait(t, "stopped", "complete", true)
	c.Restart(2)
	c.AwaitReady(2)
	s.passes()
}

// A node is cut off from the others and back: the others go on, it refuses, and is
// whole again soon.
func TestCutOff(t *testing.T) {
	c := nodes.Start(t, 3)
	others := nodes.Balance(t, c.Daemons[0].Address, c.Daemons[1].Address)
	s := startSoak(t, others, "--duration", "20s")
	time.Sleep(7 * time.Second)
	c.Cut(2, true)
	for deadline := time.Now().Add(parleyd.Patience); c.Ready(2); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the node that is cut off says that it is ready")
		}
	}
	time.Sleep(4 * time.Second)
	c.Cut(2, false)
	c.AwaitReady(2)
	s.passes()
	startSoak(t, c.Balanced, "--duration", "5s").passes()
}

// Where a load balancer brings the members of a room to one node, that node comes to own it,
// while its members notice nothing.
func TestFollow(t *testing.T) {
	c := nodes.Start(t, 3)
	s := startSoak(t, nodes.Hashed(t, c.Daemons[0].Address, c.Daemons[1].Address, c.Daemons[2].Address), "--duration", "35s")
	at := func(node int, name string) (value float64) {
		_, text := parleyd.Get(t, c.Daemons[node].Admin, "/metrics")
		_, rest, found := strings.Cut(text, "\n"+name+" ")
		if _, err := fmt.Sscan(rest, &value); !found || err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return value
	}
	for deadline := time.Now().Add(35 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		away, all := 0.0, 0.0
		for node := range c.Daemons {
			connected := at(node, "parley_connections")
			all += connected
			away += max(connected-at(node, "parley_members"), 0)
		}
		if all >= 60 && away == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%.0f of %.0f members are at nodes that do not own their rooms", away, all)
		}
	}
	s.passes()
}

// Orders and lists reach all nodes.
func TestAdmin(t *testing.T) {
	c := nodes.Start(t, 3)
	s := startSoak(t, c.Balanced, "--duration", "10s")
	admin := func(node int, args ...string) string {
		t.Helper()
		args = append([]string{"admin", "--server", "http://" + c.Daemons[node].Admin}, args...)
		out, err := parleyd.Command(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	var rooms struct{ Items []struct{ Name string } }
	for deadline := time.Now().Add(parleyd.Patience); len(rooms.Items) < 20; time.Sleep(100 * time.Millisecond) {
		if err := json.Unmarshal([]byte(admin(0, "rooms", "--json")), &rooms); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d rooms are listed", len(rooms.Items))
		}
	}
	if n := strings.Count(admin(1, "nodes"), " up "); n != 3 {
		t.Errorf("%d nodes are up", n)
	}
	for i, room := range rooms.Items {
		if out := admin(i%3, "room", room.Name); !strings.Contains(out, room.Name) {
			t.Errorf("room: %s", out)
		}
		if i == 5 {
			break
		}
	}
	if out := admin(2, "connections", "--limit", "0", "--json"); strings.Count(out, `"node":`) < 60 {
		t.Errorf("connections: %.200s", out)
	}
	s.passes()
}

// externalNATS returns the port of a NATS server that is started, and again, by a call.
func externalNATS(t *testing.T) (port string, start func() *exec.Cmd) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "nats-server")
	if err := parleyd.Build(binary, "github.com/nats-io/nats-server/v2"); err != nil {
		t.Fatal(err)
	}
	port = process.FreePort(t)
	return port, func() *exec.Cmd {
		cmd := exec.Command(binary, "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		process.AwaitTCP(t, "127.0.0.1:"+port)
		return cmd
	}
}

// Two daemons on an external NATS server, which goes away for a while: they refuse, keep
// their clients, and go on when it is back.
func TestExternalNATS(t *testing.T) {
	port, startNATS := externalNATS(t)
	server := startNATS()
	var all []*parleyd.Daemon
	for i := range 2 {
		all = append(all, parleyd.Start(t, "--node", fmt.Sprint("n", i), "--cluster-nats", "nats://127.0.0.1:"+port))
	}
	ready := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(parleyd.Patience); ; time.Sleep(50 * time.Millisecond) {
			n := 0
			for _, d := range all {
				answer, err := http.Get("http://" + d.Address + "/readyz")
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				if (answer.StatusCode == http.StatusOK) == want {
					n++
				}
			}
			if n == len(all) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("ready: not %v in time", want)
			}
		}
	}
	ready(true)
	balanced := nodes.Balance(t, all[0].Address, all[1].Address)
	startSoak(t, balanced, "--duration", "5s").passes()
	_ = server.Process.Signal(os.Interrupt)
	_ = server.Wait()
	ready(false)
	startNATS()
	ready(true)
	startSoak(t, balanced, "--duration", "5s").passes()
}
