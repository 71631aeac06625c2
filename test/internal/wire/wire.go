// Package wire is a network that tests can cut.
package wire

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Wire carries connections to an address, unless it is cut, as a phone's network is between
// two cells.
type Wire struct {
	Address string // host:port that leads there

	mu    sync.Mutex // guards what follows
	cut   bool
	conns map[net.Conn]struct{}
}

// New makes a wire to an address, and ends it after the test.
func New(t *testing.T, to string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Address: l.Addr().String(), conns: map[net.Conn]struct{}{}}
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
	w.conns[down], w.conns[up] = struct{}{}, struct{}{}
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(up, down)
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
	w.mu.Lock()
	delete(w.conns, down)
	delete(w.conns, up)
	w.mu.Unlock()
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
