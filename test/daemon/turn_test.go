package daemon

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// The credentials that members are handed are good for a real TURN server, in
// joined and on ice, and others are not.
func TestTURN(t *testing.T) {
	turn := process.StartTURN(t)
	d := parleyd.Start(t, "--ice-server", "stun:127.0.0.1:"+turn.Port, "--ice-server", turn.URL(),
		"--turn-secret-file", turn.SecretFile)
	a := connect(t, d)
	joined := a.join("r", "ann")
	a.send(`{"type":"ice"}`)
	asked := a.until(func(m message) bool { return m.Type == "ice" })
	for _, m := range []message{joined, asked} {
		if len(m.ICEServers) != 2 || m.ICEServers[0].Username != "" || !strings.HasSuffix(m.ICEServers[1].Username, ":ann") {
			t.Fatalf("ICE servers: %+v", m.ICEServers)
		}
		s := m.ICEServers[1]
		if out, err := allocate(t, turn.Port, s.Username, s.Credential); err != nil {
			t.Errorf("%s was not let in: %v\n%s", s.Username, err, out)
		}
		if out, err := allocate(t, turn.Port, "1"+s.Username, s.Credential); err == nil {
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
