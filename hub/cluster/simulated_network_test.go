//go:build !race

package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// network is the backplane of a simulation: what a packet or a write fares is drawn from
// a seed, and faults are switched on and off.
type network struct {
	mu       sync.Mutex
	random   *rand.Rand
	nodes    map[string][]*port // more than one: processes that have the same name
	entries  map[string]Entry
	revision uint64
	age      int // counts how often the register was made anew

	loss, twice float64                  // of packets
	delay       time.Duration            // of packets, at most
	blocked     map[[2]string]bool       // from, to
	sent        map[[2]string]int        // bytes of packets, likewise
	cut         map[string]bool          // neither packets nor register
	paused      map[string]chan struct{} // what comes and goes waits until it is closed
	putDelay    time.Duration            // at most, there and back each
	putTime     time.Duration            // at least, likewise
	swallowed   map[string]int           // writes of a node that come nowhere, the next ones
	silent      bool                     // writes come nowhere
	refuses     bool                     // writes of partitions, at once
	refused     int                      // that many of them
	ambiguous   float64                  // writes that are applied, and answered with an error
	watchDelay  time.Duration            // at most
}

func newNetwork(random *rand.Rand) *network {
	return &network{
		random: random, nodes: map[string][]*port{}, entries: map[string]Entry{}, blocked: map[[2]string]bool{},
		sent: map[[2]string]int{}, cut: map[string]bool{}, paused: map[string]chan struct{}{}, swallowed: map[string]int{},
	}
}

// port is a node's place in the network.
type port struct {
	net     *network
	name    string
	receive func([]byte)
	changed func(Entry)
	renewed func()

	mu      sync.Mutex
	come    *sync.Cond
	packets [][]byte
	changes []Entry
	wiped   bool // the register is another
	closed  bool
	done    sync.WaitGroup
	last    time.Time // when the last change comes: they do not overtake each other
}

func (n *network) join(name string) *port {
	p := &port{net: n, name: name}
	p.come = sync.NewCond(&p.mu)
	return p
}

func (p *port) Start(receive func([]byte), changed func(Entry), renewed func()) error {
	p.receive, p.changed, p.renewed = receive, changed, renewed
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[p.name] = append(n.nodes[p.name], p)
	p.changes = n.all()
	p.done.Go(p.run)
	return nil
}

// all returns the entries in the order of their revisions. The caller holds mu.
func (n *network) all() (entries []Entry) {
	for _, e := range n.entries {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return int(a.Revision) - int(b.Revision) })
	return entries
}

func (p *port) run() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.packets) == 0 && len(p.changes) == 0 && !p.wiped && !p.closed {
			p.come.Wait()
		}
		if p.closed {
			return
		}
		packets, changes, wiped := p.packets, p.changes, p.wiped
		p.packets, p.changes, p.wiped = nil, nil, false
		p.mu.Unlock()
		p.net.stand(p.name)
		if wiped {
			p.renewed()
		}
		for _, e := range changes {
			p.changed(e)
		}
		for _, b := range packets {
			p.receive(b)
			spoil(b)
		}
		p.mu.Lock()
	}
}

func (p *port) packet(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.packets = append(p.packets, b)
	p.come.Broadcast()
}

func (p *port) change(e Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = append(p.changes, e)
	p.come.Broadcast()
}

// upTo draws a time. The caller holds mu.
func (n *network) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(n.random.Int64N(int64(d)))
}

func (n *network) reach(from, to string) bool {
	return !n.cut[from] && !n.cut[to] && !n.blocked[[2]string{from, to}]
}

func (p *port) Send(node string, packet []byte) {
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent[[2]string{p.name, node}] += len(packet)
	copies := 1
	if n.random.Float64() < n.twice {
		copies = 2
	}
	for range copies {
		if !n.reach(p.name, node) || n.random.Float64() < n.loss || len(packet) > MaxPacket {
			continue
		}
		for _, to := range n.nodes[node] {
			b := slices.Clone(packet)
			time.AfterFunc(50*time.Microsecond+n.upTo(n.delay), func() {
				n.stand(p.name)
				to.packet(b)
			})
		}
	}
}

// stand waits while a node is paused.
func (n *network) stand(name string) {
	n.mu.Lock()
	paused := n.paused[name]
	n.mu.Unlock()
	if paused != nil {
		<-paused
	}
}

// pause has all that comes to a node and goes from it wait for a while, and returns when it
// goes on.
func (n *network) pause(name string, long time.Duration) {
	goesOn := make(chan struct{})
	n.set(func() { n.paused[name] = goesOn })
	time.Sleep(long)
	n.set(func() { delete(n.paused, name) })
	close(goesOn)
}

// bytes returns how many bytes of packets one node has sent to another.
func (n *network) bytes(from, to string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent[[2]string{from, to}]
}

var errNoRegister = errors.New("the register does not answer")

func (p *port) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	n := p.net
	n.mu.Lock()
	if n.refuses && strings.HasPrefix(key, "part.") {
		n.refused++
		n.mu.Unlock()
		return 0, errNoRegister
	}
	there, back := n.putTime+n.upTo(n.putDelay), n.putTime+n.upTo(n.putDelay)
	n.mu.Unlock()
	if !sleep(ctx, there) {
		return 0, ctx.Err()
	}
	n.stand(p.name)
	n.mu.Lock()
	if n.silent || n.cut[p.name] || n.swallowed[p.name] > 0 {
		n.swallowed[p.name] = max(n.swallowed[p.name]-1, 0)
		n.mu.Unlock()
		<-ctx.Done()
		return 0, errNoRegister
	}
	if n.entries[key].Revision != revision {
		n.mu.Unlock()
		return 0, ErrConflict
	}
	n.revision++
	at := n.revision
	e := Entry{key, slices.Clone(value), at}
	n.entries[key] = e
	for name, ports := range n.nodes {
		for _, to := range ports {
			if !n.cut[name] {
				to.changeLater(e, n.upTo(n.watchDelay))
			}
		}
	}
	ambiguous := n.random.Float64() < n.ambiguous
	n.mu.Unlock()
	if !sleep(ctx, back) {
		return 0, ctx.Err()
	}
	if ambiguous {
		return 0, errNoRegister
	}
	return at, nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// changeLater has a change come after a time, in order. The caller holds the network's
// mu.
func (p *port) changeLater(e Entry, d time.Duration) {
	at := time.Now().Add(d)
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	if d = time.Until(at); d <= 0 {
		p.change(e)
		return
	}
	// Timers of one instant fire in any order.
	p.last = at.Add(time.Nanosecond)
	age := p.net.age
	time.AfterFunc(d+time.Nanosecond, func() {
		p.net.mu.Lock()
		defer p.net.mu.Unlock()
		if age == p.net.age {
			p.change(e)
		}
	})
}

// set changes the network under its lock.
func (n *network) set(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// join lets a node back that was cut off: its watch begins anew.
func (n *network) back(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, name)
	for _, p := range n.nodes[name] {
		for _, e := range n.all() {
			p.changeLater(e, 0)
		}
	}
}

// wipe makes the register anew.
func (n *network) wipe() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.entries)
	n.revision = 0
	n.age++
	for _, ports := range n.nodes {
		for _, p := range ports {
			p.mu.Lock()
			p.changes = nil
			p.wiped = true
			p.come.Broadcast()
			p.mu.Unlock()
		}
	}
}

// heal ends all faults.
func (n *network) heal() {
	n.mu.Lock()
	var cut []string
	for name := range n.cut {
		cut = append(cut, name)
	}
	n.loss, n.twice, n.delay, n.putDelay, n.putTime, n.ambiguous, n.watchDelay = 0, 0, 0, 0, 0, 0, 0
	n.silent = false
	clear(n.blocked)
	n.mu.Unlock()
	for _, name := range cut {
		n.back(name)
	}
}

func (p *port) Close() {
	n := p.net
	n.mu.Lock()
	n.nodes[p.name] = slices.DeleteFunc(n.nodes[p.name], func(other *port) bool { return other == p })
	n.mu.Unlock()
	p.mu.Lock()
	p.closed = true
	p.come.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}
