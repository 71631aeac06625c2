package direct

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// post is a backplane that counts what it carries.
type post struct {
	mu      sync.Mutex
	nodes   map[string]func([]byte)
	carried int // packets that are no greetings
}

func (p *post) join(node string) cluster.Backplane { return &postNode{p, node} }

func (p *post) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.carried
}

type postNode struct {
	*post
	node string
}

func (n *postNode) Start(receive func([]byte), _ func(cluster.Entry), _ func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[n.node] = receive
	return nil
}

func (n *postNode) Send(node string, packet []byte) {
	n.mu.Lock()
	to := n.nodes[node]
	if !bytes.HasPrefix(packet, greetingHead) {
		n.carried++
	}
	n.mu.Unlock()
	if to != nil {
		to(slices.Clone(packet))
	}
}

func (n *postNode) Put(context.Context, string, []byte, uint64) (uint64, error) { return 0, nil }

func (n *postNode) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.nodes, n.node)
}

// node is one of a test, with what it has received.
type node struct {
	*Backplane
	t   *testing.T
	got chan string
}

func newPost() *post { return &post{nodes: map[string]func([]byte){}} }

func (p *post) start(t *testing.T, name string, advertise ...string) *node {
	t.Helper()
	b, err := New(p.join(name), Options{Node: name, Listen: "127.0.0.1:0", Advertise: advertise, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Backplane: b, t: t, got: make(chan string, 1000)}
	if err := b.Start(func(packet []byte) { n.got <- string(packet) }, func(cluster.Entry) {}, func() {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	return n
}

// packet is one of a node, whose incarnation is not 0.
func packet(text string) []byte { return append([]byte{1, 2, 3, 4, 5, 6, 7, 8}, text...) }

// gets waits for a packet. Others before it are those of another way.
func (n *node) gets(text string) {
	n.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case p := <-n.got:
			if p == string(packet(text)) {
				return
			}
		case <-deadline:
			n.t.Fatalf("%.40q has not come", text)
		}
	}
}

// connects sends until there is a direct connection.
func (n *node) connects(to string) {
	n.t.Helper()
	n.until("there is no direct connection", func() bool { return n.peer(to).connected() }, to)
}

// until sends until a condition holds.
func (n *node) until(otherwise string, holds func() bool, to string) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		n.Send(to, packet("hello"))
		if time.Now().After(deadline) {
			n.t.Fatal(otherwise)
		}
	}
}

// Packets arrive from the first one on, and directly as soon as two nodes know each other:
// each whole and in order, however large.
func TestDirect(t *testing.T) {
	p := newPost()
	a, b := p.start(t, "a"), p.start(t, "b")
	a.Send("b", packet("first"))
	b.gets("first")
	a.connects("b")
	carried := p.count()
	for _, size := range []int{0, 1, recordBytes - lengthBytes - 9, recordBytes - lengthBytes - 8, recordBytes, 100_000, cluster.MaxPacket - 8} {
		text := fmt.Sprint(size) + string(bytes.Repeat([]byte("x"), max(size-len(fmt.Sprint(size)), 0)))
		a.Send("b", packet(text))
		b.gets(text)
	}
	if n := p.count() - carried; n > 0 {
		t.Errorf("%d packets have taken the other way", n)
	}
	if a.Connected() != 1 {
		t.Errorf("connected to %d nodes", a.Connected())
	}
	b.connects("a")
	b.Send("a", packet("back"))
	a.gets("back")
}

// A node that is started again has another key, and is found again.
func TestRestart(t *testing.T) {
	p := newPost()
	a, b := p.start(t, "a"), p.start(t, "b")
	a.connects("b")
	b.Close()
	a.until("the connection is not given up", func() bool { return !a.peer("b").connected() }, "b")
	again := p.start(t, "b")
	a.Send("b", packet("before"))
	again.gets("before")
	a.connects("b")
	a.Send("b", packet("behind"))
	again.gets("behind")
}

// A node that can't be reached at its first address is reached at the next. Another node at an address
// is not taken for the one that has told it.
func TestAddresses(t *testing.T) {
	p := newPost()
	other := p.start(t, "other")
	closed := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := l.Addr().String()
	_ = l.Close()
	a := p.start(t, "a")
	b, err := New(p.join("b"), Options{Node: "b", Listen: own, Advertise: []string{closed, other.listener.Addr().String(), own}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := make(chan string, 1000)
	if err := b.Start(func(packet []byte) { got <- string(packet) }, func(cluster.Entry) {}, func() {}); err != nil {
		t.Fatal(err)
	}
	a.connects("b")
	a.Send("b", packet("here"))
	for p := range got {
		if p == string(packet("here")) {
			break
		}
	}
	if len(other.got) > 0 {
		t.Error("another node got it")
	}
}

// A wire that takes everything and brings nothing back is found out: then the other way is
// taken, until a better one is found.
func TestSilence(t *testing.T) {
	p := newPost()
	a := p.start(t, "a")
	hole := newHole(t)
	b := p.start(t, "b", hole.address)
	hole.to.Store(b.listener.Addr().String())
	a.connects("b")
	hole.silent.Store(true)
	a.until("the connection is not given up", func() bool { return !a.peer("b").connected() }, "b")
	a.Send("b", packet("around"))
	b.gets("around")
	hole.silent.Store(false)
	a.connects("b")
	a.Send("b", packet("through"))
	b.gets("through")
}

// Whoever has no key that a node has told gets nothing through, and costs others nothing.
func TestStrangers(t *testing.T) {
	p := newPost()
	a, b := p.start(t, "a"), p.start(t, "b")
	a.connects("b")
	address := b.listener.Addr().String()
	stranger, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	thief := &peer{b: &Backplane{identity: stranger, ctx: t.Context()}}
	if conn, err := thief.dial(address, b.identity.digest); err == nil {
		_ = conn.Close()
		t.Error("a stranger is let in")
	}
	for range 2 * handshakes {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n"))
	}
	a.Send("b", packet("on"))
	b.gets("on")
	// Others wait for a place no longer than a handshake may take.
	c := p.start(t, "c")
	c.connects("b")
}

// A node that sends what is no packet is not heard any more, and others are.
func TestTooLong(t *testing.T) {
	p := newPost()
	a, b := p.start(t, "a"), p.start(t, "b")
	a.connects("b")
	conn := a.peer("b").sends(time.Now())
	if _, err := conn.Write(binary.LittleEndian.AppendUint32(nil, cluster.MaxPacket+1)); err != nil {
		t.Fatal(err)
	}
	a.until("it is still heard", func() bool { return a.peer("b").sends(time.Now()) != conn }, "b")
	a.connects("b")
	a.Send("b", packet("anew"))
	b.gets("anew")
}

// Greetings that can't be read are nobody's packets, and do no harm.
func TestBadGreetings(t *testing.T) {
	p := newPost()
	a, b := p.start(t, "a"), p.start(t, "b")
	for _, text := range []string{
		"", "{", "[]", "null", `{"node":"x"}`, `{"node":"x","key":"AAAA"}`, `{"node":1}`, `{"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`,
		`{"node":"x","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","addresses":["","x","127.0.0.1:0"]}`,
	} {
		a.Backplane.Backplane.Send("b", append(slices.Clone(greetingHead), text...))
	}
	a.connects("b")
	a.Send("b", packet("on"))
	b.gets("on")
}

// A node that closes while others connect to it, and it to them, does not wait for them.
func TestCloseWhileConnecting(t *testing.T) {
	p := newPost()
	hole := newHole(t)
	hole.silent.Store(true)
	a := p.start(t, "a")
	b := p.start(t, "b", hole.address)
	hole.to.Store(b.listener.Addr().String())
	a.until("nothing connects", func() bool {
		other := a.peer("b")
		other.mu.Lock()
		defer other.mu.Unlock()
		return other.dialing
	}, "b")
	a.Close()
	b.Close()
}

// A node says where it is reached: at the address that it listens on, or, if that is all,
// at each of its machine's.
func TestAddressesOf(t *testing.T) {
	if all, err := addresses(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}); err != nil || !slices.Equal(all, []string{"192.0.2.1:7"}) {
		t.Error(all, err)
	}
	all, err := addresses(&net.TCPAddr{IP: net.IPv6unspecified, Port: 7})
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, a := range all {
		host, port, err := net.SplitHostPort(a)
		if ip := net.ParseIP(host); err != nil || port != "7" || ip == nil || ip.IsUnspecified() {
			t.Error(a)
		}
	}
}
