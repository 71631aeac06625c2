package direct

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// hole is a way to an address that can fall silent: it takes everything, and brings nothing
// on or back.
type hole struct {
	address string
	to      atomic.Value // string
	silent  atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

func newHole(t *testing.T) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{address: l.Addr().String()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { h.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		h.mu.Lock()
		for _, c := range h.conns {
			_ = c.Close()
		}
		h.mu.Unlock()
		done.Wait()
	})
	return h
}

func (h *hole) carry(down net.Conn) {
	up, err := net.Dial("tcp", h.to.Load().(string))
	if err != nil {
		_ = down.Close()
		return
	}
	h.mu.Lock()
	h.conns = append(h.conns, down, up)
	h.mu.Unlock()
	var done sync.WaitGroup
	done.Go(func() { h.copy(up, down) })
	h.copy(down, up)
	done.Wait()
}

func (h *hole) copy(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if h.silent.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil && err != io.EOF {
			return
		}
	}
}
