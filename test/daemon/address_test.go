package daemon

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// from tries to connect as a proxy would for a client with this address.
func from(t *testing.T, d *parleyd.Daemon, address string) (*websocket.Conn, int) {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), "ws://"+d.Address+"/ws", &websocket.DialOptions{
		HTTPHeader: http.Header{"X-Forwarded-For": {address}},
	})
	if resp == nil {
		t.Fatal(err)
	}
	if conn != nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, resp.StatusCode
}

// One address can't take all connections; behind a trusted proxy it is the
// client's that counts, else what the header says is not believed.
func TestAddressLimits(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted string
		want    [4]int // two connections for one address, a third, one for another
	}{
		{"trusted proxy", "127.0.0.0/8", [4]int{101, 101, 429, 101}},
		{"some peer", "192.0.2.1", [4]int{101, 101, 429, 429}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parleyd.Start(t, "--max-connections-per-ip", "2", "--trusted-proxy", c.trusted)
			for i, address := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "203.0.113.1"} {
				if _, status := from(t, d, address); status != c.want[i] {
					t.Errorf("%s: %d, want %d", address, status, c.want[i])
				}
			}
			d.Wait(t, "upgrade refused", "code", 429, "reason", "address_limit")
		})
	}
}
