package fault

import (
	"context"
	"net"
	"net/http"
)

// smallBuffer is the receive buffer of a client that is not to read: the server
// soon notices.
const smallBuffer = 16 << 10

// transportOf makes an HTTP client that keeps the TCP connection it makes in c.
// buffer is the receive buffer's size, 0: the system's.
func transportOf(c *client, buffer int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			c.tcp = conn.(*net.TCPConn)
			if buffer > 0 {
				err = c.tcp.SetReadBuffer(buffer)
			}
			return conn, err
		},
		DisableKeepAlives: true,
	}}
}
