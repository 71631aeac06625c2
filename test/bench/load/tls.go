package load

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// secure is the TLS of a connection. The library reads from and writes to memory; the
// loop moves the bytes, so that it never waits for one connection.
type secure struct {
	net.Conn // nil: the library needs no other methods than those below

	c      *Conn
	client *tls.Conn
	in     []byte // from the socket, for the library
	shaken bool   // the loop has taken over; before, reads and writes wait
}

// Read implements net.Conn.
func (s *secure) Read(b []byte) (int, error) {
	if !s.shaken {
		return socket(s.c.fd).Read(b)
	}
	if len(s.in) == 0 {
		return 0, os.ErrDeadlineExceeded // which the library takes for a pause
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write implements net.Conn.
func (s *secure) Write(b []byte) (int, error) {
	if !s.shaken {
		return socket(s.c.fd).Write(b)
	}
	s.c.out = append(s.c.out, b...)
	return len(b), nil
}

// SetWriteDeadline implements net.Conn.
func (*secure) SetWriteDeadline(time.Time) error { return nil }

// open passes what data holds to f, in pieces.
func (s *secure) open(data []byte, f func(text []byte)) error {
	s.in = data
	for {
		n, err := s.client.Read(opened[:])
		if n > 0 {
			f(opened[:n])
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
}

// opened is what one record holds at most.
var opened [16 << 10]byte
