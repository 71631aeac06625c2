package wsconn

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// takeover is the ResponseWriter for the handshake: it hands out a connection
// that does nothing, so that after the handshake the real one is all ours, and
// the library's connection and the server's buffers are free to go.
type takeover struct {
	http.ResponseWriter

	status int
	conn   net.Conn
	early  []byte // what the client sent behind its request
}

func (t *takeover) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController see the server's own writer.
func (t *takeover) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Hijack implements http.Hijacker.
func (t *takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.conn = conn
	if n := buffered.Reader.Buffered(); n > 0 {
		peeked, _ := buffered.Reader.Peek(n)
		t.early = append([]byte(nil), peeked...)
	}
	idle := idleConn{}
	return idle, bufio.NewReadWriter(bufio.NewReaderSize(idle, 0), bufio.NewWriterSize(idle, 16)), nil
}

// idleConn is never read or written; closing it does nothing.
type idleConn struct{ net.Conn }

func (idleConn) Close() error { return nil }

func (idleConn) SetReadDeadline(time.Time) error { return nil }

func (idleConn) Read([]byte) (int, error) { return 0, net.ErrClosed }

func (idleConn) Write([]byte) (int, error) { return 0, net.ErrClosed }
