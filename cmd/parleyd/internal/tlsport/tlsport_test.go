package tlsport

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 8 * time.Second

// certificate is one for tests.
func certificate() *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"http/1.1", "acme-tls/1"}}
}

// pipes is a listener of connections within the process.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// port is a Listener under test.
type port struct {
	*Listener
	t     *testing.T
	inner *pipes
}

func open(t *testing.T, config *tls.Config, o Options) *port {
	o.Timeout = timeout
	inner := &pipes{make(chan net.Conn), make(chan struct{})}
	p := &port{New(inner, config, o), t, inner}
	return p
}

// dial connects a client that names these protocols.
func (p *port) dial(protocols ...string) *tls.Conn {
	client, server := net.Pipe()
	p.inner.conns <- server
	c := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err := c.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// got is a connection that was handed out, with who got it.
type got struct {
	by   string
	conn net.Conn
}

// next returns the connection that is handed out next.
func (p *port) next() got {
	all := make(chan got, 2)
	for by, l := range map[string]net.Listener{"http": p.Listener, "stun": p.STUN()} {
		go func() {
			c, err := l.Accept()
			if err == nil {
				all <- got{by, c}
			}
		}()
	}
	return <-all
}

// Whom a connection is for is told by its protocol or else by its first byte, and all
// its bytes arrive.
func TestSort(t *testing.T) {
	config := certificate()
	for _, c := range []struct {
		name      string
		protocols []string
		text      string
		want      string
	}{
		{"a browser", []string{"h2", "http/1.1"}, "GET / HTTP/1.1\r\n", "http"},
		{"a request without a protocol", nil, "GET / HTTP/1.1\r\n", "http"},
		{"a request in lower case", nil, "get", "http"},
		{"a STUN binding", nil, "\x00\x01\x00\x00", "stun"},
		{"a TURN allocation", nil, "\x00\x03\x00\x00", "stun"},
		{"TURN by name", []string{"stun.turn"}, "\x00\x03\x00\x00", "stun"},
		{"TURN that has HTTP as well", []string{"http/1.1", "stun.turn"}, "\x00\x03\x00\x00", "stun"},
		{"STUN by name", []string{"stun.nat-discovery"}, "\x00\x01\x00\x00", "stun"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, config, Options{})
				client := p.dial(c.protocols...)
				go func() { _, _ = io.WriteString(client, c.text) }()
				g := p.next()
				if g.by != c.want {
					t.Errorf("it went to %s", g.by)
				}
				text := make([]byte, len(c.text))
				if _, err := io.ReadFull(g.conn, text); err != nil || string(text) != c.text {
					t.Errorf("%q arrived: %v", text, err)
				}
				if _, plain := g.conn.(*tls.Conn); c.protocols != nil && !plain {
					t.Errorf("it came as %T", g.conn)
				}
				_ = client.NetConn().Close()
				_ = g.conn.Close()
				_ = p.Close()
			})
		})
	}
}

// A silent connection is closed in time: before the handshake, and after it if the first
// byte decides.
func TestSilence(t *testing.T) {
	config := certificate()
	for _, handshake := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, config, Options{})
			before := time.Now()
			var c net.Conn
			if handshake {
				c = p.dial()
			} else {
				client, server := net.Pipe()
				p.inner.conns <- server
				c = client
			}
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
			if lasted := time.Since(before); lasted != timeout {
				t.Errorf("it lasted %s", lasted)
			}
			_ = p.Close()
		})
	}
}

// A client of ACME gets its handshake and no more.
func TestACME(t *testing.T) {
	config := certificate()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, config, Options{})
		c := p.dial("acme-tls/1")
		if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		_ = p.Close()
	})
}

// Plain HTTP is told that TLS is spoken here.
func TestPlainHTTP(t *testing.T) {
	config := certificate()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, config, Options{})
		client, server := net.Pipe()
		p.inner.conns <- server
		go func() { _, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") }()
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTPS") {
			t.Errorf("%s: %s", answer.Status, text)
		}
		_ = client.Close()
		_ = p.Close()
	})
}

// The TURN server sees the address that a proxy has told.
func TestSource(t *testing.T) {
	config := certificate()
	synctest.Test(t, func(t *testing.T) {
		source := netip.MustParseAddrPort("198.51.100.7:1234")
		p := open(t, config, Options{Source: func(net.Conn) (netip.AddrPort, bool) { return source, true }})
		client := p.dial()
		go func() { _, _ = client.Write([]byte{0, 1}) }()
		g := p.next()
		if g.by != "stun" || g.conn.RemoteAddr().String() != source.String() {
			t.Errorf("%s from %s", g.by, g.conn.RemoteAddr())
		}
		_ = client.NetConn().Close()
		_ = g.conn.Close()
		_ = p.Close()
	})
}

// When the TURN server has ended the page goes on, and when the port is closed nobody
// waits.
func TestClose(t *testing.T) {
	config := certificate()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, config, Options{})
		_ = p.STUN().Close()
		c := p.dial("stun.turn")
		if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		client := p.dial("http/1.1")
		conn, err := p.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = client.NetConn().Close()
		_ = conn.Close()

		waiting := p.dial()
		_ = p.Close()
		if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := p.STUN().Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept for STUN: %v", err)
		}
		if _, err := waiting.Read(make([]byte, 1)); err == nil {
			t.Error("a connection that waited is open")
		}
		_ = waiting.NetConn().Close()
	})
}
