package dialects

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// token makes a token with the command that the page has for it.
func (g guide) token(secret string) string {
	g.t.Helper()
	// A command may continue on the next line, as any text of a paragraph.
	command := regexp.MustCompile(`\x60parleyd\s+(token\s+--auth-secret-file)\s+secret\s+([^\x60]*)\x60`).FindStringSubmatch(g.text)
	if command == nil {
		g.t.Fatal("the page has no command for a token")
	}
	args := append(strings.Fields(command[1]), secret)
	out, err := parleyd.Command(append(args, strings.Fields(command[2])...)...).Output()
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// With a token made as the guide says a client comes in where it says, and without it does not.
func TestTheTokensOfTheGuide(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	d := parleyd.Start(t, "--auth-secret-file", secret, "--peerjs", "/", "--y-webrtc", "/y", "--webtorrent", "/tracker", "--ayame", "/ayame")
	hears := func(path, text, want string) {
		t.Helper()
		a := (&ayameAt{t: t, url: "ws://" + d.Address + path}).dial()
		if text != "" {
			a.send(text)
		}
		if got := a.read(); !strings.Contains(got, want) {
			t.Errorf("%s: %s hears %s, not %s", path, text, got, want)
		}
	}

	token := openGuide(t, "peerserver").token(secret)
	hears("/peerjs"+place{}.query("ann", token), "", `"OPEN"`)
	hears("/peerjs"+place{}.query("bob", token), "", `"ERROR"`)
	hears("/peerjs"+place{}.query("bob", "made up"), "", `"ERROR"`)

	token = openGuide(t, "webtorrent-tracker").token(secret)
	hash := `\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019`
	hears("/tracker?token="+token, says(hash, peerB, ""), `"incomplete":1`)
	hears("/tracker?token="+token, says(swarmB, peerB, ""), `failure reason`)
	hears("/tracker", says(hash, peerB, ""), `failure reason`)

	token = openGuide(t, "ayame").token(secret)
	for _, with := range []string{`"signalingKey":"` + token + `"`, `"authnMetadata":{"token":"` + token + `"}`} {
		hears("/ayame", `{"type":"register","roomId":"room",`+with+`}`, `"accept"`)
		hears("/ayame", `{"type":"register","roomId":"other",`+with+`}`, `"reject"`)
	}
	hears("/ayame", `{"type":"register","roomId":"room"}`, `"reject"`)

	token = openGuide(t, "y-webrtc").token(secret)
	y := open(t, "ws://"+d.Address+"/y?token="+token, 1, yMark)
	y.play(step{text: `{"type":"subscribe","topics":["room","other"]}`})
	for topic, n := range map[string]int{"room": 1, "other": 0} {
		if heard := y.play(step{text: `{"type":"publish","topic":"` + topic + `"}`}); len(heard[0]) != n {
			t.Errorf("topic %s: %s", topic, heard[0])
		}
	}
}
