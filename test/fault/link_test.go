package fault

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// link is a network between clients and the daemon that can be made bad.
type link struct {
	address string

	mu        sync.Mutex // guards what follows
	conns     []net.Conn
	swallowed bool
	delay     time.Duration // of each piece, up to
	stall     time.Duration // of one piece in fifty: a packet was lost and sent again
}

func newLink(t *testing.T, backend string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{address: listener.Addr().String()}
	t.Cleanup(func() {
		_ = listener.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range l.conns {
			_ = c.Close()
		}
	})
	go func() {
		for {
			down, err := listener.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", backend)
			if err != nil {
				_ = down.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, down, up)
			l.mu.Unlock()
			go l.carry(up, down)
			go l.carry(down, up)
		}
	}()
	return l
}

// swallow lets nothing pass any more, without closing anything.
func (l *link) swallow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.swallowed = true
}

// worsen delays each piece by up to delay, and one in fifty by stall.
func (l *link) worsen(delay, stall time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.stall = delay, stall
}

// carry passes on what comes, in pieces of any size.
func (l *link) carry(to, from net.Conn) {
	piece := make([]byte, 4096)
	for {
		n, err := from.Read(piece[:1+rand.IntN(len(piece))])
		l.mu.Lock()
		swallowed, delay, stall := l.swallowed, l.delay, l.stall
		l.mu.Unlock()
		if swallowed {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if delay > 0 {
			time.Sleep(rand.N(delay))
		}
		if stall > 0 && rand.IntN(50) == 0 {
			time.Sleep(stall)
		}
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				_ = from.Close()
				return
			}
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}
