package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// behind returns a client whose connections begin with some bytes, as a proxy for
// TCP sends them.
func behind(transport *http.Transport, text string) *http.Client {
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(c, text)
		}
		return c, err
	}
	return &http.Client{Transport: transport}
}

const (
	version1 = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
	version2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x12\x67\x01\xbb"
)

// Behind a trusted proxy for TCP it is the client's address that counts, also with
// TLS; without a header there is no answer, and nobody else's header is believed.
func TestProxyProtocol(t *testing.T) {
	cert := certificate.New(t, t.TempDir())
	tls := []string{"--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile}
	for _, c := range []struct {
		name, trusted, header string
		tls                   bool
		remote                string // empty: no connection
	}{
		{"version 1", "127.0.0.1", version1, false, "203.0.113.7"},
		{"version 2", "127.0.0.1", version2, false, "203.0.113.7"},
		{"version 1, TLS", "127.0.0.1", version1, true, "203.0.113.7"},
		{"version 2, TLS", "127.0.0.1", version2, true, "203.0.113.7"},
		{"no header", "127.0.0.1", "", false, ""},
		{"somebody else", "192.0.2.1", "", false, "127.0.0.1"},
		{"somebody else's header", "192.0.2.1", version1, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, url, client := []string{"--proxy-protocol", "--trusted-proxy", c.trusted}, "ws://", http.DefaultTransport.(*http.Transport).Clone()
			if c.tls {
				args, url, client = append(args, tls...), "wss://", cert.Client(t).Transport.(*http.Transport).Clone()
			}
			d := parleyd.Start(t, args...)
			conn, _, err := websocket.Dial(t.Context(), url+d.Address+"/ws", &websocket.DialOptions{HTTPClient: behind(client, c.header)})
			if c.remote == "" {
				if err == nil {
					t.Fatal("connected")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			d.Wait(t, "connect", "remote", c.remote)
		})
	}
}

// HAProxy as it is, where there is one.
func TestHAProxy(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("there is no haproxy")
	}
	for _, send := range []string{"send-proxy", "send-proxy-v2"} {
		t.Run(send, func(t *testing.T) {
			d := parleyd.Start(t, "--proxy-protocol", "--trusted-proxy", "127.0.0.1")
			port := process.FreePort(t)
			config := filepath.Join(t.TempDir(), "haproxy.cfg")
			write(t, config, fmt.Appendf(nil, "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"+
				"listen parley\n bind 127.0.0.1:%s\n server a %s %s\n", port, d.Address, send))
			process.Start(t, exec.Command("haproxy", "-db", "-f", config))
			process.AwaitTCP(t, "127.0.0.1:"+port)
			dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
			client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
			conn, _, err := websocket.Dial(t.Context(), "ws://127.0.0.1:"+port+"/ws", &websocket.DialOptions{HTTPClient: client})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			d.Wait(t, "connect", "remote", "127.0.0.9")
		})
	}
}
