package direct

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub/cluster"
)

// watched is a connection that sees to it that no write may wait for long.
type watched struct {
	net.Conn
	t *testing.T
}

func (w watched) SetWriteDeadline(at time.Time) error {
	if within := time.Until(at); within > writeTime+writeSlack {
		w.t.Errorf("a write may take %v", within)
		at = time.Now()
	}
	return w.Conn.SetWriteDeadline(at)
}

// A node that stops reading is given up soon after a write, and what is sent to it then takes the
// other way at once.
func TestStalled(t *testing.T) {
	for _, idle := range []time.Duration{0, writeSlack / 2, writeSlack, writeSlack + 1, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			id, err := newIdentity()
			if err != nil {
				t.Fatal(err)
			}
			config := id.config(func(digest) bool { return true })
			near, far := net.Pipe()
			defer far.Close()
			client, server := tls.Client(watched{near, t}, config), tls.Server(far, config)
			go func() {
				_, _ = readPacket(server, nil) // and no more
				_, _ = server.Write([]byte{0})
			}()
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			p := &peer{b: &Backplane{ctx: t.Context(), options: Options{Logger: zap.NewNop()}}}
			go p.use(client, "")
			synctest.Wait()
			if !p.write(packet("read")) {
				t.Fatal("there is no connection")
			}
			time.Sleep(idle)
			begin := time.Now()
			if p.write(make([]byte, cluster.MaxPacket)) || p.connected() {
				t.Error("what nobody reads is on its way")
			}
			if late := time.Since(begin); late < writeTime || late > writeTime+writeSlack {
				t.Errorf("after %v, the node is given up %v later", idle, late)
			}
			begin = time.Now()
			if p.write(packet("behind")) || time.Since(begin) > 0 {
				t.Errorf("the next packet waits for %v", time.Since(begin))
			}
		})
	}
}
