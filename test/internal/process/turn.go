package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TURN is a running TURN server: coturn, on loopback.
type TURN struct {
	Port       string
	SecretFile string // with the secret that credentials are made of
}

// URL returns the server's address as browsers take it.
func (s *TURN) URL() string { return "turn:127.0.0.1:" + s.Port + "?transport=udp" }

// StartTURN runs a TURN server until the end of the test.
func StartTURN(t *testing.T) *TURN {
	t.Helper()
	dir := t.TempDir()
	const secret = "north wind"
	s := &TURN{Port: FreePort(t), SecretFile: filepath.Join(dir, "secret")}
	if err := os.WriteFile(s.SecretFile, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	Start(t, exec.Command("turnserver", "-n", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout",
		"--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--allow-loopback-peers", "--realm", "parley.test",
		"--listening-port", s.Port, "--pidfile", filepath.Join(dir, "pid"), "--userdb", filepath.Join(dir, "db"),
		"--use-auth-secret", "--static-auth-secret", secret))
	AwaitTCP(t, "127.0.0.1:"+s.Port)
	return s
}
