package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// network is a proxy that can be cut, as a phone's network is between two cells.
type network struct {
	address string

	mu    sync.Mutex // guards what follows
	cut   bool
	conns map[net.Conn]struct{}
}

func newNetwork(t *testing.T, backend string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{address: l.Addr().String(), conns: map[net.Conn]struct{}{}}
	t.Cleanup(func() {
		_ = l.Close()
		n.set(true)
	})
	go func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			go n.carry(down, backend)
		}
	}()
	return n
}

func (n *network) carry(down net.Conn, backend string) {
	defer down.Close()
	up, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer up.Close()
	n.mu.Lock()
	if n.cut {
		n.mu.Unlock()
		return
	}
	n.conns[down], n.conns[up] = struct{}{}, struct{}{}
	n.mu.Unlock()
	go func() {
		_, _ = io.Copy(up, down)
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
	n.mu.Lock()
	delete(n.conns, down)
	delete(n.conns, up)
	n.mu.Unlock()
}

// set cuts the network, resetting all connections, or mends it.
func (n *network) set(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
	for conn := range n.conns {
		if cut {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}
}

// outage is how long the network is away: within the resume window.
const outage = 5 * time.Second

// With the network cut for 5 s in the middle of a call's set-up, on either side,
// the call still comes up, and the room sees no change.
func TestNetworkCut(t *testing.T) {
	for _, side := range []string{"caller", "callee"} {
		t.Run(side, func(t *testing.T) {
			d := parleyd.Start(t)
			n := newNetwork(t, d.Address)
			annAt, bobAt := d.Address, n.address
			if side == "caller" {
				annAt, bobAt = n.address, d.Address
			}
			b := browser.Start(t)
			ann := open(t, b, "Ann", "http://"+annAt+"/")
			bob := open(t, b, "Bob", "http://"+bobAt+"/")
			ann.join("garden")
			bob.join("garden")
			ann.call("Bob")
			bob.until("it rings", shows("#incoming", "Ann is calling"))
			n.set(true)
			cut := time.AfterFunc(outage, func() { n.set(false) })
			defer cut.Stop()
			d.Wait(t, "suspended")
			bob.click("#accept") // while the network is away
			ann.until("in a call", shows("#state", "In a call with Bob"))
			bob.until("in a call", shows("#state", "In a call with Ann"))
			ann.seesAndHears()
			bob.seesAndHears()
			d.Wait(t, "resumed")
			for _, line := range d.Lines() {
				if line["msg"] == "leave" {
					t.Errorf("somebody left: %v", line)
				}
			}
		})
	}
}
