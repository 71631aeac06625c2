package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rewrite writes a file of settings, at a new path if path is empty, and returns its path.
func rewrite(t *testing.T, path, text string) string {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "parley.yaml")
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Again reads the same settings as a start would, and names those that differ.
func TestAgain(t *testing.T) {
	path := rewrite(t, "", "max-rooms: 5\nlisten: :1\nallow-origin: [a.org]\nrooms: {r: {max-members: 3}}\n")
	env := map[string]string{"PARLEY_RATE": "7"}
	c, err := Load([]string{"--config", path, "--burst", "9", "--ice-server", "stun:a.org", "--ice-server", "stun:b.org"}, environment(env))
	if err != nil {
		t.Fatal(err)
	}
	again := func() *Config {
		t.Helper()
		fresh, err := c.Again(environment(env))
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	if taken, restart := again().Changed(c); len(taken)+len(restart) > 0 {
		t.Errorf("nothing was changed, and it says %q %q", taken, restart)
	}

	rewrite(t, path, "max-rooms: 6\nlisten: :2\nburst: 1\nallow-origin: [a.org, b.org]\nrooms: {r: {max-members: 4}}\nice-server: [stun:c.org]\n")
	env["PARLEY_RATE"] = "8"
	fresh := again()
	taken, restart := fresh.Changed(c)
	if got := strings.Join(taken, " "); got != "allow-origin max-rooms rate rooms" {
		t.Errorf("taken: %s", got)
	}
	if got := strings.Join(restart, " "); got != "listen" {
		t.Errorf("restart: %s", got)
	}
	if fresh.Burst != 9 || len(fresh.ICEServers) != 2 {
		t.Errorf("the command line comes first: %d %q", fresh.Burst, fresh.ICEServers)
	}
	fresh.Keep(c, restart)
	if fresh.Listen[0] != ":1" || fresh.MaxRooms != 6 {
		t.Errorf("%q %d", fresh.Listen, fresh.MaxRooms)
	}
	fresh.Keep(c, []string{"allow-origin"})
	if len(fresh.AllowOrigins) != 1 {
		t.Errorf("%q", fresh.AllowOrigins)
	}

	rewrite(t, path, "max-rooms: many\n")
	if _, err := c.Again(environment(env)); err == nil {
		t.Error("a bad file was taken")
	}
}

// A file without text is one that is being written, and changes nothing. A file that
// says nothing does.
func TestAgainWithoutText(t *testing.T) {
	path := rewrite(t, "", "max-rooms: 5\n")
	c, err := Load([]string{"--config", path}, none)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "\n", " \r\n  "} {
		rewrite(t, path, text)
		if _, err := c.Again(none); err == nil || !strings.Contains(err.Error(), "is empty") {
			t.Errorf("%q: %v", text, err)
		}
	}
	rewrite(t, path, "# max-rooms: 5\n")
	if fresh, err := c.Again(none); err != nil || fresh.MaxRooms != 0 {
		t.Errorf("%v", err)
	}
}

// Some settings can change in one way, and in another not.
func TestCanTake(t *testing.T) {
	secret := rewrite(t, "", "whsec_x")
	hook := []string{"--webhook-secret-file", secret, "--join-webhook", "http://a.org"}
	for _, c := range []struct {
		name        string
		from, to    []string
		takes, runs string
	}{
		{"another window", []string{"--resume-window", "1s"}, []string{"--resume-window", "2s"}, "resume-window", ""},
		{"no window", []string{"--resume-window", "1s"}, []string{"--resume-window", "0s"}, "", "resume-window"},
		{"a window", []string{"--resume-window", "0s"}, []string{"--resume-window", "1s"}, "", "resume-window"},
		{"another webhook", append([]string{"--event-webhook", "http://a.org"}, hook...), append([]string{"--event-webhook", "http://b.org"}, hook...), "event-webhook", ""},
		{"no webhook", append([]string{"--event-webhook", "http://a.org"}, hook...), hook, "event-webhook", ""},
		{"a webhook", hook, append([]string{"--event-webhook", "http://a.org"}, hook...), "", "event-webhook"},
	} {
		t.Run(c.name, func(t *testing.T) {
			older, err := Load(c.from, none)
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := Load(c.to, none)
			if err != nil {
				t.Fatal(err)
			}
			taken, restart := fresh.Changed(older)
			if strings.Join(taken, " ") != c.takes || strings.Join(restart, " ") != c.runs {
				t.Errorf("%q %q", taken, restart)
			}
		})
	}
}

// All that can change is a setting.
func TestLiveSettingsExist(t *testing.T) {
	c := New()
	for name := range live {
		if name != roomsKey && c.flags.Lookup(name) == nil {
			t.Errorf("%s is no setting", name)
		}
	}
}
