package wsconn

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// slowGate decides after some time.
type slowGate struct {
	takes time.Duration
	err   error
}

func (g slowGate) Join(context.Context, *JoinRequest) (*Admission, error) {
	time.Sleep(g.takes)
	return &Admission{}, g.err
}

func (g slowGate) Renew(context.Context, *RenewRequest) (*Admission, error) {
	time.Sleep(g.takes)
	return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights}}, g.err
}

// obedient reads all that comes and answers pings; what else comes is passed on, and
// the channel is closed at the end.
func obedient(c *raw) <-chan string {
	texts := make(chan string, 1000)
	go func() {
		defer close(texts)
		for {
			first, payload, err := c.frame()
			switch {
			case err != nil:
				return
			case first == 0x89:
				go func() { _, _ = c.conn.Write([]byte(masked(0x8A, payload))) }()
			default:
				texts <- payload
			}
		}
	}()
	return texts
}

// While a join is decided a client that answers its pings is not cut, and it does not
// miss the time to join by.
func TestClocksStandStill(t *testing.T) {
	o := Options{JoinTimeout: 30 * time.Second, PingInterval: 10 * time.Second, PingTimeout: 2 * time.Second}
	t.Run("admitted", func(t *testing.T) {
		o.Gate = slowGate{takes: time.Minute}
		inTime(t, o, func(t *testing.T, c *raw) {
			texts := obedient(c)
			time.Sleep(29 * time.Second)
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			if got := <-texts; got != `{"type":"joined","room":"r","from":"a","limits":{"message_bytes":65536}}` {
				t.Errorf("got %q", got)
			}
			time.Sleep(time.Hour)
			c.write(masked(0x81, `{"type":"token","token":"t"}`))
			for text := range texts {
				if strings.Contains(text, `"token"`) {
					break
				}
			}
			c.write(masked(0x81, ping))
			if got := <-texts; got != pong {
				t.Errorf("after a renewal: %q", got)
			}
		})
	})
	t.Run("pings close together", func(t *testing.T) { // another falls due just after the first has
		o := o
		o.Gate = slowGate{takes: time.Minute}
		o.PingInterval = 2500 * time.Millisecond
		inTime(t, o, func(t *testing.T, c *raw) {
			texts := obedient(c)
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			if got := <-texts; !strings.HasPrefix(got, `{"type":"joined","room":"r","from":"a"`) {
				t.Errorf("got %q", got)
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		o.Gate = slowGate{takes: time.Minute, err: ErrNoTokens}
		inTime(t, o, func(t *testing.T, c *raw) {
			start := time.Now()
			texts := obedient(c)
			time.Sleep(20 * time.Second)
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			if got := <-texts; !strings.Contains(got, "unavailable") {
				t.Errorf("got %q", got)
			}
			if got := <-texts; !strings.HasPrefix(got, "\x0f\xa7") {
				t.Errorf("got %q, want the close code 4007", got)
			}
			elapsed(t, start, 90*time.Second)
		})
	})
	t.Run("silent", func(t *testing.T) { // the clock of pongs goes on afterwards
		o.Gate = slowGate{takes: time.Minute}
		inTime(t, o, func(t *testing.T, c *raw) {
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			start := time.Now()
			for {
				if _, _, err := c.frame(); err != nil {
					break
				}
			}
			if d := time.Since(start); d > time.Minute+12*time.Second {
				t.Errorf("cut after %s", d)
			}
		})
	})
}

// A connection that is closing ends in time also while a join is decided.
func TestClosingWhileDeciding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{JoinTimeout: -1, PingInterval: -1, Gate: slowGate{takes: time.Minute}})
		c, server := s.connect(func(c net.Conn) net.Conn { return c })
		c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
		synctest.Wait()
		start := time.Now()
		server.Closing()
		if _, _, err := c.frame(); err == nil {
			t.Error("the connection goes on")
		}
		elapsed(t, start, closeTimeout)
		_ = c.conn.Close()
		if err := s.handler.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// expiringGate lets everybody in for a while, and takes long to renew.
type expiringGate struct{ stay, takes time.Duration }

func (g expiringGate) Join(context.Context, *JoinRequest) (*Admission, error) {
	return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: time.Now().Add(g.stay)}}, nil
}

func (g expiringGate) Renew(ctx context.Context, _ *RenewRequest) (*Admission, error) {
	time.Sleep(g.takes)
	until := time.Now().Add(time.Hour)
	return &Admission{Grant: &hub.Grant{Rights: wire.DefaultRights, Expires: until}, Expires: until}, nil
}

// A token that runs out ends the membership, also while a fresh one is decided on; one
// that was renewed in time does not.
func TestExpiryWhileDeciding(t *testing.T) {
	for _, takes := range []time.Duration{time.Second, time.Minute} {
		o := Options{JoinTimeout: -1, PingInterval: -1, Gate: expiringGate{5 * time.Second, takes}}
		inTime(t, o, func(t *testing.T, c *raw) {
			start := time.Now()
			c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
			c.write(masked(0x81, `{"type":"token","token":"t"}`))
			if takes > 5*time.Second {
				c.wantClose(wire.CloseTokenExpired)
				return
			}
			for {
				_, text, err := c.frame()
				if err != nil {
					t.Fatalf("closed after %s: %v", time.Since(start), err)
				}
				if strings.HasPrefix(text, `{"type":"token"`) {
					break
				}
			}
			time.Sleep(time.Minute)
			c.write(masked(0x81, ping))
			c.want(0x81, pong)
		})
	}
}
