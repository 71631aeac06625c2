// Package wire is a network that tests can cut.
package wire

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Wire carries connections to an address, unless it is cut, as a phone's network is between
// two cells.
type Wire struct {
	Address string // host:port that leads there

	mu    sync.Mutex // guards what follows
	cut   bool
	conns map[net.Conn]*atomic.Bool // whether each is silent
}

// New makes a wire to an address, and ends it after the test.
func New(t *testing.T, to string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Address: l.Addr().String(), conns: map[net.Conn]*atomic.Bool{}}
	t.Cleanup(func() {
		_ = l.Close()
		w.Cut(true)
	})
	go func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(down, to)
		}
	}()
	return w
}

func (w *Wire) carry(down net.Conn, to string) {
	defer down.Close()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	silent := new(atomic.Bool)
	w.conns[down], w.conns[up] = silent, silent
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(gate{up, silent}, down)
		_ = up.Close()
	}()
	_, _ = io.Copy(gate{down, silent}, up)
	w.mu.Lock()
	delete(w.conns, down)
	delete(w.conns, up)
	w.mu.Unlock()
}

// gate lets nothing through while it is silent.
type gate struct {
	to     io.Writer
	silent *atomic.Bool
}

func (g gate) Write(b []byte) (int, error) {
	if g.silent.Load() {
		return len(b), nil
	}
	return g.to.Write(b)
}

// Silence lets nothing through on the connections of now, which stay open, as when a phone
// has gone over to another network; new ones work.
func (w *Wire) Silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, silent := range w.conns {
		silent.Store(true)
	}
}

// Cut cuts the wire, resetting all connections, or mends it.
func (w *Wire) Cut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for conn := range w.conns {
		if cut {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}
}
