// Package direct carries packets between nodes on connections of their own: nothing stands
// between two nodes that could hold a packet up. It is a backplane over another one, which
// has the register, makes the nodes known to each other, and carries what has no direct
// connection yet, or no more.
//
// A node makes a key at its start. Nodes tell each other by the other backplane at which
// addresses they listen, and a digest of their key; connections are TLS, and both ends
// must have the key that was told. So whoever may send packets on the other backplane may
// here, and nobody else.
package direct

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

// Options are those of a node's direct connections.
type Options struct {
	Node      string   // name of this node
	Listen    string   // host:port for the other nodes; port 0: any that is free
	Advertise []string // host:port at which they reach it; none: Listen, or this machine's addresses where that has no host
	Logger    *zap.Logger
}

// The events that this package logs.
const (
	EventConnected    = "node connected directly"     // node, address
	EventDisconnected = "node not connected directly" // node, error: what is sent to it takes the broker
)

// Backplane is a [cluster.Backplane].
type Backplane struct {
	cluster.Backplane // the other one

	// Set before start, then read only.
	options  Options
	identity *identity
	listener net.Listener
	receive  func(packet []byte)
	ctx      context.Context // done when it is closed
	cancel   context.CancelFunc
	done     sync.WaitGroup

	mu       sync.Mutex
	peers    map[string]*peer      // by node; guarded by mu
	accepted map[net.Conn]struct{} // guarded by mu
}

// New listens for the other nodes. over is closed with what is returned.
func New(over cluster.Backplane, o Options) (*Backplane, error) {
	id, err := newIdentity()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("direct connections: %w", err)
	}
	b := &Backplane{
		Backplane: over, options: o, identity: id, listener: l, peers: map[string]*peer{}, accepted: map[net.Conn]struct{}{},
	}
	if len(o.Advertise) == 0 {
		if b.options.Advertise, err = addresses(l.Addr()); err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("direct connections: %w", err)
		}
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// addresses returns where others reach what listens at an address.
func addresses(at net.Addr) (all []string, err error) {
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return nil, err
	}
	if !net.ParseIP(host).IsUnspecified() {
		return []string{at.String()}, nil
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range interfaces {
		if n, is := a.(*net.IPNet); is && n.IP.IsGlobalUnicast() {
			all = append(all, net.JoinHostPort(n.IP.String(), port))
		}
	}
	if len(all) == 0 {
		all = []string{net.JoinHostPort("127.0.0.1", port)}
	}
	return all, nil
}

// Start implements [cluster.Backplane].
func (b *Backplane) Start(receive func(packet []byte), changed func(cluster.Entry), renewed func()) error {
	b.receive = receive
	if err := b.Backplane.Start(b.take, changed, renewed); err != nil {
		return err
	}
	b.done.Go(b.accept)
	return nil
}

// Close implements [cluster.Backplane].
func (b *Backplane) Close() {
	b.cancel()
	_ = b.listener.Close()
	b.mu.Lock()
	for conn := range b.accepted {
		_ = conn.Close()
	}
	peers := b.peers
	b.peers = nil
	b.mu.Unlock()
	for _, p := range peers {
		p.close()
	}
	b.done.Wait()
	b.Backplane.Close()
}

// Send implements [cluster.Backplane].
func (b *Backplane) Send(node string, packet []byte) {
	p := b.peer(node)
	if p == nil {
		return // it is closed
	}
	if p.write(packet) {
		return
	}
	b.Backplane.Send(node, packet)
	if p.seeks(time.Now()) {
		b.greet(node, true)
	}
}

// Connected returns how many nodes this one sends to directly.
func (b *Backplane) Connected() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		if p.connected() {
			n++
		}
	}
	return n
}

// maxPeers is how many nodes are remembered: more than there are only if names change.
const maxPeers = 1000

// peer returns what is known of a node; nil: this is closed.
func (b *Backplane) peer(node string) *peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peers[node]
	if p == nil && b.peers != nil {
		for name, old := range b.peers {
			if len(b.peers) < maxPeers {
				break
			}
			if !old.connected() {
				delete(b.peers, name)
			}
		}
		p = &peer{b: b, node: node, pause: firstPause}
		b.peers[node] = p
	}
	return p
}

// take takes a packet from the other backplane.
func (b *Backplane) take(packet []byte) {
	g, is, err := parseGreeting(packet)
	switch {
	case !is:
		b.receive(packet)
	case err != nil: // a newer version's; what is sent takes the other backplane
	default:
		b.greeted(g)
	}
}

// greet makes this node known to another.
func (b *Backplane) greet(node string, ask bool) {
	b.Backplane.Send(node, greeting{
		Node: b.options.Node, Addresses: b.options.Advertise, Key: b.identity.digest[:], Asks: ask,
	}.packet())
}

// greeted takes in what another node says of itself. One that has asked knows us when it
// has our answer, so only who is answered connects.
func (b *Backplane) greeted(g greeting) {
	p := b.peer(g.Node)
	if p == nil {
		return
	}
	p.know(g)
	if g.Asks {
		b.greet(g.Node, false)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.peers != nil && p.begins() {
		b.done.Go(p.connect)
	}
}

// knows reports whether a node has told that it has a key.
func (b *Backplane) knows(key digest) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.peers {
		if p.has(key) {
			return true
		}
	}
	return false
}

// handshakes is how many connections may be at the beginning at once, whose other end is
// not known yet, and handshakeTime how long that may take.
const (
	handshakes    = 64
	handshakeTime = 3 * time.Second
)

func (b *Backplane) accept() {
	slots := make(chan struct{}, handshakes)
	for {
		conn, err := b.listener.Accept()
		if b.ctx.Err() != nil {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // no descriptors, for the moment
			continue
		}
		select {
		case slots <- struct{}{}:
			b.done.Go(func() { b.serve(conn, func() { <-slots }) })
		default:
			_ = conn.Close()
		}
	}
}

// serve takes packets from a node that has connected. ready is called when it is known
// who it is.
func (b *Backplane) serve(raw net.Conn, ready func()) {
	b.mu.Lock()
	open := b.peers != nil
	if open {
		b.accepted[raw] = struct{}{}
	}
	b.mu.Unlock()
	defer func() {
		_ = raw.Close()
		b.mu.Lock()
		delete(b.accepted, raw)
		b.mu.Unlock()
	}()
	if !open {
		ready()
		return
	}
	conn := tls.Server(raw, b.identity.config(b.knows))
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	err := conn.HandshakeContext(b.ctx)
	ready()
	if err != nil {
		return
	}
	_ = raw.SetDeadline(time.Time{})
	readPackets(conn, b.receive)
}
