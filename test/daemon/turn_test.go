package daemon

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/certificate"
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

// The TURN server in the daemon takes the credentials that members are handed, from
// coturn's own client, and no others, and no more.
func TestEmbeddedTURN(t *testing.T) {
	d := parleyd.Start(t, "--turn-listen", "127.0.0.1:0", "--turn-ttl", "1h")
	joined := connect(t, d).join("r", "ann")
	if len(joined.ICEServers) != 1 || len(joined.ICEServers[0].URLs) != 2 {
		t.Fatalf("ICE servers: %+v", joined.ICEServers)
	}
	s := joined.ICEServers[0]
	_, rest, _ := strings.Cut(s.URLs[0], "turn:127.0.0.1:")
	port, _, _ := strings.Cut(rest, "?")
	if out, err := allocate(t, port, s.Username, s.Credential); err != nil {
		t.Errorf("%s was not let in: %v\n%s", s.Username, err, out)
	}
	if out, err := allocate(t, port, "1"+s.Username, s.Credential); err == nil {
		t.Errorf("a forged user name was let in:\n%s", out)
	}
	d.Wait(t, "relay opened", "id", "ann")
	d.Wait(t, "relay closed", "id", "ann")
	_, metrics := parleyd.Get(t, d.Admin, "/metrics")
	for _, want := range []string{`parley_turn_bytes_total{direction="to_peers"}`, `parley_turn_refused_total{reason="unauthorized"}`} {
		_, rest, found := strings.Cut(metrics, want+" ")
		if !found || strings.HasPrefix(rest, "0\n") {
			t.Errorf("%s is not counted", want)
		}
	}

	brief := parleyd.Start(t, "--turn-listen", "127.0.0.1:0", "--turn-ttl", "1s")
	s = connect(t, brief).join("r", "ann").ICEServers[0]
	_, rest, _ = strings.Cut(s.URLs[0], "turn:127.0.0.1:")
	port, _, _ = strings.Cut(rest, "?")
	expiry, _, _ := strings.Cut(s.Username, ":")
	for fmt.Sprint(time.Now().Unix()-1) <= expiry {
		time.Sleep(100 * time.Millisecond)
	}
	if out, err := allocate(t, port, s.Username, s.Credential); err == nil {
		t.Errorf("expired credentials were let in:\n%s", out)
	}
}

// One TLS port serves the page's clients, those included that name no protocol, and
// coturn's client.
func TestTURNBesideThePage(t *testing.T) {
	cert := certificate.New(t, t.TempDir())
	port := process.FreePort(t)
	d := parleyd.StartAt(t, "127.0.0.1:"+port, "--tls-cert", cert.CertFile, "--tls-key", cert.KeyFile,
		"--turn-tls-listen", "127.0.0.1:"+port)
	var s struct{ user, password string }
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cert.Pool, NextProtos: protocols}}}
		joined := dial(t, "wss://"+d.Address+"/ws", client).join("r", fmt.Sprintf("ann%d", len(protocols)))
		s.user, s.password = joined.ICEServers[0].Username, joined.ICEServers[0].Credential
	}
	out, err := exec.Command("timeout", "20", "turnutils_uclient", "-t", "-S", "-y", "-c", "-n", "3", "-l", "100",
		"-p", port, "-u", s.user, "-w", s.password, "127.0.0.1").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Total lost packets 0 ") {
		t.Errorf("coturn's client: %v\n%s", err, out)
	}
	d.Signal(syscall.SIGTERM)
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
