package socket

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

// Dialer opens connections to one server.
type Dialer struct {
	// Set before the first Dial, then read only.
	TLS     *tls.Config  // for wss; nil: the system's roots
	Header  http.Header  // further headers of the handshake
	Sources []netip.Addr // local addresses to connect from, in turn

	addresses []netip.AddrPort // of the server
	next      atomic.Uint64    // counts dials
	spilled   atomic.Uint32    // loopback addresses that have run out of ports
}

// loopbacks is how many addresses of 127.0.0.0/8 are tried, one after the other, as
// their ports run out.
const loopbacks = 64

// portsEach is how many connections are made from one of them before the next is
// taken: Linux looks for a free port in steps, and takes long once half are used.
const portsEach = 8000

// HandshakeError is a server's refusal to open a WebSocket.
type HandshakeError struct {
	Status int    // of HTTP
	Text   string // what the server said, at most 200 bytes
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("the server answered %d %s: %.200q", e.Status, http.StatusText(e.Status), e.Text)
}

// Resolve looks the host of a URL up, once for all dials.
func (d *Dialer) Resolve(ctx context.Context, u *url.URL) error {
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return err
	}
	hosts, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return err
	}
	for _, h := range hosts {
		d.addresses = append(d.addresses, netip.AddrPortFrom(h.Unmap(), uint16(n)))
	}
	return nil
}

// Dial opens a connection. Bytes that it receives go to the handler once Serve is
// called.
func (d *Dialer) Dial(ctx context.Context, u *url.URL) (*Conn, error) {
	tcp, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = tcp.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = tcp.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var conn net.Conn = tcp
	if u.Scheme == "wss" {
		config := &tls.Config{}
		if d.TLS != nil {
			config = d.TLS.Clone()
		}
		if config.ServerName == "" {
			config.ServerName = u.Hostname()
		}
		config.NextProtos = []string{"http/1.1"}
		conn = tls.Client(tcp, config)
	}
	early, err := d.handshake(conn, u)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	_ = tcp.SetDeadline(time.Time{})
	return newConn(conn, tcp, early), nil
}

// connect opens a TCP connection, from the next source address that has a port.
func (d *Dialer) connect(ctx context.Context) (*net.TCPConn, error) {
	n := d.next.Add(1) - 1
	to := d.addresses[n%uint64(len(d.addresses))]
	tries := len(d.Sources)
	if tries == 0 {
		tries = 1
		if to.Addr().Is4() && to.Addr().IsLoopback() {
			tries = loopbacks
		}
	}
	var err error
	for try := range uint64(tries) {
		spilled := d.spilled.Load()
		at := max(uint64(spilled), n/portsEach) % loopbacks
		var dialer net.Dialer
		switch {
		case len(d.Sources) > 0:
			from := d.Sources[(n+try)%uint64(len(d.Sources))]
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		case tries > 1 && at > 0:
			dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+at))}
		}
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", to.String()); err == nil {
			return conn.(*net.TCPConn), nil
		}
		if !OutOfPorts(err) {
			break
		}
		d.spilled.CompareAndSwap(spilled, spilled+1)
	}
	return nil, err
}

// OutOfPorts reports whether a dial failed since the source address has no free
// port left.
func OutOfPorts(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EADDRINUSE)
}

// OutOfDescriptors reports whether a dial failed since the process or the system
// has no descriptor left.
func OutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// magic is the server's share of the handshake (RFC 6455, 1.3).
const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// handshake opens the WebSocket and returns what came behind the answer.
func (d *Dialer) handshake(conn net.Conn, u *url.URL) (early []byte, err error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	r := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: d.Header.Clone()}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", key)
	if u.User != nil {
		password, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), password)
	}
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(conn, 1<<10)
	resp, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return nil, &HandshakeError{resp.StatusCode, string(text)}
	}
	sum := sha1.Sum([]byte(key + magic))
	if resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, errors.New("handshake: the server's Sec-WebSocket-Accept is wrong")
	}
	early = make([]byte, in.Buffered())
	_, _ = io.ReadFull(in, early)
	return early, nil
}
