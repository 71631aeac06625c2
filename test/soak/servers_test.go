package soak

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/parley-rtc/parley/test/internal/npm"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/process"
)

// The daemon passes, in its own protocol and in its base, and its metrics are in the
// report.
func TestDaemon(t *testing.T) {
	d := parleyd.Start(t)
	for _, dialect := range []string{"parley", "base"} {
		t.Run(dialect, func(t *testing.T) {
			r := run(t, "ws://"+d.Address+"/ws", append(small, "--dialect", dialect, "--metrics-url", "http://"+d.Admin+"/metrics")...)
			r.want(t, 0)
			c := r.report.Phases[0].Counts
			if c.Sent < 300 || c.Received != c.Sent || c.Answered != c.Calls || c.Joins != 12 {
				t.Errorf("%+v", c)
			}
			if s := r.report.Server; s == nil || s.Memory < 1e6 {
				t.Errorf("of the server: %+v", s)
			}
		})
	}
}

// The daemon passes with members that are told of changes: while they come and go, while
// connections are cut, and in a room of hundreds.
func TestChanges(t *testing.T) {
	d := parleyd.Start(t, "--max-room-members", "0")
	for name, args := range map[string][]string{
		"calls": nil,
		"churn": {"--churn", "5"},
		"cuts":  {"--profile", "reconnect", "--cuts", "5", "--churn", "3"},
		"large": {"--profile", "bigroom", "--rooms", "1", "--peers", "300", "--churn", "20", "--cuts", "10", "--rate", "100", "--duration", "4s"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "ws://"+d.Address+"/ws", append(append(small, "--changes"), args...)...)
			r.want(t, 0)
		})
	}
}

// A daemon that is stopped in mid-run is a fault, and told.
func TestDaemonStopped(t *testing.T) {
	d := parleyd.Start(t)
	go func() {
		for range 12 {
			d.Wait(t, "join")
		}
		d.Kill()
	}()
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--dialect", "base")...)
	r.want(t, 1)
	kinds := map[string]int{}
	for _, f := range r.report.Faults {
		kinds[f.Kind] = f.Count
	}
	if kinds["connection lost"]+kinds["not joined"] == 0 {
		t.Errorf("faults %v:\n%s", kinds, r.output)
	}
}

// peerVersion is the release of PeerJS's server that is tested against.
const peerVersion = "1.0.2"

// PeerServer, from npm, passes in its own protocol.
func TestPeerServer(t *testing.T) {
	script := filepath.Join(npm.Install(t, "peer@"+peerVersion), "node_modules", "peer", "dist", "bin", "peerjs.js")
	port := process.FreePort(t)
	process.Start(t, exec.Command("node", script, "--host", "127.0.0.1", "--port", port, "--path", "/"))
	address := net.JoinHostPort("127.0.0.1", port)
	process.AwaitTCP(t, address)
	r := run(t, "ws://"+address+"/peerjs", append(small, "--dialect", "peerserver")...)
	r.want(t, 0)
	if c := r.report.Phases[0].Counts; c.Sent < 300 || c.Received != c.Sent || c.Answered != c.Calls {
		t.Errorf("%+v", c)
	}
	// Its members know nothing of each other's leaving: what is sent to one who has
	// left comes back as expired, and is no fault.
	r = run(t, "ws://"+address+"/peerjs", append(small, "--dialect", "peerserver", "--profile", "churn", "--churn", "5")...)
	r.want(t, 0)
}

// Peer connections go through a real TURN server, with what the daemon hands out.
func TestRelayed(t *testing.T) {
	turn := process.StartTURN(t)
	d := parleyd.Start(t, "--ice-server", turn.URL(), "--turn-secret-file", turn.SecretFile)
	r := run(t, "ws://"+d.Address+"/ws", append(small, "--webrtc", "3", "--relay-only")...)
	r.want(t, 0)
	if w := r.report.Phases[0].WebRTC; w == nil || w.Up != 3 || w.Relayed != 3 || w.Echoes != 30 {
		t.Errorf("%+v:\n%s", w, r.output)
	}
}
