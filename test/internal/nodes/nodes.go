// Package nodes runs several daemons that are one server, for tests.
package nodes

import (
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
	"github.com/parley-rtc/parley/test/internal/wire"
)

// Cluster is daemons that are one server, each of which reaches the others through a
// wire that can be cut.
type Cluster struct {
	Daemons  []*parleyd.Daemon
	Balanced string // host:port of a load balancer (nginx) before them

	t      *testing.T
	nats   string // URL of an external NATS server; empty: they have brokers of their own
	secret string
	listen []string       // of clients, by node
	broker []string       // of the other nodes
	wires  [][]*wire.Wire // by the node that calls and the one that is called
	direct []string       // of direct connections, by node
	shorts []*wire.Wire   // that lead there
	extra  []string       // arguments
	dirs   []string
}

// Secret is what nodes know each other by at the start.
const Secret = "open sesame"

// Start runs n daemons with brokers of their own, waits until all are ready, and ends
// them after the test.
func Start(t *testing.T, n int, args ...string) *Cluster {
	t.Helper()
	return start(t, n, "", args)
}

// StartOn is Start for daemons on an external NATS server.
func StartOn(t *testing.T, nats string, n int, args ...string) *Cluster {
	t.Helper()
	return start(t, n, nats, args)
}

func start(t *testing.T, n int, nats string, args []string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, nats: nats, secret: filepath.Join(t.TempDir(), "secret"), extra: args, Daemons: make([]*parleyd.Daemon, n)}
	if err := os.WriteFile(c.secret, []byte(Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		c.listen = append(c.listen, "127.0.0.1:"+process.FreePort(t))
		// Brokers tell each other of third ones by the address that a connection comes from.
		// That leads nowhere here, or it would lead around the wires.
		c.broker = append(c.broker, fmt.Sprintf("127.0.1.%d:%s", i+1, process.FreePort(t)))
		c.dirs = append(c.dirs, t.TempDir())
		c.direct = append(c.direct, "127.0.0.1:"+process.FreePort(t))
		c.shorts = append(c.shorts, wire.New(t, c.direct[i]))
	}
	for range n {
		var row []*wire.Wire
		for j := range n {
			row = append(row, wire.New(t, c.broker[j]))
		}
		c.wires = append(c.wires, row)
	}
	for i := range n {
		c.Restart(i)
	}
	for i := range n {
		c.AwaitReady(i)
	}
	c.balance()
	return c
}

// Restart runs a daemon, again if it has ended.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	args := append([]string{
		"--node", fmt.Sprint("n", i), "--cluster-direct-listen", c.direct[i], "--cluster-direct-advertise", c.shorts[i].Address,
	}, c.extra...)
	if c.nats != "" {
		args = append(args, "--cluster-nats", c.nats)
	} else {
		args = append(args, "--cluster-listen", c.broker[i], "--cluster-dir", c.dirs[i], "--cluster-secret-file", c.secret)
		for j := range c.broker {
			if j != i {
				args = append(args, "--cluster-peer", c.wires[i][j].Address)
			}
		}
	}
	c.Daemons[i] = parleyd.StartAt(c.t, c.listen[i], args...)
}

// ChangeSecrets writes others into the file that all nodes have, and waits until they
// have read them.
func (c *Cluster) ChangeSecrets(secrets ...string) {
	c.t.Helper()
	var before []int
	reloads := func(d *parleyd.Daemon) (n int) {
		for _, line := range d.Lines() {
			if line["msg"] == "secret reloaded" {
				n++
			}
		}
		return n
	}
	for _, d := range c.Daemons {
		before = append(before, reloads(d))
	}
	fresh := c.secret + ".new"
	if err := os.WriteFile(fresh, []byte(strings.Join(secrets, "\n")+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(fresh, c.secret); err != nil {
		c.t.Fatal(err)
	}
	for i, d := range c.Daemons {
		for deadline := time.Now().Add(parleyd.Patience); reloads(d) == before[i]; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				c.t.Fatalf("node %d does not read its secrets again", i)
			}
		}
	}
}

// Ready reports whether a node is.
func (c *Cluster) Ready(i int) bool {
	answer, err := http.Get("http://" + c.listen[i] + "/readyz")
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// AwaitReady waits until a node is ready.
func (c *Cluster) AwaitReady(i int) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * parleyd.Patience); !c.Ready(i); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("node %d is not ready in time", i)
		}
	}
}

// Cut cuts a node off from the others, or mends that. The others reach each other through
// their brokers alone meanwhile: whose a direct connection is can't be told on the way.
func (c *Cluster) Cut(i int, cut bool) {
	for _, short := range c.shorts {
		short.Cut(cut)
	}
	for j := range c.wires {
		if j != i {
			c.wires[i][j].Cut(cut)
			c.wires[j][i].Cut(cut)
		}
	}
}

// balance runs a load balancer before the nodes.
func (c *Cluster) balance() {
	c.Balanced = Balance(c.t, c.listen...)
}

// Balance runs a load balancer (nginx) before servers, and returns its address.
func Balance(t *testing.T, servers ...string) string {
	t.Helper()
	return balance(t, "", servers)
}

// Hashed is Balance for all that name the same partition to be brought to one server.
func Hashed(t *testing.T, servers ...string) string {
	t.Helper()
	return balance(t, "hash $arg_room consistent; ", servers)
}

func balance(t *testing.T, method string, servers []string) string {
	t.Helper()
	dir, port := t.TempDir(), process.FreePort(t)
	var upstream strings.Builder
	upstream.WriteString(method)
	for _, s := range servers {
		fmt.Fprintf(&upstream, "server %s max_fails=1 fail_timeout=1s; ", s)
	}
	config := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("SERVERS", upstream.String(), "PORT", port).Replace(balancer)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	process.Start(t, exec.Command("/usr/sbin/nginx", "-p", dir, "-c", config, "-e", "stderr", "-g", "daemon off; pid nginx.pid;"))
	process.AwaitTCP(t, "127.0.0.1:"+port)
	return "127.0.0.1:" + port
}

//go:embed balancer.conf
var balancer string
