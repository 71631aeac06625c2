package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The health check of a container asks where the daemon's own flags, file or environment
// have it listen.
func TestHealthAsksTheDaemonItself(t *testing.T) {
	dir := t.TempDir()
	settings := filepath.Join(dir, "parley.yaml")
	if err := os.WriteFile(settings, []byte("listen: 127.0.0.1:7000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, process, file, environment, url, socket string
	}{
		{"no settings", "/parleyd\x00", "", "", "http://127.0.0.1:8080/readyz", ""},
		{"flags", "/parleyd\x00--listen\x00:9000\x00", "", "", "http://127.0.0.1:9000/readyz", ""},
		{"a file among the flags", "/parleyd\x00--config\x00" + settings + "\x00", "", "", "http://127.0.0.1:7000/readyz", ""},
		{"a file of its own", "/parleyd\x00--listen\x00:9000\x00", settings, "", "http://127.0.0.1:7000/readyz", ""},
		{"environment", "/parleyd\x00", "", "[::1]:6000", "http://[::1]:6000/readyz", ""},
		{"flags over the environment", "/parleyd\x00--listen=:9000\x00", "", ":6000", "http://127.0.0.1:9000/readyz", ""},
		{"another program", "/sbin/init\x00--listen\x00:9000\x00", "", ":6000", "http://127.0.0.1:6000/readyz", ""},
		{"no such process", "", "", ":6000", "http://127.0.0.1:6000/readyz", ""},
		{"Unix socket", "/parleyd\x00--listen\x00unix:/run/p.sock\x00", "", "", "http://localhost/readyz", "/run/p.sock"},
		{"base path", "/parleyd\x00--base-path\x00/parley/\x00", "", "", "http://127.0.0.1:8080/parley/readyz", ""},
		{"HTTPS", "/parleyd\x00--acme-domain\x00a.example.org\x00--acme-dir\x00/x\x00", "", "", "https://127.0.0.1:443/readyz", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			process := filepath.Join(t.TempDir(), "cmdline")
			if c.process != "" {
				if err := os.WriteFile(process, []byte(c.process), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.environment != "" {
				t.Setenv("PARLEY_LISTEN", c.environment)
			}
			settings, err := runningConfig(c.file, process)
			if err != nil {
				t.Fatal(err)
			}
			if url, socket, err := readyURL(settings); err != nil || url != c.url || socket != c.socket {
				t.Errorf("%s %q %v", url, socket, err)
			}
		})
	}
}
