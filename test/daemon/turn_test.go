package daemon

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// The credentials that members are handed are good for a real TURN server, in
// joined and on ice, and others are not.
func TestTURN(t *testing.T) {
	dir := t.TempDir()
	const secret = "north wind"
	secretFile := filepath.Join(dir, "secret")
	write(t, secretFile, []byte(secret+"\n"))
	port := freePort(t)
	turn := exec.Command("turnserver", "-n", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout",
		"--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--allow-loopback-peers", "--realm", "parley.test",
		"--listening-port", port, "--pidfile", filepath.Join(dir, "pid"), "--userdb", filepath.Join(dir, "db"),
		"--use-auth-secret", "--static-auth-secret", secret)
	start(t, turn)
	awaitTCP(t, "127.0.0.1:"+port)

	d := parleyd.Start(t, "--ice-server", "stun:127.0.0.1:"+port, "--ice-server", "turn:127.0.0.1:"+port+"?transport=udp",
		"--turn-secret-file", secretFile)
	a := connect(t, d)
	joined := a.join("r", "ann")
	a.send(`{"type":"ice"}`)
	asked := a.until(func(m message) bool { return m.Type == "ice" })
	for _, m := range []message{joined, asked} {
		if len(m.ICEServers) != 2 || m.ICEServers[0].Username != "" || !strings.HasSuffix(m.ICEServers[1].Username, ":ann") {
			t.Fatalf("ICE servers: %+v", m.ICEServers)
		}
		s := m.ICEServers[1]
		if out, err := allocate(t, port, s.Username, s.Credential); err != nil {
			t.Errorf("%s was not let in: %v\n%s", s.Username, err, out)
		}
		if out, err := allocate(t, port, "1"+s.Username, s.Credential); err == nil {
			t.Errorf("a wrong user name was let in:\n%s", out)
		}
	}
}

// allocate has coturn's own client send a few packets through the server.
func allocate(t *testing.T, port, user, password string) (string, error) {
	t.Helper()
	client := exec.Command("timeout", "20", "turnutils_uclient", "-y", "-c", "-n", "3", "-l", "100",
		"-p", port, "-u", user, "-w", password, "127.0.0.1")
	out, err := client.CombinedOutput()
	if err == nil && !strings.Contains(string(out), "Total lost packets 0 ") {
		err = fmt.Errorf("packets were lost")
	}
	return string(out), err
}

// start runs a server, and ends it with all its processes after the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = parleyd.Patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output of %s:\n%s", cmd.Path, out.String())
		}
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// awaitTCP waits until an address takes connections.
func awaitTCP(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(parleyd.Patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
