package fault

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// soak builds the load-test client and runs it against an address.
func soak(t *testing.T, address string, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "soak")
	if err := parleyd.Build(binary, "./cmd/soak"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"--url", "ws://" + address + "/ws"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("soak: %v\n%s", err, out)
	}
	t.Logf("soak:\n%s", out)
	return string(out)
}

// Fifty rooms at once, as the README has it but for the time.
func TestSoak(t *testing.T) {
	d := parleyd.Start(t)
	soak(t, d.Address, "--rooms", "50", "--peers", "3", "--rate", "500", "--duration", "10s", "--ramp", "2s")
}

// On a link that delays, stalls and cuts messages into pieces nothing is lost,
// repeated, reordered or altered.
func TestBadLink(t *testing.T) {
	d := parleyd.Start(t)
	l := newLink(t, d.Address)
	l.worsen(20*time.Millisecond, 300*time.Millisecond)
	soak(t, l.address, "--rooms", "10", "--peers", "3", "--rate", "200", "--duration", "5s", "--ramp", "1s")
}

// With a low limit of memory the server goes on as before.
func TestLowMemory(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "24MiB")
	d := parleyd.Start(t)
	if limit := d.Wait(t, "start")["memory_limit"]; limit != float64(24<<20) {
		t.Errorf("memory_limit is %v", limit)
	}
	soak(t, d.Address, "--rooms", "50", "--peers", "3", "--rate", "500", "--duration", "5s", "--ramp", "1s")
}

// crowd connects n clients in rooms of ten, as fast as it can, and has each join
// until it is in.
func crowd(t *testing.T, n int, dial func() (*client, error)) []*client {
	t.Helper()
	clients := make([]*client, n)
	var joining sync.WaitGroup
	var failed atomic.Int64
	places := make(chan struct{}, 100) // that many shake hands at once
	for i := range clients {
		joining.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			c, err := dial()
			if err != nil {
				failed.Add(1)
				return
			}
			clients[i] = c
			if err := c.send(fmt.Sprintf(`{"type":"join","room":"room%d","from":"m%d"}`, i/10, i)); err != nil {
				failed.Add(1)
			}
		})
	}
	joining.Wait()
	if failed.Load() > 0 {
		t.Fatalf("%d of %d clients could not connect", failed.Load(), n)
	}
	return clients
}

// Five thousand clients come back at once after the daemon was killed: all get in, know
// their room, and miss no message.
func TestStampede(t *testing.T) {
	stampede(t, func(d *parleyd.Daemon) (*client, error) { return dial(d.Address) })
}

// Over TLS each has to shake hands anew.
func TestStampedeOverTLS(t *testing.T) {
	cert := certificate.New(t, t.TempDir())
	config := &tls.Config{RootCAs: cert.Pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	stampede(t, func(d *parleyd.Daemon) (*client, error) { return dialTLS(d.Address, config) },
		"--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile)
}

func stampede(t *testing.T, dial func(*parleyd.Daemon) (*client, error), args ...string) {
	const clients = 5000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < clients+500 {
		t.Fatalf("%d descriptors are too few for %d clients", limit.Cur, clients)
	}
	// Clients answer pings only while they read, which is one after the other here.
	args = append(args, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--ping-interval", "0")
	d := parleyd.Start(t, args...)
	before := crowd(t, clients, func() (*client, error) { return dial(d) })
	settlesAt(t, d, "parley_members", clients)
	d.Kill()
	for _, c := range before {
		_ = c.conn.CloseNow()
	}
	d = parleyd.StartAt(t, d.Address, args...)
	start := time.Now()
	after := crowd(t, clients, func() (*client, error) { return dial(d) })
	settlesAt(t, d, "parley_members", clients)
	t.Logf("%d clients were back after %s", clients, time.Since(start).Round(time.Millisecond))
	for i, c := range after {
		if err := c.sees(10); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		next := i/10*10 + (i+1)%10
		if err := c.send(fmt.Sprintf(`{"type":"message","to":"m%d","data":%d}`, next, i)); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	for i, c := range after {
		before := i/10*10 + (i+9)%10
		m, err := c.next()
		for err == nil && m.Type == "room_members" {
			m, err = c.next()
		}
		if err != nil || m.Type != "message" || m.From != fmt.Sprintf("m%d", before) || string(m.Data) != fmt.Sprint(before) {
			t.Fatalf("client %d got %+v %v, want message %d", i, m, err, before)
		}
	}
	for _, c := range after {
		_ = c.conn.CloseNow()
	}
}

func settlesAt(t *testing.T, d *parleyd.Daemon, name string, value float64) {
	t.Helper()
	deadline := time.Now().Add(2 * parleyd.Patience)
	for v := gauge(t, d, name); v != value; v = gauge(t, d, name) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %v, want %v", name, v, value)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// SIGTERM under full load, of pairs that have as many messages under way as they can
// take: every client is closed with 1001, and the process ends in time.
func TestTermUnderLoad(t *testing.T) {
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--max-room-members", "0")
	const pairs, underWay = 20, 16
	var running sync.WaitGroup
	var closed atomic.Int64
	text := `{"type":"message","data":"` + strings.Repeat("x", 1000) + `"}`
	for i := range pairs {
		a := mustJoin(t, d, fmt.Sprint(i), "a", 1)
		b := mustJoin(t, d, fmt.Sprint(i), "b", 2)
		for range underWay {
			if err := a.send(text); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []*client{a, b} {
			running.Go(func() { // each message is answered with one
				for {
					m, err := c.next()
					if err == nil && m.Type == "message" {
						_ = c.send(text)
					}
					if err != nil {
						if websocket.CloseStatus(err) == websocket.StatusGoingAway {
							closed.Add(1)
						}
						return
					}
				}
			})
		}
	}
	d.Signal(syscall.SIGTERM)
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	running.Wait()
	if closed.Load() != 2*pairs {
		t.Errorf("%d of %d clients were closed with 1001", closed.Load(), 2*pairs)
	}
	d.Wait(t, "stopped", "complete", true)
}

// A process that is stopped for twice the ping timeout goes on where it was:
// clients that are there are still there.
func TestStopAndContinue(t *testing.T) {
	const pause = 20 * time.Second
	d := parleyd.Start(t, "--rate", "0", "--rate-bytes", "0", "--rate-changes", "0", "--ping-interval", "2s", "--ping-timeout", "2s")
	a := mustJoin(t, d, "r", "a", 1)
	b := mustJoin(t, d, "r", "b", 2)
	if err := a.sees(2); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := a.next() // and answers pings
		got <- err
	}()
	d.Signal(syscall.SIGSTOP)
	time.Sleep(pause) // what is tested is that time passes
	sent := make(chan error, 1)
	go func() { sent <- b.send(`{"type":"message","to":"a","data":1}`) }()
	d.Signal(syscall.SIGCONT)
	for _, done := range []chan error{sent, got} {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(parleyd.Patience):
			t.Fatal("nothing goes on")
		}
	}
	if err := errors.Join(a.conn.CloseNow(), b.conn.CloseNow()); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Log(err)
	}
}
