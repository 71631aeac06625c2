package main

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// refusalLogInterval is the time between two log lines about connections that
// found no descriptor.
const refusalLogInterval = time.Second

// refusalTime is how long the listener waits for the connection that it is to
// refuse: it is there already.
const refusalTime = 10 * time.Millisecond

// listener accepts connections, and when the process has no descriptor left it
// refuses them, rather than leave them waiting: it gives up one that it keeps in
// reserve, takes the connection with it, and closes it.
type listener struct {
	*net.TCPListener

	log     *zap.Logger
	refused atomic.Uint64

	// Owned by the goroutine that accepts.
	reserve *os.File
	logged  time.Time
	unsaid  int // refused since the last log line
}

func newListener(l *net.TCPListener, log *zap.Logger) *listener {
	return &listener{TCPListener: l, log: log, reserve: openReserve()}
}

func openReserve() *os.File {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil
	}
	return f
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.TCPListener.Accept()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return conn, err
		}
		if l.reserve == nil {
			// Somebody took it while it was given up: net/http waits and tries again.
			l.reserve = openReserve()
			return nil, err
		}
		l.refuse(err)
	}
}

// refuse takes the waiting connection and closes it.
func (l *listener) refuse(reason error) {
	_ = l.reserve.Close()
	l.reserve = nil
	_ = l.SetDeadline(time.Now().Add(refusalTime))
	conn, err := l.TCPListener.Accept()
	_ = l.SetDeadline(time.Time{})
	if err == nil {
		_ = conn.Close()
		l.refused.Add(1)
		l.unsaid++
	}
	l.reserve = openReserve()
	if now := time.Now(); now.Sub(l.logged) >= refusalLogInterval {
		l.log.Warn(eventNoDescriptor, zap.Error(reason), zap.Int(fieldConnections, l.unsaid))
		l.logged, l.unsaid = now, 0
	}
}
