package daemon

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// over returns an HTTP client that connects to a Unix socket, whatever the URL says.
func over(t *testing.T, socket string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// The daemon serves on several listeners at once: members on a Unix socket and on TCP
// meet. The health check asks the socket.
func TestListeners(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "parley.sock")
	d := parleyd.StartCommand(t, parleyd.Command("--listen", "127.0.0.1:0", "--listen", "unix:"+socket+"?mode=0600",
		"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--trusted-proxy", "unix"))
	all := strings.Split(d.Address, ", ")
	if len(all) != 3 || all[1] != "unix:"+socket {
		t.Fatalf("it listens on %q", all)
	}
	a := dial(t, "ws://"+all[0]+"/ws", nil)
	a.join("r", "a")
	b := dial(t, "ws://localhost/ws", over(t, socket))
	b.join("r", "b")
	c := dial(t, "ws://"+all[2]+"/ws", nil)
	c.join("r", "c")
	a.sees("c")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if out, err := withEnv(parleyd.Command("health"), "PARLEY_LISTEN=unix:"+socket).CombinedOutput(); err != nil {
		t.Errorf("health: %v %s", err, out)
	}
	d.Kill() // and leaves the socket behind
	again := parleyd.StartAt(t, "unix:"+socket)
	answer, err := over(t, socket).Get("http://localhost/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	again.Signal(syscall.SIGTERM)
	if code := again.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

func withEnv(cmd *exec.Cmd, more ...string) *exec.Cmd {
	cmd.Env = append(os.Environ(), more...)
	return cmd
}

// activated returns a daemon that gets a socket from systemd under a name, and the socket's
// address.
func activated(t *testing.T, name string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	direct := parleyd.Command(append([]string{"--admin-listen", "127.0.0.1:0"}, args...)...)
	cmd := withEnv(exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`}, direct.Args...)...), "LISTEN_FDS=1", "LISTEN_FDNAMES="+name)
	cmd.ExtraFiles = []*os.File{file}
	return cmd, l.Addr().String()
}

// A socket that systemd has opened is used, by its name.
func TestSocketActivation(t *testing.T) {
	cmd, address := activated(t, "http", "--listen", "systemd:http")
	d := parleyd.StartCommand(t, cmd)
	if d.Address != address {
		t.Errorf("it listens on %s, want %s", d.Address, address)
	}
	connect(t, d).join("r", "a")
}

// A socket of systemd that no setting names would leave its clients waiting: the start
// ends with its name.
func TestSocketNobodyNames(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "systemd:http"} {
		cmd, _ := activated(t, "other", "--listen", listen)
		var out bytes.Buffer
		cmd.Stderr = &out
		end := time.AfterFunc(parleyd.Patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Run()
		end.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(out.String(), `"other"`) {
			t.Errorf("%s: exit code %d and %q", listen, code, out.String())
		}
	}
}

// manager is a service manager that is told how the daemon is (sd_notify(3)).
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) (*manager, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn}, "NOTIFY_SOCKET=" + path
}

// wait waits until it is told of a state.
func (m *manager) wait(state string) {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(parleyd.Patience))
	for b := make([]byte, 1000); ; {
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("not told of %s: %v", state, err)
		}
		if string(b[:n]) == state {
			return
		}
	}
}

// The service manager is told when the daemon is ready, reads its settings again, lives
// and stops.
func TestNotify(t *testing.T) {
	m, socket := newManager(t)
	d := parleyd.StartCommand(t, withEnv(parleyd.Command("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
		socket, "WATCHDOG_USEC=200000"))
	m.wait("READY=1")
	m.wait("WATCHDOG=1")
	m.wait("WATCHDOG=1")
	d.Signal(syscall.SIGHUP)
	m.wait("RELOADING=1")
	m.wait("READY=1")
	d.Signal(syscall.SIGTERM)
	m.wait("STOPPING=1")
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Under a base path all is there, also for a proxy that does not strip it, and health
// checks are at the root too.
func TestBasePath(t *testing.T) {
	d := parleyd.Start(t, "--base-path", "/parley")
	for path, want := range map[string]int{
		"/parley/": 200, "/parley/main.js": 200, "/parley/client/index.js": 200, "/parley/readyz": 200, "/readyz": 200, "/healthz": 200,
		"/": 404, "/main.js": 404, "/ws": 404, "/parleyx/": 404,
	} {
		if status, _ := parleyd.Get(t, d.Address, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get("http://" + d.Address + "/parley")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 3 || answer.Header.Get("Location") != "/parley/" {
		t.Errorf("%s to %q", answer.Status, answer.Header.Get("Location"))
	}
	dial(t, "ws://"+d.Address+"/parley/ws", nil).join("r", "a")
}
