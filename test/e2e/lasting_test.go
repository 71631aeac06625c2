package e2e

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// user is an expression for the user name that the open connection would ask the TURN
// server with.
const user = `window.peers.findLast(p => p.connectionState !== "closed").getConfiguration().iceServers[0].username`

// findsNewWay has a connection look for another way, which has to be through a new
// relay, and waits until it has.
func findsNewWay(d *parleyd.Daemon, from *window, all ...*window) {
	from.t.Helper()
	opened := relays(d)
	from.eval(`window.way = ` + way + `; window.peers.findLast(p => p.connectionState !== "closed").restartIce()`)
	from.until("a new way", way+` !== window.way`)
	for _, w := range all {
		w.sees(1)
	}
	if relays(d) == opened {
		from.t.Errorf("%s: the new way is through the old relay", from.name)
	}
}

// way names what the open connection has agreed on.
const way = `(/a=ice-ufrag:(\S+)/.exec(window.peers.findLast(p => p.connectionState !== "closed").currentLocalDescription.sdp)[1])`

// relays counts the allocations that the daemon has made.
func relays(d *parleyd.Daemon) (n int) {
	for _, line := range d.Lines() {
		if line["msg"] == "relay opened" {
			n++
		}
	}
	return n
}

// A call of two that can use nothing but the relay outlasts its credentials, a change of
// the secret, and a restart of the daemon.
func TestRelayedCallLasts(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "turn-secret")
	write := func(text string) {
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("north wind\n")
	port := process.FreePort(t)
	args := []string{"--turn-listen", "127.0.0.1:" + process.FreePort(t), "--turn-ttl", "20s", "--turn-secret-file", secret}
	d := parleyd.StartAt(t, "127.0.0.1:"+port, args...)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", relayOnly)
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", relayOnly)
	both := []*window{ann, bob}
	for _, w := range both {
		w.meet("garden")
	}
	for _, w := range both {
		w.sees(1)
		w.eval(`window.user = ` + user)
	}

	// The credentials of the beginning are over, and fresh ones were there in time.
	for _, w := range both {
		w.until("the time is over", `Date.now() > 1000 * parseInt(window.user)`)
		w.until("fresh credentials", `1000 * parseInt(`+user+`) > Date.now()`)
	}
	findsNewWay(d, ann, both...)

	write("south wind\n")
	for _, w := range both {
		w.until("credentials under the new secret", user+`.split(/[.:]/)[1] !== window.user.split(/[.:]/)[1]`)
		w.sees(1)
	}
	findsNewWay(d, bob, both...)

	d.Signal(syscall.SIGTERM)
	if code := d.ExitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	again := parleyd.StartAt(t, "127.0.0.1:"+port, args...)
	again.Wait(t, "relay opened")
	for _, w := range both {
		w.sees(1)
	}
}

// Without a secret in the settings the daemon keeps its own: credentials from before a
// restart are good after it.
func TestCredentialsOutliveARestart(t *testing.T) {
	port, turn := process.FreePort(t), process.FreePort(t)
	d := parleyd.StartAt(t, "127.0.0.1:"+port, "--turn-listen", "127.0.0.1:"+turn)
	b := browser.Start(t)
	ann := open(t, b, "Ann", "http://"+d.Address+"/#garden", relayOnly)
	bob := open(t, b, "Bob", "http://"+d.Address+"/#garden", relayOnly)
	for _, w := range []*window{ann, bob} {
		w.meet("garden")
	}
	ann.sees(1)
	ann.eval(`window.user = ` + user)
	d.Signal(syscall.SIGKILL)
	<-d.Exited()
	again := parleyd.StartAt(t, "127.0.0.1:"+port, "--turn-listen", "127.0.0.1:"+turn)
	again.Wait(t, "relay opened")
	ann.sees(1)
	bob.sees(1)
	ann.until("the same secret", user+`.split(/[.:]/)[1] === window.user.split(/[.:]/)[1]`)
}

// The limits on allocations reckon with this: a browser makes one for each peer and URL,
// and as many again when it looks for another way, on each network that it has.
func TestAllocationsOfACall(t *testing.T) {
	pair := certificate.New(t, t.TempDir())
	d := parleyd.Start(t, "--tls-cert", pair.CertFile, "--tls-key", pair.KeyFile, "--turn-host", "localhost",
		"--turn-listen", "127.0.0.1:0", "--turn-tls-listen", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(d.Address)
	b := browser.Start(t, chromedp.Flag("ignore-certificate-errors-spki-list", pair.Hash(t)))
	ann := open(t, b, "Ann", "https://localhost:"+port+"/#garden", relayOnly)
	bob := open(t, b, "Bob", "https://localhost:"+port+"/#garden", relayOnly)
	both := []*window{ann, bob}
	for _, w := range both {
		w.meet("garden")
	}
	gathered := `window.peers.findLast(p => p.connectionState !== "closed").iceGatheringState === "complete"`
	for _, w := range both {
		w.sees(1)
		w.until("all is gathered", gathered)
	}
	most := 2 * 3 * networks(t) // members, URLs
	if n := relays(d); n > most {
		t.Errorf("%d allocations of two members, and there should be %d", n, most)
	}
	findsNewWay(d, ann, both...)
	for _, w := range both {
		w.until("all is gathered", gathered)
	}
	if n := relays(d); n > 2*most {
		t.Errorf("%d allocations of two members after a restart of ICE, and there should be %d", n, 2*most)
	}
}

// networks counts those that a browser here has.
func networks(t *testing.T) (n int) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if addresses, err := i.Addrs(); err == nil && i.Flags&net.FlagUp != 0 && len(addresses) > 0 {
			n++
		}
	}
	return n
}
