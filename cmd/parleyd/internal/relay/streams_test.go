package relay

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipeConn is a connection of a client at an address.
type pipeConn struct {
	net.Conn
	remote net.Addr
}

func (p pipeConn) RemoteAddr() net.Addr { return p.remote }

// connect adds a connection of a client.
func connect(t *testing.T, s *streams, client string) *stream {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return s.add(pipeConn{near, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client))})
}

func newTestStreams() *streams { return newStreams(new(Stats), 0) }

// A connection without valid credentials ends soon, whatever it sends; one with
// them, when its allocation can't live any more.
func TestStreamTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStreams()
		st := connect(t, s, "203.0.113.7:1")
		begun := time.Now()
		ended := func() time.Duration {
			if _, err := st.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v", err)
			}
			return time.Since(begun)
		}
		time.Sleep(unauthenticatedTime / 2)
		if d := ended(); d != unauthenticatedTime {
			t.Errorf("ended after %s", d)
		}
		st = connect(t, s, "203.0.113.7:2")
		begun = time.Now()
		go func() {
			time.Sleep(time.Second)
			s.authenticated(st.RemoteAddr()) // while a read waits
		}()
		if d := ended(); d != time.Second+silence {
			t.Errorf("ended after %s", d)
		}
		begun = time.Now()
		s.authenticated(st.RemoteAddr())
		if d := ended(); d != silence {
			t.Errorf("ended after %s", d)
		}
	})
}

// One address can't hold the places of all with connections that never authenticate.
func TestStreamsOfAnAddress(t *testing.T) {
	s := newTestStreams()
	var all []*stream
	for i := range maxUnauthenticated {
		st := connect(t, s, netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}), 1).String())
		if st == nil {
			t.Fatalf("connection %d was refused", i)
		}
		all = append(all, st)
	}
	if connect(t, s, "[2001:db8::ffff]:1") != nil {
		t.Error("one more of the same /64")
	}
	if s.stats.StreamsCut.Load() != 1 {
		t.Error("it is not counted")
	}
	if connect(t, s, "[2001:db8:0:1::1]:1") == nil {
		t.Error("another /64 was refused")
	}
	s.authenticated(all[0].RemoteAddr())
	s.authenticated(all[0].RemoteAddr())
	if connect(t, s, "[2001:db8::ffff]:2") == nil {
		t.Error("refused, though one is authenticated")
	}
	if connect(t, s, "[2001:db8::ffff]:3") != nil {
		t.Error("one authentication has given two places")
	}
	_ = all[1].Close()
	_ = all[1].Close()
	_ = all[0].Close()
	if connect(t, s, "[2001:db8::ffff]:4") == nil {
		t.Error("refused, though one has ended")
	}
	if connect(t, s, "[2001:db8::ffff]:5") != nil {
		t.Error("one end has given two places")
	}
	for _, st := range s.open {
		_ = st.Close()
	}
	if len(s.open) != 0 || len(s.waiting) != 0 || len(s.have) != 0 || s.stats.Streams.Load() != 0 {
		t.Errorf("%d open, %d waiting, %d counted", len(s.open), len(s.waiting), s.stats.Streams.Load())
	}
}

// One address can't hold the places of all with connections that have credentials and
// allocate nothing.
func TestAuthenticatedStreamsOfAnAddress(t *testing.T) {
	const allocations = 3
	s := newStreams(new(Stats), allocations)
	var all []*stream
	for i := range allocations + maxUnauthenticated {
		st := connect(t, s, netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), uint16(i+1)).String())
		if st == nil {
			t.Fatalf("connection %d was refused", i)
		}
		s.authenticated(st.RemoteAddr())
		all = append(all, st)
	}
	if connect(t, s, "203.0.113.7:9000") != nil {
		t.Error("there is one more")
	}
	if s.stats.StreamsCut.Load() != 1 {
		t.Error("it is not counted")
	}
	if connect(t, s, "203.0.113.8:1") == nil {
		t.Error("another address was refused")
	}
	_ = all[0].Close()
	_ = all[0].Close()
	if connect(t, s, "203.0.113.7:9001") == nil {
		t.Error("refused, though one has ended")
	}
	if connect(t, s, "203.0.113.7:9002") != nil {
		t.Error("one end has given two places")
	}
}
