package main

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/cmd/parleyd/internal/proxyheader"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/sockets"
	"github.com/parley-rtc/parley/cmd/parleyd/internal/tlsport"
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
	sockets.Listener

	log     *zap.Logger
	refused atomic.Uint64

	// Owned by the goroutine that accepts.
	reserve *os.File
	logged  time.Time
	unsaid  int // refused since the last log line
}

func newListener(l sockets.Listener, log *zap.Logger) *listener {
	return &listener{Listener: l, log: log, reserve: openReserve()}
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
		conn, err := l.Listener.Accept()
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
	l.setDeadline(time.Now().Add(refusalTime))
	conn, err := l.Listener.Accept()
	l.setDeadline(time.Time{})
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

// setDeadline bounds the next Accept. The system's sockets all can.
func (l *listener) setDeadline(t time.Time) {
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(t)
	}
}

// entrance is one of the listeners of the page and of /ws, with what is in front of it.
type entrance struct {
	*listener

	named  *proxyheader.Listener // nil: no PROXY headers are read
	shared *tlsport.Listener     // if the TURN server is on this port too; nil: it is not
	tls    bool
}

// raw returns the listener of the connections as clients or proxies open them.
func (e *entrance) raw() net.Listener {
	if e.named != nil {
		return e.named
	}
	return e.listener
}

// accepting returns the listener that the server accepts from.
func (e *entrance) accepting(config *tls.Config) net.Listener {
	switch {
	case e.shared != nil:
		return e.shared
	case e.tls:
		return secured(e.raw(), config)
	}
	return e.raw()
}

// Close implements net.Listener.
func (e *entrance) Close() error {
	if e.shared != nil {
		return e.shared.Close()
	}
	return e.raw().Close()
}
