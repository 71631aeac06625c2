package dialects

import (
	"os/exec"
	"testing"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// small is a short run of the load-test client.
var small = []string{"--rooms", "4", "--peers", "3", "--rate", "300", "--duration", "2s", "--ramp", "500ms", "--late", "30s"}

// soak runs the load-test client, all of whose checks must pass.
func soak(t *testing.T, url, dialect string, args ...string) {
	t.Helper()
	args = append(append([]string{"--url", url, "--dialect", dialect}, small...), args...)
	if out, err := exec.Command(parleyd.Built("soak"), args...).CombinedOutput(); err != nil {
		t.Errorf("soak %v: %v\n%s", args, err, out)
	}
}

// The load-test client speaks the protocols of topics and swarms, to parleyd and to the servers
// that they come from: every message arrives once, in order, at its receiver.
func TestSoakTopicsAndSwarms(t *testing.T) {
	d := parleyd.Start(t, "--y-webrtc", "/y", "--webtorrent", "/tracker")
	soak(t, "ws://"+d.Address+"/y", "y-webrtc")
	soak(t, "ws://"+d.Address+"/y", "y-webrtc", "--profile", "churn", "--churn", "3")
	soak(t, "ws://"+d.Address+"/tracker", "webtorrent")
	soak(t, yServer(t), "y-webrtc")
	soak(t, tracker(t), "webtorrent")
}
