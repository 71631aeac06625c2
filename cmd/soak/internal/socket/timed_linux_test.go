package socket

import (
	"net"
	"sync"
	"testing"
	"time"
)

// sleeper is a handler that is busy for a time after a read, while more comes.
type sleeper struct {
	*collector
	conn   *Conn
	send   func(frame string)
	warm   bool      // the system tells times, which it begins to do some time after it was asked to
	sent   time.Time // when the frame was sent that it is busy for; zero: not yet
	read   time.Time // when it was read
	lag    time.Duration
	lagged bool
}

const (
	busy  = 50 * time.Millisecond
	first = "\x81\x01a"
	last  = "\x81\x01b"
)

func (s *sleeper) Begin(at time.Time) {
	s.collector.Begin(at)
	lag, ok := s.conn.ReadLag()
	switch {
	case !s.sent.IsZero():
		s.read, s.lag, s.lagged = at, lag, ok
	case s.warm || ok:
		s.sent = time.Now()
		s.send(last)
		time.Sleep(busy)
	default:
		s.send(first)
	}
}

// A read says how long the system had what was read; only where that was asked for.
func TestReadLag(t *testing.T) {
	for _, timed := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		tcp := client.(*net.TCPConn)
		h := &sleeper{collector: newCollector(), conn: newConn(tcp, tcp, nil), warm: !timed}
		h.messages = make(chan string) // one at a time, however many it takes
		h.send = func(frame string) {
			if _, err := server.Write([]byte(frame)); err != nil {
				t.Error(err)
			}
		}
		if timed {
			h.conn.TimeReads()
		}
		h.send(first)
		var serving sync.WaitGroup
		serving.Go(func() { h.conn.Serve(h) })
		for h.next(t) != "b" {
		}
		h.conn.Cut()
		serving.Wait()
		if h.lagged != timed {
			t.Fatalf("timed %v, and the lag is known: %v", timed, h.lagged)
		}
		if waited := h.read.Sub(h.sent); timed && (h.lag < busy || h.lag > waited) {
			t.Errorf("it was read %v after it had been sent, and that is said to be %v late", waited, h.lag)
		}
	}
}
