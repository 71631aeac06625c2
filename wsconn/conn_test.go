package wsconn

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/event"
	"github.com/parley-rtc/parley/hub/wire"
)

// The log and the counters tell with which code a connection ended, and why.
func TestEndsAreTold(t *testing.T) {
	const join, resumable = `{"type":"join","room":"r","from":"a"}`, `{"type":"join","room":"r","from":"a","resumable":true}`
	for _, c := range []struct {
		name   string
		joins  string
		ends   func(c *raw)
		code   wire.CloseCode
		reason string
	}{
		{"it broke", join, func(c *raw) { _ = c.conn.Close() }, wire.CloseAbnormal, event.ReasonLost},
		{"the client closes", join, func(c *raw) { c.write(masked(0x88, "\x03\xe8")) }, wire.CloseNormal, event.ReasonClosed},
		{"the client closes without a code", join, func(c *raw) { c.write(masked(0x88, "")) }, wire.CloseNoStatus, event.ReasonClosed},
		{"the client goes away", join, func(c *raw) { c.write(masked(0x88, "\x03\xe9")) }, wire.CloseGoingAway, event.ReasonClosed},
		{"the client goes away and may resume", resumable, func(c *raw) { c.write(masked(0x88, "\x03\xe9")) }, wire.CloseGoingAway, event.ReasonGoneAway},
		{"binary", join, func(c *raw) { c.write(masked(0x82, "x")) }, wire.CloseUnsupportedData, event.ReasonBadFrame},
		{"a code of its own", join, func(c *raw) { c.write(masked(0x88, "\x0f\xa0")) }, 4000, event.ReasonClosed},
		{"no answer to pings", join, func(*raw) { time.Sleep(time.Hour) }, wire.CloseAbnormal, event.ReasonPingTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logged := observer.New(zap.InfoLevel)
				h := newHub(t, hub.Options{ResumeWindow: time.Minute})
				s := &piped{t, h, newHandler(t, h, Options{Logger: zap.New(core)})}
				client := s.dial()
				go func() {
					for _, _, err := client.frame(); err == nil; _, _, err = client.frame() {
						continue
					}
				}()
				client.write(masked(0x81, c.joins))
				synctest.Wait()
				c.ends(client)
				synctest.Wait()
				_ = client.conn.Close()
				synctest.Wait()
				lines := logged.FilterMessage(EventDisconnect).All()
				if len(lines) != 1 {
					t.Fatalf("%d lines", len(lines))
				}
				if f := lines[0].ContextMap(); f[event.FieldCode] != uint16(c.code) || f[event.FieldReason] != c.reason {
					t.Errorf("the log has code %v, reason %v", f[event.FieldCode], f[event.FieldReason])
				}
				name := c.code.String()
				if c.code == 4000 {
					name = "other"
				}
				s.handler.Stats.Closes.Each(func(code string, n uint64) {
					if want := code == name; (n == 1) != want || n > 1 {
						t.Errorf("%s is counted %d times", code, n)
					}
				})
				_ = s.handler.Close()
			})
		})
	}
}

// A client that goes away and can't resume gets its close frame back.
func TestGoingAwayIsAnswered(t *testing.T) {
	s := newServer(t, resuming)
	c := s.dialRaw("")
	c.write(masked(0x81, `{"type":"join","room":"r","from":"a"}`))
	c.write(masked(0x88, "\x03\xe9"))
	c.wantClose(wire.CloseGoingAway)
}

// Control frames may have MaxControl bytes. An error in a header is told as soon
// as its first two bytes are there.
func TestHeaders(t *testing.T) {
	s := newServer(t, nil)
	c := s.dialRaw("")
	payload := strings.Repeat("x", wire.MaxControl)
	c.write(masked(0x89, payload))
	c.want(0x8A, payload)
	for header, want := range map[string]error{
		"\xc1\x80": errReserved, "\x83\x80": errReserved, "\x81\x00": errUnmasked, "\x89\xfe": errControlFrame, "\x81\x80": nil, "\x81": nil,
	} {
		if _, ok, err := parseHeader([]byte(header)); ok || err != want {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// Shutdown waits for connections that were let in just before it and are not with the
// hub yet, as long as its context lets it.
func TestShutdownWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPiped(t, Options{})
		if _, reason := s.handler.admit(netip.Addr{}); reason != "" {
			t.Fatal(reason)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.handler.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown with a connection that stays: %v", err)
		}
		start := time.Now()
		time.AfterFunc(time.Minute, func() { s.handler.dismiss(netip.Addr{}) })
		if err := s.handler.Shutdown(t.Context()); err != nil || time.Since(start) < time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

// Pings of all connections go out at the same moments, and at the interval that was
// asked for, however short it is.
func TestPingsGoTogether(t *testing.T) {
	for _, interval := range []time.Duration{20 * time.Second, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := newPiped(t, Options{PingInterval: interval, JoinTimeout: -1})
			tick := min(pingTick, interval/10)
			pings := make(chan int)
			for range 3 {
				time.Sleep(137 * time.Microsecond)
				c, _ := s.connect(func(c net.Conn) net.Conn { return c })
				go func() {
					n := 0
					for first, payload, err := c.frame(); err == nil; first, payload, err = c.frame() {
						if first != 0x89 {
							continue
						}
						n++
						if late := time.Since(s.handler.started) % tick; late != 0 {
							t.Errorf("a ping %s off the tick", late)
						}
						_, _ = c.conn.Write([]byte(masked(0x8A, payload)))
					}
					pings <- n
				}()
			}
			time.Sleep(100*interval + interval/2)
			_ = s.handler.Close()
			for range 3 {
				if n := <-pings; n < 99 || n > 112 {
					t.Errorf("%d pings in 100 intervals", n)
				}
			}
			if err := s.handler.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A close frame must be masked like any other, but for the 1001 that a proxy sends for its
// client.
func TestCloseCode(t *testing.T) {
	for _, c := range []struct {
		payload string
		masked  bool
		want    wire.CloseCode
		err     error
	}{
		{"\x03\xe9", true, wire.CloseGoingAway, nil},
		{"\x03\xe9", false, wire.CloseGoingAway, nil},
		{"\x03\xe8", true, 1000, nil},
		{"\x03\xe8", false, 1000, errUnmasked},
		{"", true, wire.CloseNoStatus, nil},
		{"", false, wire.CloseNoStatus, errUnmasked},
		{"\x03", false, 0, errClosePayload},
	} {
		got, err := closeCode(wire.Header{Opcode: wire.OpClose, Masked: c.masked}, []byte(c.payload))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q, masked %v: %d %v", c.payload, c.masked, got, err)
		}
	}
}
