package soak

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

const authSecret = "the secret of these tests, longer than thirty-two bytes"

// write makes a file with a text.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mint returns a token for soak's rooms, as the daemon makes it.
func mint(t *testing.T, secret string, ttl time.Duration) string {
	t.Helper()
	out, err := parleyd.Command("token", "--auth-secret-file", secret, "--room", "soak-*", "--ttl", ttl.String()).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Soak signs tokens of its own, for peers with real connections too, and renews them
// before they expire, also those of members whose connection was cut in between.
func TestSignedTokens(t *testing.T) {
	secret := write(t, authSecret+"\n")
	d := parleyd.Start(t, "--auth-secret-file", secret)
	url := "ws://" + d.Address + "/ws"
	for _, dialect := range []string{"parley", "base"} {
		r := run(t, url, append(small, "--dialect", dialect, "--auth-secret-file", secret, "--token-ttl", "2s", "--duration", "5s", "--webrtc", "1")...)
		r.want(t, 0)
		if c := r.report.Phases[0].Counts; c.Joins != 12 || c.Renewals < 24 || c.Received != c.Sent || r.report.Phases[0].WebRTC.Up != 1 {
			t.Errorf("%s: %+v:\n%s", dialect, c, r.output)
		}
	}
	r := run(t, url, append(small, "--profile", "reconnect", "--cuts", "4", "--auth-secret-file", secret, "--token-ttl", "2s", "--duration", "5s")...)
	r.want(t, 0)
	if c := r.report.Phases[0].Counts; c.Resumes < 10 || c.Renewals < 20 {
		t.Errorf("%+v:\n%s", c, r.output)
	}
}

// Tokens come from a file too, and are renewed when fresh ones are in it.
func TestTokenFile(t *testing.T) {
	secret := write(t, authSecret+"\n")
	d := parleyd.Start(t, "--auth-secret-file", secret)
	fresh := []byte(mint(t, secret, time.Hour))
	file := write(t, mint(t, secret, 12*time.Second)+"\n"+mint(t, secret, 13*time.Second)+"\n")
	var replacing sync.WaitGroup
	replacing.Go(func() {
		for deadline := time.Now().Add(parleyd.Patience); !strings.Contains(strings.Join(d.Texts(), ""), `"msg":"join"`); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) || t.Context().Err() != nil {
				return // then nothing is renewed
			}
		}
		if err := os.WriteFile(file, fresh, 0o600); err != nil {
			t.Error(err)
		}
	})
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--token-file", file, "--duration", "15s", "--webrtc", "2")...)
	replacing.Wait()
	r.want(t, 0)
	if c := r.report.Phases[0].Counts; c.Joins != 12 || c.Renewals != 12 || r.report.Phases[0].WebRTC.Up != 2 {
		t.Errorf("%+v:\n%s", c, r.output)
	}
}

// Rooms may have rules: a passcode, a token for each.
func TestRoomRules(t *testing.T) {
	passcode := parleyd.Command("passcode")
	passcode.Stdin = strings.NewReader("let \"me\" in\n")
	hash, err := passcode.Output()
	if err != nil {
		t.Fatal(err)
	}
	config := write(t, "rooms:\n  soak-*:\n    passcode: "+strings.TrimSpace(string(hash))+"\n    max-members: 3\n")
	d := parleyd.Start(t, "--config", config)
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--passcode", `let "me" in`, "--webrtc", "1")...)
	r.want(t, 0)

	secret := write(t, authSecret)
	config = write(t, "rooms:\n  soak-*: {token: required, max-members: 3}\n")
	d = parleyd.Start(t, "--config", config, "--auth-secret-file", secret, "--auth-optional")
	r = run(t, "ws://"+d.Address+"/ws", append(small, "--auth-secret-file", secret, "--webrtc", "1")...)
	r.want(t, 0)
}

// A refused join is a fault that names the server's answer; nothing of a secret is
// in what soak writes.
func TestNotLetIn(t *testing.T) {
	secret, other := write(t, authSecret), write(t, "another "+authSecret)
	d := parleyd.Start(t, "--auth-secret-file", secret)
	foreign := mint(t, other, time.Hour)
	for name, args := range map[string][]string{
		"no token": nil, "a token of another secret": {"--auth-secret-file", other},
		"a foreign token": {"--token-file", write(t, foreign)},
	} {
		r := run(t, "ws://"+d.Address+"/ws", append(small, args...)...)
		r.want(t, 1)
		page, err := os.ReadFile(r.page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.output, "unauthorized") || strings.Contains(r.output, foreign) || bytes.Contains(page, []byte(foreign)) {
			t.Errorf("%s:\n%s", name, r.output)
		}
	}
}
