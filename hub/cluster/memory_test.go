package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// memory is a backplane of many nodes in one process, which loses, delays and
// reorders packets as it is told to, and can be cut into parts that do not reach each
// other; only one part reaches the register.
type memory struct {
	mu       sync.Mutex
	nodes    map[string]*memoryNode
	entries  map[string]Entry
	revision uint64
	loss     float64
	delay    time.Duration // at most
	cut      map[string]bool
}

func newMemory() *memory {
	return &memory{nodes: map[string]*memoryNode{}, entries: map[string]Entry{}, cut: map[string]bool{}}
}

type memoryNode struct {
	m       *memory
	name    string
	receive func([]byte)
	changed func(Entry)

	mu      sync.Mutex
	come    *sync.Cond
	packets [][]byte
	changes []Entry
	closed  bool
	done    sync.WaitGroup
}

// join returns the backplane of a node.
func (m *memory) join(name string) *memoryNode {
	b := &memoryNode{m: m, name: name}
	b.come = sync.NewCond(&b.mu)
	return b
}

func (b *memoryNode) Start(receive func([]byte), changed func(Entry), renewed func()) error {
	b.receive, b.changed = receive, changed
	m := b.m
	m.mu.Lock()
	m.nodes[b.name] = b
	for _, e := range m.entries {
		b.changes = append(b.changes, e)
	}
	slices.SortFunc(b.changes, func(a, b Entry) int { return int(a.Revision) - int(b.Revision) })
	m.mu.Unlock()
	b.done.Go(b.run)
	return nil
}

func (b *memoryNode) run() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.packets) == 0 && len(b.changes) == 0 && !b.closed {
			b.come.Wait()
		}
		if b.closed {
			return
		}
		packets, changes := b.packets, b.changes
		b.packets, b.changes = nil, nil
		b.mu.Unlock()
		for _, e := range changes {
			b.changed(e)
		}
		for _, p := range packets {
			b.receive(p)
			spoil(p)
		}
		b.mu.Lock()
	}
}

func (b *memoryNode) add(packet []byte, entry *Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if packet != nil {
		b.packets = append(b.packets, packet)
	}
	if entry != nil {
		b.changes = append(b.changes, *entry)
	}
	b.come.Broadcast()
}

func (b *memoryNode) Send(node string, packet []byte) {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	to := m.nodes[node]
	if to == nil || m.cut[b.name] != m.cut[node] || rand.Float64() < m.loss {
		return
	}
	packet = slices.Clone(packet)
	if m.delay == 0 {
		to.add(packet, nil)
		return
	}
	time.AfterFunc(rand.N(m.delay), func() { to.add(packet, nil) })
}

func (b *memoryNode) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m := b.m
	m.mu.Lock()
	if m.cut[b.name] {
		m.mu.Unlock()
		<-ctx.Done()
		return 0, errors.New("cut off")
	}
	defer m.mu.Unlock()
	if m.entries[key].Revision != revision {
		return 0, ErrConflict
	}
	m.revision++
	e := Entry{key, slices.Clone(value), m.revision}
	m.entries[key] = e
	for name, n := range m.nodes {
		if !m.cut[name] {
			n.add(nil, &e)
		}
	}
	return m.revision, nil
}

// set changes how packets fare.
func (m *memory) set(loss float64, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loss, m.delay = loss, delay
}

// separate cuts nodes off from the others and from the register, or lets them back.
func (m *memory) separate(name string, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut[name] = cut
	if b := m.nodes[name]; !cut && b != nil {
		var all []Entry
		for _, e := range m.entries {
			all = append(all, e)
		}
		slices.SortFunc(all, func(a, b Entry) int { return int(a.Revision) - int(b.Revision) })
		for _, e := range all {
			b.add(nil, &e)
		}
	}
}

func (b *memoryNode) Close() {
	m := b.m
	m.mu.Lock()
	if m.nodes[b.name] == b {
		delete(m.nodes, b.name)
	}
	m.mu.Unlock()
	b.mu.Lock()
	b.closed = true
	b.come.Broadcast()
	b.mu.Unlock()
	b.done.Wait()
}
