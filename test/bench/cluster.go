package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/parley-rtc/parley/test/bench/load"
)

// Three nodes share the server's core, with the broker that is built in, as a single
// daemon has it alone. Only the ratios count.
const (
	nodeCount   = 3
	readyTime   = 30 * time.Second
	clusterIdle = 10 * time.Second

	pacedRate = 60_000 // messages a second of all pairs, for the cost below saturation
	pacedTime = 3 * time.Second
)

var nodeNames = []string{"n0", "n1", "n2"}

// placement says where the members of a pair are, whose room n0 owns.
type placement struct {
	title string
	nodes [2]int
}

var placements = []placement{
	{"both members with the owner", [2]int{0, 0}},
	{"one with the owner, one with another node", [2]int{0, 1}},
	{"each with another node, neither the owner", [2]int{1, 2}},
}

// nodes are the processes of a cluster.
type nodes []*process

func (n nodes) cpu() (used time.Duration) {
	for _, p := range n {
		used += p.cpu()
	}
	return used
}

func (n nodes) stop() {
	for _, p := range n {
		p.stop()
	}
}

// startNodes starts a cluster, and waits until all of it is ready.
func startNodes(s *server) (n nodes, admin string, err error) {
	var listen, admins []string
	for range nodeCount {
		listen, admins = append(listen, freeAddress()), append(admins, freeAddress())
	}
	for i := range nodeCount {
		node := *s
		node.command = func(address string) []string {
			args := append(s.command(address), "--admin-listen", admins[i], "--node", nodeNames[i], "--cluster-listen", listen[i])
			for j, peer := range listen {
				if j != i {
					args = append(args, "--cluster-peer", peer)
				}
			}
			return args
		}
		p, err := node.start()
		if err != nil {
			n.stop()
			return nil, "", err
		}
		n = append(n, p)
	}
	for _, p := range n {
		if err := awaitReady(p.address); err != nil {
			n.stop()
			return nil, "", err
		}
	}
	return n, admins[0], nil
}

func awaitReady(address string) error {
	for deadline := time.Now().Add(readyTime); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the cluster is not ready within %s", readyTime)
		}
	}
	time.Sleep(2 * time.Second) // the partitions are spread
	return nil
}

// placed is a dialect that places the members of each pair.
func placed(d load.Dialect, n nodes, owned []string, p placement) load.Dialect {
	join := d.Join
	d.Join = func(room, id string) string {
		var i int
		_, _ = fmt.Sscanf(room, "room%d", &i)
		return join(owned[i], id)
	}
	d.Address = func(id string) string {
		if strings.ContainsAny(id[len(id)-1:], "13579") {
			return n[p.nodes[1]].address
		}
		return n[p.nodes[0]].address
	}
	return d
}

// ownedRooms returns names of rooms that the first node owns: its own count of rooms tells.
func ownedRooms(d load.Dialect, n nodes, admin string) (owned []string, err error) {
	l, err := load.NewLoop()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	before := 0.0
	for i := 0; len(owned) < pairCount; i++ {
		id, room, in := fmt.Sprint("probe", i), fmt.Sprint("placed ", i), false
		c, err := l.Dial(n[0].address, d.Path(id))
		if err != nil {
			return nil, err
		}
		c.OnMessage = func([]byte) { in = true }
		c.Send(load.Text(d.Join(room, id)))
		if err := l.Run(readyTime, func() bool { return in }); err != nil {
			return nil, err
		}
		rooms := metric(admin, "parley_rooms")
		if rooms > before {
			owned = append(owned, room)
		}
		before = rooms
	}
	return owned, nil
}

// clusterFigures are those of one way to run.
type clusterFigures struct{ rate, cpu, paced, p50, p99 []float64 }

func (f *clusterFigures) measure(d load.Dialect, n nodes) error {
	l, err := load.NewLoop()
	if err != nil {
		return err
	}
	defer l.Close()
	var used []time.Duration
	count, took, err := load.Relay(l, d, n[0].address, pairCount, 16, relayWarm, relayTime, func() { used = append(used, n.cpu()) })
	if err != nil {
		return err
	}
	f.rate = append(f.rate, float64(count)/took.Seconds())
	f.cpu = append(f.cpu, float64((used[1]-used[0]).Microseconds())/float64(count))
	l.Close()
	if err := f.pace(d, n); err != nil {
		return err
	}
	slow, err := load.NewLoop()
	if err != nil {
		return err
	}
	defer slow.Close()
	sent, err := load.Latency(slow, d, n[0].address, pairCount, latencyRate, latencyTime)
	if err != nil {
		return err
	}
	f.p50 = append(f.p50, float64(sent.Typical(.5, latencyParts).Nanoseconds())/1000)
	f.p99 = append(f.p99, float64(sent.Typical(.99, latencyParts).Nanoseconds())/1000)
	return nil
}

// pace takes the CPU of a message at a rate that does not keep the servers busy.
func (f *clusterFigures) pace(d load.Dialect, n nodes) error {
	l, err := load.NewLoop()
	if err != nil {
		return err
	}
	defer l.Close()
	before := n.cpu()
	sent, err := load.Latency(l, d, n[0].address, pairCount, pacedRate, pacedTime)
	if err != nil {
		return err
	}
	f.paced = append(f.paced, float64((n.cpu()-before).Microseconds())/float64(len(sent.Took)))
	return nil
}

// measureCluster prints what a cluster does beside a single daemon.
func measureCluster(s *server, rounds int) error {
	single, idleShare := clusterFigures{}, []float64{}
	clustered := make([]clusterFigures, len(placements))
	for range rounds {
		p, err := s.start()
		if err != nil {
			return err
		}
		err = single.measure(s.dialect, nodes{p})
		p.stop()
		if err != nil {
			return err
		}
		for i, place := range placements {
			n, admin, err := startNodes(s)
			if err != nil {
				return err
			}
			if i == 0 {
				before := n.cpu()
				time.Sleep(clusterIdle)
				idleShare = append(idleShare, (n.cpu()-before).Seconds()/clusterIdle.Seconds()/nodeCount*100)
			}
			owned, err := ownedRooms(s.dialect, n, admin)
			if err == nil {
				err = clustered[i].measure(placed(s.dialect, n, owned, place), n)
			}
			n.stop()
			if err != nil {
				return err
			}
		}
	}
	fmt.Printf("%s; medians of %d rounds\n\n| | relay, 16 under way, messages/s | CPU a message, all nodes, µs | the same at 60,000/s | p50 at 2,000/s, µs | p99, µs |\n|---|---|---|---|---|---|\n", machine(), rounds)
	row := func(title string, f *clusterFigures) {
		fmt.Printf("| %s |", title)
		for _, c := range []struct {
			values, of []float64
			format     string
		}{{f.rate, single.rate, "%.0f"}, {f.cpu, single.cpu, "%.1f"}, {f.paced, single.paced, "%.1f"}, {f.p50, single.p50, "%.0f"}, {f.p99, single.p99, "%.0f"}} {
			fmt.Printf(" "+c.format+" (%.2f ×) |", median(c.values), median(c.values)/median(c.of))
		}
		fmt.Println()
	}
	row("one daemon", &single)
	for i, place := range placements {
		row(place.title, &clustered[i])
	}
	fmt.Printf("\nAn idle node takes %.2f %% of a core.\n", median(idleShare))
	return nil
}
