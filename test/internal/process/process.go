// Package process runs other programs for tests.
package process

import (
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// Start runs a server, and ends it with all its processes after the test.
func Start(t *testing.T, cmd *exec.Cmd) {
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

// Ports to choose from. Systems take others, 32768 and up, for connections that go out: one of
// those may be taken between the choice and its use.
const firstPort, ports = 20000, 12000

// FreePort returns a port that nobody listens on.
func FreePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(firstPort + rand.IntN(ports))
		if _, given := givenPorts.LoadOrStore(port, nil); given {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

// givenPorts are the ports that FreePort has returned or found taken: none is returned twice.
var givenPorts sync.Map

// AwaitTCP waits until an address takes connections.
func AwaitTCP(t *testing.T, address string) {
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
